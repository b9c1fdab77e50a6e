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
        ("0 nan 2 3 0 0 0 1", "no finite pose"),
        ("0 1 2 3", "line 1 has 4 fields"),
        ("0 1 2 3 0 0 0 one", "groundtruth"),
    ],
)
def test_trajectories_that_are_wrong(folder: Path, row: str, said: str) -> None:
    trajectory(folder, row)
    with pytest.raises(InputError, match=said):
        tum.load(folder)
