"""The ground under a scan, place by place: outdoors it slopes, and readings lie metres below it.

    height = points[:, 2] - Ground.under(points).at(points)

The plan is cut into cells. The lowest tenth of each is taken for ground unless it lies far below its surroundings (a
reflection) or higher than ground can rise from what is beside it (a roof, a crown, a car's side); what is left is
smoothed and read off between the cells' middles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE = 0.1
"""Quantile of the heights that is ground, as real sweeps have readings metres below it."""
WIDEST_LEVEL = 16.0
"""Metres of the longer side of a plan up to which all of it is taken for one level: a room, or a small crop."""
CELL = 2.0  # metres
_FEWEST = 4  # points of a cell that says something
_AROUND = 5  # cells, square, that a cell must not lie far below
_BELOW = 0.6  # metres
_SLOPE = 0.2  # metres a metre that ground rises at most, between cells
_REACH = 24  # cells that a low place bounds the ground around it
_SMOOTH = 0.8  # cells, of the Gaussian
_MOST_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Ground:
    """Heights of the ground.

    Attributes:
        low: (2,) corner of the plan, metres.
        cell: edge of a cell, metres.
        heights: (R, C) metres, of the cells' middles, first axis x.
    """

    low: np.ndarray
    cell: float
    heights: np.ndarray

    @classmethod
    def under(cls, points: np.ndarray) -> Ground:
        """The ground of a cloud.

        Args:
            points: (n, 3) finite, metres, upright, n at least 1; best one a voxel, so that near places do not
                outweigh far ones.
        """
        low, wide = points[:, :2].min(0).astype(np.float64), np.ptp(points[:, :2], axis=0)
        if wide.max() <= WIDEST_LEVEL:
            return cls(low, 1.0, np.full((1, 1), np.quantile(points[:, 2], SHARE)))
        cell = max(CELL, float(np.sqrt(np.prod(wide.astype(np.float64) + CELL) / _MOST_CELLS)))
        return cls(low, cell, _smooth(_bounded(_without_pits(_lowest(points, low, cell)), cell)))

    def at(self, points: np.ndarray) -> np.ndarray:
        """(n,) float32 height of the ground under points (n, 2 or more); outside, that of the nearest cell."""
        if self.heights.size == 1:
            return np.full(len(points), self.heights[0, 0], np.float32)
        from scipy.ndimage import map_coordinates

        places = (points[:, :2] - self.low) / self.cell - 0.5
        return map_coordinates(self.heights, places.T, order=1, mode="nearest", output=np.float32)


def _lowest(points: np.ndarray, low: np.ndarray, cell: float) -> np.ndarray:
    """(R, C) lowest tenth of the heights of each cell, NaN where there are few."""
    rows, columns = np.floor((points[:, :2] - low) / cell).astype(np.int64).T
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    cells = rows * shape[1] + columns
    order = np.lexsort((points[:, 2], cells))
    found, first, counts = np.unique(cells[order], return_index=True, return_counts=True)
    grid = np.full(shape[0] * shape[1], np.nan)
    enough = counts >= _FEWEST
    grid[found[enough]] = points[order[(first + SHARE * (counts - 1)).astype(np.int64)[enough]], 2]
    if not enough.any():
        grid[:] = np.quantile(points[:, 2], SHARE)
    return grid.reshape(shape)


def _without_pits(grid: np.ndarray) -> np.ndarray:
    """NaN in place of cells far below the median of those around them."""
    wide = np.pad(grid, _AROUND // 2, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(wide, (_AROUND, _AROUND)).reshape(*grid.shape, -1)
    pits = np.zeros(grid.shape, bool)
    known = np.isfinite(grid)
    pits[known] = grid[known] < np.nanmedian(around[known], axis=1) - _BELOW
    return np.where(pits, np.nan, grid) if not pits[known].all() else grid


def _bounded(grid: np.ndarray, cell: float) -> np.ndarray:
    """The highest surface through no more than the cells' heights that is nowhere steeper than ground, everywhere."""
    bound = np.where(np.isfinite(grid), grid, np.inf)
    straight, slant = _SLOPE * cell, _SLOPE * cell * 2**0.5
    steps = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]
    for _ in range(_REACH):
        padded, before = np.pad(bound, 1, constant_values=np.inf), bound
        for dx, dy in steps:
            moved = padded[1 + dx : 1 + dx + bound.shape[0], 1 + dy : 1 + dy + bound.shape[1]]
            bound = np.minimum(bound, moved + (slant if dx and dy else straight))
        if np.array_equal(bound, before):
            break
    known = np.isfinite(bound)
    return np.where(known, bound, np.median(bound[known])) if not known.all() else bound


def _smooth(grid: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(grid, _SMOOTH, mode="nearest")
