"""Votes of things by hand, objects from labels, and what `label` makes of them."""

import csv
import json
from dataclasses import replace
from importlib.resources import files

import laspy
import numpy as np
import pytest
import torch

import scanwise
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Scene
from scanwise.understand.confidence import tell_of_confidence
from scanwise.understand.label_files import asprs_code
from scanwise.understand.objects import connected_labels, objects_in
from scanwise.understand.shapes import check_shapes
from scanwise.understand.things import SCALES, Things, check_things
from tests.box_on_floor import box_on_floor
from tests.worlds import ColourVision, corner_scene


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))


def three_parts(*logits: float) -> Things:
    """Parts of 3, 1 and 2 voxels in a row."""
    of_voxel = np.array([0, 0, 0, 1, 2, 2], np.int32)
    return Things(of_voxel, np.array([[0, 1], [1, 2]]), np.array(logits, np.float32), {})


def test_means_are_of_the_voxels_of_a_part():
    means = three_parts(0, 0).means(torch.tensor([[1.0], [2.0], [3.0], [7.0], [1.0], [5.0]]))
    assert means[:, 0].tolist() == [2, 7, 3]


def test_parts_of_one_thing_vote_by_their_size():
    said = torch.tensor([[0.8, 0.2], [0.0, 1.0], [0.5, 0.5]])
    alone = three_parts(-9, -9).votes(said)
    torch.testing.assert_close(alone, said)
    together = three_parts(max(SCALES) + 1, -9).votes(said)
    torch.testing.assert_close(together, torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.5, 0.5]]))
    partly = three_parts((SCALES[0] + SCALES[1]) / 2, -9).votes(said)  # joined at two of the three scales
    torch.testing.assert_close(partly[0], said[0] / 3 + 2 / 3 * torch.tensor([0.6, 0.4]))
    torch.testing.assert_close(partly.sum(1), torch.ones(3))


def test_objects_are_of_one_label():
    things = three_parts(9, 9)
    assert things.objects(np.array([0, 0, 0])).tolist() == [0, 0, 0]
    assert things.objects(np.array([0, 1, 1])).tolist() == [0, 1, 1]
    assert things.objects(np.array([-1, 1, 1])).tolist() == [-1, 0, 0]
    assert three_parts(9, -9).objects(np.array([2, 2, 2])).tolist() == [0, 0, 1]


def test_objects_have_words_boxes_and_numbers():
    scene, box = box_on_floor()
    scores = np.stack([~box, box, np.zeros(len(box))], 1) * 0.7 + 0.1
    floor, thing = objects_in(scene, box.astype(np.int32), scores.astype(np.float32), ["floor", "box", "cat"])
    assert (floor.name, thing.name) == ("floor 1", "box 1")
    assert thing.confidence == pytest.approx(0.8)
    assert thing.runner_up_confidence == pytest.approx(0.1)
    np.testing.assert_allclose(thing.center, [1, 1, 0.25], atol=0.01)
    np.testing.assert_allclose(thing.size, [0.5, 0.5, 0.5], atol=0.02)
    assert thing.floor_area == pytest.approx(0.25, abs=0.02)
    assert thing.volume == pytest.approx(0.125, abs=0.02)
    assert thing.height_above_floor == pytest.approx(0, abs=0.02)
    assert thing.unit == "m"


def test_lengths_are_in_the_unit_of_the_file():
    scene, box = box_on_floor()
    mm = replace(scene, to_source=np.diag([1000.0, 1000, 1000, 1]))
    _, thing = objects_in(mm, box.astype(np.int32), np.eye(2, dtype=np.float32)[box.astype(int)], ["floor", "box"])
    assert thing.unit == "mm"
    np.testing.assert_allclose(thing.center, [1000, 1000, 250], atol=10)
    assert thing.volume == pytest.approx(0.125e9, rel=0.1)


def test_without_things_objects_are_connected_points():
    scene, box = box_on_floor()
    twice = np.concatenate([scene.points, scene.points + np.float32(5)])
    labels = np.tile(np.where(box, 1, 0), 2)
    objects = connected_labels(twice, labels)
    assert len(set(objects.tolist())) == 4
    assert (connected_labels(twice, np.where(labels == 1, -1, labels))[labels == 1] == -1).all()


def labelled(scene: Scene, **options: object) -> scanwise.Labels:
    return scanwise.label(scene, ["red", "green", "blue"], vision=ColourVision(), shapes="off", **options)


