"""Which points are nearest to which."""

from __future__ import annotations

import numpy as np


def nearest(points: np.ndarray, others: np.ndarray, reach: float) -> np.ndarray:
    """The nearest of other points.

    Args:
        points: (m, 3).
        others: (n, 3).
        reach: greatest distance, in the points' unit.

    Returns:
        (m,) int64 row of `others`; -1 where none is within reach.
    """
    from scipy.spatial import cKDTree

    _, found = cKDTree(others).query(points, distance_upper_bound=reach)
    return np.where(found < len(others), found, -1)


def neighbour_table(points: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other points of each point.

    Args:
        points: (M, 3), distinct.
        k: how many.

    Returns:
        (M, k) int32, nearest first. Clouds of no more than k points give (M, M), every point and itself: two points
        that only exchanged their values would never agree.
    """
    from scipy.spatial import cKDTree

    count = len(points)
    if count <= k:
        return cKDTree(points).query(points, k=[*range(1, count + 1)])[1].astype(np.int32)
    _, table = cKDTree(points).query(points, k=k + 1, workers=-1)
    return _without_self(table).astype(np.int32)


def _without_self(table: np.ndarray) -> np.ndarray:
    """Drops each row's own number (the farthest entry where ties kept it out) from an (M, k + 1) table."""
    own = table == np.arange(len(table))[:, None]
    own[~own.any(1), -1] = True
    return table[~own].reshape(len(table), -1)
