"""Splits as data sets list them."""

import pytest

from scanwise.data.datasets import scene_paths
from scanwise.data.splits import NUSCENES_VAL, listed_scenes, of_nuscenes, split_file
from scanwise.errors import ScanwiseWarning
from scanwise.formats.registry import write_scene
from tests import layouts
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


def test_nuscenes_has_700_and_150_scenes():
    assert len(NUSCENES_VAL) == 150
    names = [f"scene-{number:04d}-{frame}" for number in (1, 3, 95, 1073, 1074, *range(1080, 1090)) for frame in (0, 1)]
    shown = of_nuscenes(names, "val")
    assert [names[row] for row in shown[::2]] == ["scene-0003-0", "scene-0095-0", "scene-1073-0"]
    assert sorted(shown + of_nuscenes(names, "train")) == list(range(len(names)))
    assert of_nuscenes(["scene-0001-0", "scene-0001-1"], "train") == []  # of one split alone: as it was


def test_nuscenes_mini(tmp_path):
    root = layouts.nuscenes(tmp_path)
    assert [frame.index for frame in scene_paths(root, "train")] == [0, 1]
    assert [frame.index for frame in scene_paths(root, "val")] == [2, 3]


def test_semantickitti_by_sequence(tmp_path):
    root = layouts.semantickitti(tmp_path)
    for place in (root, root / "dataset", root / "dataset" / "sequences"):
        found = {split: {frame.folder.name for frame in scene_paths(place, split)} for split in ("train", "val")}
        assert found == {"train": {"00"}, "val": {"08"}}


def test_houses_stand_for_their_regions(tmp_path):
    root = layouts.matterport(tmp_path)
    found = scene_paths(root, "val")
    assert [(path.parents[1].name, path.name) for path in found] == [
        ("2azQ1b91cZZ", "region0.ply"), ("2azQ1b91cZZ", "region1.ply")
    ]  # fmt: skip


def test_waymos_folders(tmp_path):
    root = layouts.waymo(tmp_path)
    assert {frame.folder.name for frame in scene_paths(root, "val")} == {"validation"}
