"""7-Scenes: what its files say, and what the data set is known for where they do not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import seven_scenes

KINECT = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
KITCHEN = Path(__file__).parents[2].parent / "shared" / "data" / "kitchen"


def frame(folder: Path, number: int, along_x: float = 0.0, grey: int = 90, size: tuple[int, int] = (480, 640)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pose = np.eye(4)
    pose[0, 3] = along_x
    Image.fromarray(np.full((*size, 3), grey, np.uint8)).save(folder / f"frame-{number:06d}.color.png")
    Image.fromarray(np.full((480, 640), 7000, np.uint16)).save(folder / f"frame-{number:06d}.depth.png")
    np.savetxt(folder / f"frame-{number:06d}.pose.txt", pose)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame(tmp_path / "room", 0)
    np.savetxt(tmp_path / "room" / "camera-intrinsics.txt", KINECT)
    return tmp_path / "room"


def test_sequences_with_the_same_frame_names_keep_their_own_poses(tmp_path: Path) -> None:
    for sequence in (1, 2):
        frame(tmp_path / f"seq-0{sequence}", 0, along_x=sequence, grey=sequence)
    np.savetxt(tmp_path / "camera-intrinsics.txt", KINECT)
    views = seven_scenes.load(tmp_path).views
    assert [view.name for view in views] == ["seq-01/frame-000000", "seq-02/frame-000000"]
    for sequence, view in enumerate(views, 1):
        assert view.image[0, 0, 0] == sequence
        assert view.depth_to_world[0, 3] == sequence


def test_the_kinect_is_known(folder: Path) -> None:
    view = seven_scenes.load(folder).views[0]
    assert view.intrinsics[0, 0] == 522
    assert np.isclose(view.camera_to_world[0, 3], 0.0256)
    assert not view.depth.any(), "readings beyond 6 m are noise"


def test_a_file_without_cameras_leaves_the_kinect_in_force(folder: Path) -> None:
    (folder / "calibration.json").write_text('{"depth_max": 8}')
    view = seven_scenes.load(folder).views[0]
    assert view.intrinsics[0, 0] == 522
    assert (view.depth == 7).all()


@pytest.mark.parametrize("said", [{}, {"color_to_depth": {"translation": [0, 0, 0]}}])
def test_the_file_can_say_that_colour_is_registered(folder: Path, said: dict[str, object]) -> None:
    (folder / "calibration.json").write_text(json.dumps(said))
    view = seven_scenes.load(folder).views[0]
    np.testing.assert_array_equal(view.intrinsics, KINECT)
    np.testing.assert_array_equal(view.camera_to_world, np.eye(4))


def test_another_size_of_colour_is_said_once(folder: Path) -> None:
    for number in range(3):
        frame(folder, number, size=(960, 1280))
    with pytest.warns(ScanwiseWarning, match="differ in size") as said:
        view = seven_scenes.load(folder).views[0]
    assert len(said) == 1
    assert view.intrinsics[0, 0] == 1170


@pytest.mark.parametrize("text", ["", "0 0 0", "nan nan nan", "up"])
def test_gravity_that_is_no_direction(folder: Path, text: str) -> None:
    (folder / "gravity-direction.txt").write_text(text)
    with pytest.raises(InputError, match=r"gravity-direction\.txt"):
        seven_scenes.load(folder)


@pytest.mark.skipif(not KITCHEN.exists(), reason="the real recording is not here")
def test_gravity_of_the_kitchen_is_what_its_cameras_show() -> None:
    recording = seven_scenes.load(KITCHEN)
    up = np.mean([-view.depth_to_world[:3, 1] for view in recording.views], axis=0)
    axis = recording.gravity / np.linalg.norm(recording.gravity)
    assert abs(axis @ up) / np.linalg.norm(up) > 0.85
