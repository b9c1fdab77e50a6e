"""Which points are nearest to which."""

from __future__ import annotations

import numpy as np


def neighbour_table(points: np.ndarray, k: int) -> np.ndarray:
    """(M, 3) distinct points -> (M, k) int32 nearest other points, nearest first.

    Clouds of no more than k points give (M, M), every point and itself: two points that only exchanged their
    values would never agree.
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
