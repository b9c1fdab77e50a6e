"""Matterport3D's undistorted pictures of a house, for the region that they were taken in.

    HOUSE/undistorted_camera_parameters/HOUSE.conf
    HOUSE/undistorted_color_images/*_i*_*.jpg
    HOUSE/undistorted_depth_images/*_d*_*.png        a quarter of a millimetre a step

In the .conf, `intrinsics_matrix` holds for the `scan` lines below it, which name a depth map and a picture, and take a
camera that looks along -z, y up, to the world. Pixels are counted from the bottom there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.files import DepthFile, ImageFile, read_bytes
from scanwise.formats.poses import rigid
from scanwise.scene import View

_STEPS = 4000.0  # of depth a metre
_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def region_views(house: Path, points: np.ndarray) -> list[View]:
    """The pictures that were taken within the box around a region's points; none where there are no camera parameters.

    Args:
        house: the folder of a house.
        points: (N, 3) metres, of the region.

    Raises:
        InputError: the camera parameters are damaged.
    """
    path = house / "undistorted_camera_parameters" / f"{house.name}.conf"
    if not path.is_file() or not len(points):
        return []
    low, high = points.min(0), points.max(0)
    views, intrinsics = [], None
    for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
        key, *words = line.split() or [""]
        if key == "intrinsics_matrix":
            intrinsics = _numbers(words, 9, path, number).reshape(3, 3)
        elif key == "scan" and len(words) > 2:
            pose = _numbers(words[2:], 16, path, number).reshape(4, 4)
            if intrinsics is None:
                raise InputError(f"{path}: line {number}: a scan before the first intrinsics_matrix")
            if ((low <= pose[:3, 3]) & (pose[:3, 3] <= high)).all():
                views += _view(house, words[0], words[1], intrinsics, pose, f"{path}: line {number}")
    return views


def _view(house: Path, depth: str, color: str, intrinsics: np.ndarray, pose: np.ndarray, where: str) -> list[View]:
    """The view of a line; none where its picture was not downloaded."""
    image = ImageFile(house / "undistorted_color_images" / color)
    moved = rigid(pose @ _TO_OPENCV, where)
    if moved is None or not image.path.is_file():
        return []
    camera = intrinsics.copy()
    camera[1, 2] = image.size()[0] - 1 - camera[1, 2]
    raster = DepthFile(house / "undistorted_depth_images" / depth, _STEPS)
    return [View(image, camera, moved, raster if raster.path.is_file() else None, name=Path(color).stem)]


def _numbers(words: list[str], count: int, path: Path, number: int) -> np.ndarray:
    try:
        values = np.array([float(word) for word in words], np.float64)
    except ValueError:
        values = np.empty(0)
    if len(values) != count:
        raise InputError(f"{path}: line {number}: {count} numbers are needed; download the file again")
    return values
