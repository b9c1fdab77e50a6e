"""Training takes scenes as they are: files and folders of every format that `read_scene` reads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scanwise.data.classes import class_counts, class_names, with_joined_classes
from scanwise.data.datasets import StoredFrame, read_source, scene_paths
from scanwise.data.shards import write_shards
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.las import ASPRS
from scanwise.formats.registry import write_scene
from scanwise.methods.dos import DOSRecipe
from scanwise.methods.dos.train import train as train_dos
from scanwise.methods.segment import SegmentRecipe
from scanwise.methods.segment.train import train as train_segment
from scanwise.scene import Scene
from scanwise.training.launch import make_fabric
from tests.scenes import CLASSES, labelled_scene


def write_files(root: Path, suffix: str, scene=labelled_scene, **splits: int) -> Path:
    """Files `root/train/0.ply`, ... of so many scenes a split."""
    for number, (split, count) in enumerate(splits.items()):
        (root / split).mkdir(parents=True)
        for index in range(count):
            write_scene(scene(100 * number + index), root / split / f"{index}.{suffix}")
    return root


def unnamed(seed: int) -> Scene:
    return replace(labelled_scene(seed), classes=None)


def surveyed(seed: int) -> Scene:
    """The corner as a surveyor classifies it: ground (2), wall as building (6), blocks as unclassified (1)."""
    scene = labelled_scene(seed)
    return replace(scene, labels=np.array([2, 6, 1], np.int32)[scene.labels], classes=list(ASPRS), boxes=[])


def swept(seed: int) -> Scene:
    return Scene(labelled_scene(seed).points)


def two_steps(data: Path) -> dict:
    return {"data": data, "backbone": "tiny", "voxel": 0.1, "batch": 2, "steps": 2, "validate_every": 2}


@pytest.mark.parametrize("suffix", ["ply", "npy"])
def test_files_without_names_of_classes_train_a_segmenter(tmp_path, suffix):
    data = write_files(tmp_path / "data", suffix, unnamed, train=3, val=2)
    metrics = train_segment(SegmentRecipe(**two_steps(data)), tmp_path / "run", make_fabric(device="cpu"))
    assert 0 <= metrics["miou"] <= 1
    assert class_names(scene_paths(data, "train")) == ["0", "1", "2"]


def test_files_that_name_their_classes_train_a_segmenter(tmp_path):
    data = write_files(tmp_path / "data", "laz", surveyed, train=3, val=2)
    metrics = train_segment(SegmentRecipe(**two_steps(data)), tmp_path / "run", make_fabric(device="cpu"))
    assert 0 <= metrics["miou"] <= 1
    assert class_names(scene_paths(data, "train")) == list(ASPRS)


def test_sweeps_without_labels_train_an_encoder(tmp_path):
    data = write_files(tmp_path / "data", "bin", swept, train=3, val=2)
    small = {"features": ("height",), "prototypes": 32, "hidden": 32, "channels": 16}
    metrics = train_dos(DOSRecipe(**two_steps(data), **small), tmp_path / "run", make_fabric(device="cpu"))
    assert "linear" not in metrics
    assert (tmp_path / "run" / "best.ckpt").exists()


def test_whatever_can_be_read_is_found_in_the_order_of_names(tmp_path):
    scene = unnamed(0)
    for name in ("b.laz", "a.ply", "area/c.npy", ".half.ply", "area/.half/d.ply"):
        (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        write_scene(scene, tmp_path / "train" / name)
    paths = [tmp_path / "train" / name for name in ("a.ply", "area/c.npy", "b.laz")]
    assert scene_paths(tmp_path, "train") == paths
    assert scene_paths(tmp_path / "train", "train") == paths
    assert scene_paths(paths[0], "train") == paths[:1]
    for name in ("photo.jpg", "notes.doc"):
        (tmp_path / "train" / name).write_bytes(b"")
    with pytest.warns(ScanwiseWarning, match=r"2 of its files are no scenes and are left out, such as notes\.doc"):
        assert scene_paths(tmp_path, "train") == paths


def test_scene_folders_come_before_shards_and_shards_before_files(tmp_path):
    write_scene(labelled_scene(0), tmp_path / "a.ply")
    assert scene_paths(tmp_path, "train") == [tmp_path / "a.ply"]
    write_shards([labelled_scene(1), labelled_scene(2)], tmp_path, scenes_per_shard=2)
    assert [read_source(source).name for source in scene_paths(tmp_path, "train")] == ["corner-1", "corner-2"]
    write_scene(labelled_scene(3), tmp_path / "z")
    assert scene_paths(tmp_path, "train") == [tmp_path / "z"]


def test_the_frames_of_a_drive_are_scenes(tmp_path):
    drive = tmp_path / "train" / "00"
    (drive / "velodyne").mkdir(parents=True)
    (drive / "calib").mkdir()
    (drive / "image_2").mkdir()
    for index in range(3):
        write_scene(swept(index), drive / "velodyne" / f"{index:06d}.bin")
    sources = scene_paths(tmp_path, "train")
    assert sources == [StoredFrame(drive, index) for index in range(3)]


def test_a_broken_file_is_named(tmp_path):
    data = write_files(tmp_path / "data", "ply", train=3, val=1)
    (data / "train" / "1.ply").write_bytes((data / "train" / "1.ply").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"train/1\.ply"):
        train_segment(SegmentRecipe(**two_steps(data)), tmp_path / "run", make_fabric(device="cpu"))


def test_lists_of_classes_that_differ_are_joined_by_name(tmp_path):
    scene = labelled_scene(0)
    names = ["floor", "block", "lamp"]
    for name, each in {"a": scene, "b": replace(scene, classes=[*CLASSES, "door"])}.items():
        write_scene(each, tmp_path / name)
    assert class_names(scene_paths(tmp_path, "train")) == [*CLASSES, "door"]
    write_scene(replace(scene, classes=names), tmp_path / "c")
    with pytest.warns(ScanwiseWarning, match=r"1 of 3 scenes list other classes \(floor, block, lamp"):
        sources, classes = with_joined_classes(scene_paths(tmp_path, "train"))
    assert classes == [*CLASSES, "door", "lamp"]
    last = sources[2].read()
    assert [last.classes[label] for label in last.labels] == [names[label] for label in scene.labels]
    assert class_names([]) == []


def test_numbers_without_names_are_joined_and_255_is_none(tmp_path):
    scene = labelled_scene(0)
    for name, labels in {"a": [0, 3, 255], "b": [0, 70, -1]}.items():
        labels = np.array(labels, np.int32)[scene.labels]
        write_scene(replace(scene, classes=None, labels=labels), tmp_path / f"{name}.ply")
    sources, classes = with_joined_classes(scene_paths(tmp_path, "train"))
    assert classes == ["0", "3", "70"]
    assert [np.unique(source.read().labels).tolist() for source in sources] == [[-1, 0, 1], [-1, 0, 2]]
    third = int((scene.labels == 0).sum())
    assert class_counts(scene_paths(tmp_path, "train")) == (classes, [2 * third, third, third])


def test_numbers_beside_names_are_refused(tmp_path):
    write_scene(labelled_scene(0), tmp_path / "a.laz")
    write_scene(replace(labelled_scene(0), classes=None), tmp_path / "b.ply")
    with pytest.raises(InputError, match="b: numbers its classes without naming them"):
        class_names(scene_paths(tmp_path, "train"))


@pytest.mark.parametrize(("ids", "suffix"), [([0, 1, 255], "ply"), ([1, 2, 70], "laz")])
def test_a_class_that_only_the_second_scene_has_is_trained(tmp_path, ids, suffix):
    scene = labelled_scene(0)
    for name, labels in {"a": [ids[0], ids[1], ids[1]], "b": ids}.items():
        codes = np.array(labels, np.int32)[scene.labels]
        classes = None if suffix == "ply" else [f"user {code}" for code in range(codes.max() + 1)]
        (tmp_path / "data").mkdir(exist_ok=True)
        write_scene(replace(scene, classes=classes, labels=codes), tmp_path / "data" / f"{name}.{suffix}")
    recipe = SegmentRecipe(**two_steps(tmp_path / "data") | {"batch": 1, "class_weights": "sqrt"})
    with pytest.warns(ScanwiseWarning, match="has no folder val, so every scene in it \(2\) is taken for val"):
        metrics = train_segment(recipe, tmp_path / "run", make_fabric(device="cpu"))
    assert 0 <= metrics["miou"] <= 1
