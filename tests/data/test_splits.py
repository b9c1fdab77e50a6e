"""Splits as data sets list them."""

import pytest

from scanwise.data.datasets import scene_paths
from scanwise.data.splits import listed_scenes, split_file
from scanwise.errors import ScanwiseWarning
from scanwise.formats.registry import write_scene
from tests.scenes import labelled_scene


@pytest.fixture
def root(tmp_path):
    for name in ("scene0000_00", "scene0001_00", "scene0002_00"):
        (tmp_path / "scans" / name).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", ["scannetv2_train.txt", "splits/train.txt", "Tasks/Benchmark/scannetv2_train.txt"])
def test_a_list_in_its_own_order(root, name):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("scene0002_00\n\n# a note\nscene0000_00\n")
    assert split_file(root, "train") == root / name
    assert [path.name for path in listed_scenes(root, "train")] == ["scene0002_00", "scene0000_00"]
    assert listed_scenes(root, "val") == []


def test_what_is_not_there_is_left_out_and_told(root):
    (root / "scannetv2_val.txt").write_text("scene0001_00\nscene0707_00\n")
    with pytest.warns(ScanwiseWarning, match="1 of 2 scenes are not there .* scene0707_00"):
        assert [path.name for path in listed_scenes(root, "val")] == ["scene0001_00"]


def test_a_text_about_something_else_is_no_list(root):
    (root / "test.txt").write_text("this is not a list\n")
    (root / "val.txt").write_text("")
    assert listed_scenes(root, "test") == listed_scenes(root, "val") == []


def test_training_takes_the_listed_scenes(tmp_path):
    for number in range(3):
        write_scene(labelled_scene(number), tmp_path / "scans" / f"room_{number}")
    (tmp_path / "train.txt").write_text("room_1\nroom_2\n")
    (tmp_path / "validation.txt").write_text("room_0\n")
    assert [path.name for path in scene_paths(tmp_path, "train")] == ["room_1", "room_2"]
    assert [path.name for path in scene_paths(tmp_path, "val")] == ["room_0"]
