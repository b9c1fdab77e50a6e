"""Cameras: points of a scene into pixels and back, and which of them a depth map shows.

Cameras are OpenCV's (x right, y down, z forward, pixel centres at whole numbers). A matrix is rounded to the type of
the points before it is used. What projects takes numpy arrays and torch tensors alike, and gives what it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")
_NEAREST = 1e-6  # metres: what lies behind a camera is divided by this, and has a depth that says so


def transform_points(points: Array, transform: np.ndarray) -> Array:
    """Points in other axes.

    Args:
        points: (..., 3).
        transform: (4, 4), from their axes to the others.

    Returns:
        (..., 3).
    """
    matrix = _like(points, transform)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def project(points: Array, intrinsics: np.ndarray, world_to_camera: np.ndarray) -> tuple[Array, Array]:
    """Where a camera has points, in its picture or not.

    Args:
        points: (n, 3) metres.
        intrinsics: (3, 3) of the camera.
        world_to_camera: (4, 4), the inverse of its pose.

    Returns:
        Pixels (n, 2) as (x, y), and depths (n,) in metres, not above 0 behind the camera, where pixels mean nothing.
    """
    local = transform_points(points, world_to_camera)
    z = local[:, 2]
    return (local @ _like(points, intrinsics)[:2].T) / z.clip(min=_NEAREST)[:, None], z


def nearest_pixels(pixels: Array, size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """The pixels of a raster that are nearest to positions in it.

    Args:
        pixels: (n, 2) as (x, y).
        size: (H, W) of the raster.

    Returns:
        Rows (n,) and columns (n,), int64 and always in the raster, and (n,) bool: whether the position was.
    """
    rounded = _whole(pixels)
    row, column = rounded[:, 1], rounded[:, 0]
    inside = (column >= 0) & (row >= 0) & (column < size[1]) & (row < size[0])
    return row.clip(0, size[0] - 1), column.clip(0, size[1] - 1), inside


def visible(depth: Array, pixels: Array, z: Array) -> Array:
    """Which points a depth map shows: those at about the depth that it reads.

    Args:
        depth: (H, W) metres, 0 = no reading.
        pixels: (n, 2) of the points as (x, y), by `project` with the depth map's own camera.
        z: (n,) depths of the points.

    Returns:
        (n,) bool; False outside the map and where it has no reading.
    """
    row, column, inside = nearest_pixels(pixels, (depth.shape[0], depth.shape[1]))
    reading = depth[row, column]
    return inside & (z > 0) & (reading > 0) & (abs(reading - z) <= occlusion_tolerance(z))


def occlusion_tolerance(z: Array) -> Array:
    """By how much a point may differ from the reading: 5 cm and a structured-light sensor's quadratic noise.

    Args:
        z: depths of the points, metres.

    Returns:
        Metres, of the same shape.
    """
    return 0.05 + 0.01 * z * z


def pixel_rays(pixels: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Directions of pixels, of depth 1 and not of length 1.

    Args:
        pixels: (..., 2) as (x, y).
        intrinsics: (3, 3) of the camera.

    Returns:
        (..., 3) in the camera's axes.
    """
    inverse = _like(pixels, np.linalg.inv(intrinsics))
    return pixels @ inverse[:, :2].T + inverse[:, 2]


def back_project(
    pixels: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray, camera_to_world: np.ndarray
) -> np.ndarray:
    """The points that pixels show.

    Args:
        pixels: (..., 2) as (x, y).
        depth: (...) metres.
        intrinsics: (3, 3) of the camera.
        camera_to_world: (4, 4) its pose.

    Returns:
        (..., 3) metres, in the world.
    """
    return transform_points(pixel_rays(pixels, intrinsics) * depth[..., None], camera_to_world)


def _like(array: Any, matrix: np.ndarray) -> Any:
    """A matrix as what it is used with: numpy or torch, its device, its type (whole numbers are used with float64)."""
    if isinstance(array, np.ndarray):
        return np.asarray(matrix, np.result_type(array.dtype, np.float32))
    return array.new_tensor(matrix)


def _whole(values: Any) -> Any:
    """The nearest whole numbers, int64."""
    return values.round().astype(np.int64) if isinstance(values, np.ndarray) else values.round().long()
