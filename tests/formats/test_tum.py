"""TUM RGB-D: lost tracking, and lists that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import tum


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "freiburg3_room"
    place.mkdir()
    for number in range(3):
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(place / f"c{number}.png")
        Image.fromarray(np.full((4, 6), 10000, np.uint16)).save(place / f"d{number}.png")
    (place / "rgb.txt").write_text("# t file\n0.0 c0.png\n1.0 c1.png\n2.0 c2.png\n")
    (place / "depth.txt").write_text("0.01 d0.png\n1.01 d1.png\n2.01 d2.png\n")
    return place


def trajectory(folder: Path, *rows: str) -> None:
    (folder / "groundtruth.txt").write_text("\n".join(rows) + "\n")


def test_frames_without_tracking_are_counted(folder: Path) -> None:
    trajectory(folder, "0 1 2 3 0 0 0 1", "1 nan nan nan nan nan nan nan", "2 1 2 4 0 0 1 0")
    with pytest.warns(ScanwiseWarning, match="1 of 3 frames"):
        views = tum.load(folder).views
    assert [view.name for view in views] == ["c0.png", "c2.png"]
    np.testing.assert_allclose(views[1].camera_to_world, [[-1, 0, 0, 1], [0, -1, 0, 2], [0, 0, 1, 4], [0, 0, 0, 1]])
    assert (views[0].depth == 2).all()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0 1 2 3 0 0 0 2", "unit quaternion"),
        ("0 nan 2 3 0 0 0 1", "not finite"),
        ("0 1 2 3", "line 1 has 4 fields"),
        ("0 1 2 3 0 0 0 one", "groundtruth"),
    ],
)
def test_trajectories_that_are_wrong(folder: Path, row: str, said: str) -> None:
    trajectory(folder, row)
    with pytest.raises(InputError, match=said):
        tum.load(folder)


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("start", [0, 1305031102])
def test_stamps_in_other_units_with_jitter(folder: Path, unit: float, start: int) -> None:
    """Half a second apart, in whole units; poses are 1.5 ms late and counted in seconds."""
    for name, letter, late in (("rgb.txt", "c", 0), ("depth.txt", "d", 0.004)):
        times = [round((start + 0.5 * number + late) * unit) for number in range(3)]
        (folder / name).write_text("".join(f"{time} {letter}{n}.png\n" for n, time in enumerate(times)))
    trajectory(folder, *(f"{start + 0.5 * number + 0.0015:.6f} {number} 0 0 0 0 0 1" for number in range(3)))
    assert [view.camera_to_world[0, 3] for view in tum.load(folder).views] == [0, 1, 2]
    trajectory(folder, *(f"{round((start + 0.5 * n + 0.0015) * unit)} {n} 0 0 0 0 0 1" for n in range(3)))
    assert [view.camera_to_world[0, 3] for view in tum.load(folder).views] == [0, 1, 2]


def test_clocks_that_differ_are_said(folder: Path) -> None:
    trajectory(folder, "3600 1 2 3 0 0 0 1", "3601 1 2 3 0 0 0 1")
    with pytest.raises(
        InputError, match=r"none of the 3 frames has a pose within 0.02 s, the nearest is 3\.6e\+03 s away"
    ):
        tum.load(folder)


def test_a_bad_pose_and_a_bad_line_are_left_out(folder: Path) -> None:
    trajectory(folder, "0 1 2 3 0 0 0 1", "1 0 0 0 0 0 0 0", "2 1 2 4 0 0 0 1", "3 1 2")
    with pytest.warns(ScanwiseWarning) as said:
        views = tum.load(folder).views
    assert [view.name for view in views] == ["c0.png", "c2.png"]
    told = " ".join(str(one.message) for one in said)
    assert "1 of 4 lines left out (line 4 has 3 fields, not 8)" in told
    assert "1 of 3 frames left out (c1.png: its rotation is no unit quaternion" in told


def test_most_poses_wrong_is_an_error(folder: Path) -> None:
    trajectory(folder, "0 1 2 3 0 0 0 1", "1 0 0 0 0 0 0 0", "2 0 0 0 0 0 0 0")
    with pytest.raises(InputError, match="2 of 3 frames cannot be used"):
        tum.load(folder)


def test_commas_between_fields(folder: Path) -> None:
    trajectory(folder, "#timestamp,tx,ty,tz,qx,qy,qz,qw", *(f"{number},{number},0,0,0,0,0,1" for number in range(3)))
    assert [view.camera_to_world[0, 3] for view in tum.load(folder).views] == [0, 1, 2]