def test_every_labelled_point_is_in_one_object_of_its_word():
    labels = labelled(corner_scene())
    assert (labels.object_of >= 0).all()
    for each in labels.objects:
        rows = labels.object_of == each.id
        assert set(labels.indices[rows].tolist()) == {labels.texts.index(each.text)}
        np.testing.assert_array_equal(np.sort(each.place.rows), np.flatnonzero(rows))
    assert sum(labels.object_counts) == len(labels.objects)


def test_things_can_be_left_out():
    with_things, without = labelled(corner_scene()), labelled(corner_scene(), things="off")
    assert (with_things.indices == without.indices).mean() > 0.95
    assert "things" not in without.facts["models"]
    with pytest.raises(InputError, match="no such"):
        check_things("nowhere.ckpt")


def test_what_is_unsure_is_left_out():
    scene = corner_scene()
    everything, sure, nothing = (labelled(scene, unsure=least) for least in (0.0, 0.6, 1.0))
    assert (everything.indices >= 0).all()
    left = sure.indices >= 0
    assert (sure.confidence[left] >= 0.6).all()
    assert (sure.object_of[~left] == -1).all()
    assert (nothing.indices >= 0).mean() <= left.mean()
    with pytest.raises(InputError, match="0 to 1"):
        labelled(scene, unsure=1.5)


def test_a_scan_that_no_word_fits_is_told_of():
    with pytest.warns(ScanwiseWarning, match="upright"):
        tell_of_confidence(np.full(10, 0.3), 5)
    tell_of_confidence(np.full(10, 0.8), 5)


def test_the_folder_says_what_the_labels_say(tmp_path):
    labels = labelled(corner_scene())
    labels.save(tmp_path, split=True)
    objects = json.loads((tmp_path / "objects.json").read_text())["objects"]
    with open(tmp_path / "objects.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == [each["name"] for each in objects] == [each.name for each in labels.objects]
    assert [float(row["center_x"]) for row in rows] == [each["center"][0] for each in objects]
    cloud = scanwise.read_scene(tmp_path / "labels.ply")
    np.testing.assert_array_equal(cloud.labels, labels.indices)
    np.testing.assert_array_equal(cloud.attributes["object"], labels.object_of)
    parts = sorted((tmp_path / "objects").iterdir())
    assert len(parts) == len(labels.objects)
    assert sum(len(scanwise.read_scene(part)) for part in parts) == int((labels.object_of >= 0).sum())
    labels.picture(tmp_path / "again.png")
    labels.page(tmp_path / "again.html")
    assert (tmp_path / "again.html").stat().st_size > 10_000


def test_points_can_be_painted(tmp_path):
    labels = labelled(corner_scene())
    labels.save(tmp_path, painted=True)
    cloud = scanwise.read_scene(tmp_path / "labels.ply")
    for index in range(3):
        assert len(np.unique(cloud.colors[labels.indices == index], axis=0)) == 1


def test_las_gets_codes_where_they_are_asked_for(tmp_path):
    scene = corner_scene()
    scanwise.write_scene(Scene(scene.points, scene.colors), tmp_path / "cloud.las")
    read = replace(scanwise.read_scene(tmp_path / "cloud.las"), views=scene.views)

    class Words(ColourVision):
        def encode_texts(self, texts):
            return super().encode_texts([{"building": "red", "ground": "green", "cat": "blue"}[text] for text in texts])

    labels = scanwise.label(read, ["building", "ground", "cat"], vision=Words(), shapes="off")
    labels.save(tmp_path / "plain")
    labels.save(tmp_path / "codes", las_classes=True)
    assert scanwise.read_scene(tmp_path / "plain" / "labels.las").classes == ["building", "ground", "cat"]
    codes = np.asarray(laspy.read(tmp_path / "codes" / "labels.las").classification)
    np.testing.assert_array_equal(codes, np.array([6, 2, 1])[labels.indices])
    assert [asprs_code(word) for word in ("tree", "Roof", "espresso machine")] == [5, 6, 1]


def test_the_demo_has_its_chairs_and_one_sofa():
    scene = scanwise.read_scene(str(files("scanwise") / "demo"))
    assert check_shapes(None, scene) is not None
    bare = Scene(scene.points, scene.colors, name="bare")
    with pytest.warns(ScanwiseWarning, match="no pictures"):
        labels = scanwise.label(bare, ["sofa", "table", "chair", "bookcase", "wall", "floor"])
    (sofa,) = [each for each in labels.objects if each.name == "sofa 1"]
    assert 1 < sofa.size[0] < 3
