"""ScanNet's exported frames: two cameras, and 16-bit colour read end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError
from scanwise.formats import recordings, scannet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("color", "depth", "pose", "intrinsic"):
        (tmp_path / name).mkdir()
    for number in (2, 10):
        Image.fromarray(np.full((60, 80), 200 * 257, np.uint16)).save(tmp_path / "color" / f"{number}.png")
        Image.fromarray(np.full((30, 40), 2000, np.uint16)).save(tmp_path / "depth" / f"{number}.png")
        np.savetxt(tmp_path / "pose" / f"{number}.txt", np.eye(4))
    np.savetxt(tmp_path / "intrinsic" / "intrinsic_color.txt", np.diag([80.0, 80, 1, 1]) + centre(39.5, 29.5))
    np.savetxt(tmp_path / "intrinsic" / "intrinsic_depth.txt", np.diag([40.0, 40, 1, 1]) + centre(19.5, 14.5))
    return tmp_path


def centre(x: float, y: float) -> np.ndarray:
    matrix = np.zeros((4, 4))
    matrix[:2, 2] = x, y
    return matrix


def test_frames_are_in_the_order_of_their_numbers_with_two_cameras(folder: Path) -> None:
    views = scannet.load(folder).views
    assert [view.name for view in views] == ["2", "10"]
    assert (views[0].intrinsics[0, 0], views[0].depth_intrinsics[0, 0]) == (80, 40)


def test_16_bit_colour_reaches_the_cloud(folder: Path) -> None:
    scene = recordings.read(folder)
    assert (scene.colors == 200).all()
    np.testing.assert_allclose(scene.points[:, 2], 2, atol=0.011)


def test_one_intrinsic_file_serves_both_sizes(folder: Path) -> None:
    (folder / "intrinsic" / "intrinsic_depth.txt").unlink()
    np.testing.assert_allclose(scannet.load(folder).views[0].depth_intrinsics[:2], [[40, 0, 19.5], [0, 40, 14.5]])


def test_no_intrinsics(folder: Path) -> None:
    for path in (folder / "intrinsic").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"intrinsic_color\.txt"):
        scannet.load(folder)
