"""Points into voxels and back, in an order that keeps neighbours in space near in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BITS = 20  # of a voxel coordinate; three fit in 63 bits


@dataclass(frozen=True)
class Voxels:
    """The occupied voxels of a cloud, along a Morton (z-order) curve.

    Attributes:
        of_point: (N,) int64 voxel of each point.
        counts: (M,) int64 points in each voxel, >= 1.
        size: edge in metres.
    """

    of_point: np.ndarray
    counts: np.ndarray
    size: float

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def first(self) -> np.ndarray:
        """(M,) int64 first point of each voxel."""
        rows = np.empty(len(self), np.int64)
        rows[self.of_point[::-1]] = np.arange(len(self.of_point))[::-1]
        return rows

    def coords(self, points: np.ndarray) -> np.ndarray:
        """(M, 3) int32 of the voxels, from 0, for the points (N, 3) that they were made of."""
        return np.floor((points[self.first] - points.min(0)) / self.size).astype(np.int32)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Means over each voxel.

        Args:
            values: (N, C) of the points.

        Returns:
            (M, C) float32.
        """
        columns = values.reshape(len(values), -1).T.astype(np.float64)
        sums = np.stack([np.bincount(self.of_point, column, len(self)) for column in columns], 1)
        return (sums / self.counts[:, None]).astype(np.float32)


def voxelize(points: np.ndarray, size: float) -> Voxels:
    """The occupied voxels of a cloud.

    Args:
        points: (N, 3) finite, metres.
        size: edge in metres.

    Raises:
        ValueError: the cloud spans more than 2^20 voxels along an axis.
    """
    grid = np.floor((points - points.min(0)) / size).astype(np.int64)
    if grid.max(initial=0) >= 1 << _BITS:
        raise ValueError(f"the cloud spans more than 2^{_BITS} voxels of {size} m")
    _, of_point, counts = np.unique(morton(grid), return_inverse=True, return_counts=True)
    return Voxels(of_point.reshape(-1), counts, size)


def voxel_size_for(points: np.ndarray, wanted: float, most: int) -> float:
    """The smallest edge of wanted, 2 wanted, 4 wanted, ... that gives few enough voxels.

    Args:
        points: (N, 3) finite, metres.
        wanted: smallest edge, metres.
        most: voxels.

    Returns:
        Metres.
    """
    size = wanted
    extent = float((points.max(0) - points.min(0)).max(initial=0))
    while extent / size >= 1 << _BITS:
        size *= 2
    while len(points) > most and len(voxelize(points, size)) > most:
        size *= 2
    return size


def morton(grid: np.ndarray) -> np.ndarray:
    """Morton codes.

    Args:
        grid: (N, 3) integers in [0, 2^20).

    Returns:
        (N,) int64, x in the top bit of each triple.
    """
    code = np.zeros(len(grid), np.int64)
    for axis in range(3):
        code |= _spread(grid[:, axis].astype(np.int64)) << (2 - axis)
    return code


def _spread(value: np.ndarray) -> np.ndarray:
    """Puts two zero bits between the bits of each value."""
    value = (value | value << 32) & 0x1F00000000FFFF
    value = (value | value << 16) & 0x1F0000FF0000FF
    value = (value | value << 8) & 0x100F00F00F00F00F
    value = (value | value << 4) & 0x10C30C30C30C30C3
    return (value | value << 2) & 0x1249249249249249
