"""transforms.json: whose pose it is, and what an export may replace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import OutputError, ScanwiseWarning
from scanwise.formats import transforms_json
from tests.worlds import corner_scene


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    transforms_json.write(corner_scene(), tmp_path / "room")
    return tmp_path / "room"


def test_an_export_replaces_an_earlier_one(folder: Path) -> None:
    transforms_json.write(corner_scene(2), folder)
    assert len(transforms_json.load(folder).views) == 2


def test_a_folder_with_anything_else_in_it_stays(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="did not write"):
        transforms_json.write(corner_scene(2), folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_someone_elses_recording_stays(folder: Path) -> None:
    content = json.loads((folder / "transforms.json").read_text())
    del content["written_by"]
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.raises(OutputError, match="did not write"):
        transforms_json.write(corner_scene(2), folder)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "room").write_text("a file")
    with pytest.raises(OutputError, match="did not write"):
        transforms_json.write(corner_scene(), tmp_path / "room")


def test_the_pose_is_the_pictures(folder: Path) -> None:
    before = transforms_json.load(folder).views[0]
    (folder / "calibration.json").write_text('{"depth_to_color": {"translation": [-0.1, 0, 0]}}')
    after = transforms_json.load(folder).views[0]
    np.testing.assert_allclose(after.camera_to_world, before.camera_to_world)
    depth_centre = np.linalg.inv(after.camera_to_world) @ after.depth_to_world[:, 3]
    np.testing.assert_allclose(depth_centre, [-0.1, 0, 0, 1], atol=1e-9)


def test_distortion_of_a_single_frame_is_said(folder: Path) -> None:
    content = json.loads((folder / "transforms.json").read_text())
    content["frames"][1]["k1"] = 0.3
    (folder / "transforms.json").write_text(json.dumps(content))
    with pytest.warns(ScanwiseWarning, match="lens distortion"):
        transforms_json.load(folder)
