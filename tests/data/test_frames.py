"""Each pixel is called what the nearest labelled point is called, and nothing where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from scanwise.data.datasets import Draw, scene_paths
from scanwise.data.frames import NONE, FrameDataset, label_views
from scanwise.errors import InputError
from scanwise.geometry.pixels import REACH, STEP
from scanwise.scene import ArrayRaster
from tests.framed import COLORS, framed_scene, write_framed

COUNT = 2  # objects of a framed scene


def as_given(image, pixels, generator):
    return image, pixels


def away_from_edges(image: np.ndarray) -> np.ndarray:
    """Every second pixel whose neighbours within two pixels all have its colour."""
    same = np.ones(image.shape[:2], bool)
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            same &= (np.roll(image, shift, axis) == image).all(-1)
    same[:2] = same[-2:] = same[:, :2] = same[:, -2:] = False
    return same[1::STEP, 1::STEP]


def test_pixels_show_the_object_whose_colour_they_have():
    scene = framed_scene(0)
    found = label_views(scene)
    assert found.shape == (2, 24, 32)
    for view, labels in zip(scene.views, found, strict=True):
        sure = away_from_edges(view.image)
        for instance, value in ((0, 0), (1, 1), (-1, COUNT + 1)):
            of_it = (view.image[1::STEP, 1::STEP] == COLORS[instance]).all(-1) & sure
            assert of_it.any()
            assert (labels[of_it] == value).all()


def test_no_label_without_depth_or_beyond_reach():
    scene = framed_scene(0, views=1)
    depth = scene.views[0].depth.copy()
    depth[:, :20] = 0
    depth[:, 40:] -= REACH * 1.5
    scene.views[0].depth_raster = ArrayRaster(depth)
    labels = label_views(scene)[0]
    assert (labels[:, :10] == NONE).all()
    assert (labels[:, 20:] == NONE).all()
    assert (labels[:, 10:20] != NONE).any()


def test_what_faces_down_at_the_top_is_the_ceiling():
    scene = framed_scene(0)
    labels = scene.labels.copy()
    labels[labels == 1] = -1  # the floor, without a label
    up = replace(scene, labels=labels)
    down = replace(scene, labels=labels, normals=-scene.normals)
    ceiling = COUNT + len(scene.classes)
    assert not (label_views(up) == ceiling).any()
    assert (label_views(down) == ceiling).mean() > 0.5


def test_names_and_classes_of_frames(tmp_path):
    sources = scene_paths(write_framed(tmp_path, train=2), "train")
    frames = FrameDataset(sources, as_given)
    assert len(frames) == 4
    assert frames.classes == ["wall", "floor", "chair", "otherfurniture", "ceiling"]
    assert {"chair", "mug", "floor", "wall", "ceiling"} == set(frames.names)
    image, pixels = frames[Draw(2, (0,))]
    mug = (image[1::STEP, 1::STEP] == COLORS[1]).all(-1) & away_from_edges(image)
    assert {frames.names[word] for word in pixels.words[mug]} == {"mug"}
    assert {frames.classes[number] for number in pixels.classes[mug]} == {"otherfurniture"}
    assert set(pixels.objects[mug]) == {1}


def test_known_names_keep_their_places_and_frames_can_be_thinned(tmp_path):
    sources = scene_paths(write_framed(tmp_path, train=2), "train")
    frames = FrameDataset(sources, as_given, names=["lamp", "mug"], every=2)
    assert frames.names[:2] == ["lamp", "mug"]
    assert [frame.number for frame in frames.frames] == [0, 0]


def test_other_labels_of_the_same_pictures_are_other_entries_of_the_cache(tmp_path):
    from scanwise.formats import folder

    scene = framed_scene(0)
    folder.write(scene, tmp_path / "one" / "0")
    swapped = np.where(scene.labels == 2, 3, scene.labels)
    folder.write(replace(scene, labels=swapped), tmp_path / "two" / "0")
    keys = [FrameDataset(scene_paths(tmp_path / name, "train"), as_given).frames[0].key for name in ("one", "two")]
    assert keys[0] != keys[1]


def test_what_cannot_be_learned_from_is_refused(tmp_path):
    scene = framed_scene(0)
    with pytest.raises(InputError, match="no labels"):
        label_views(replace(scene, labels=None))
    moved = replace(scene, views=[replace(scene.views[0], depth_to_world=np.eye(4))])
    with pytest.raises(InputError, match="registered"):
        label_views(moved)
