"""Objects in a per-point score: connected pieces, their boxes as they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scanwise.geometry.voxels import voxelize

REACH = 0.06  # metres: points in touching cells of this edge belong to one piece
FEWEST = 20  # points of a piece that counts


@dataclass(frozen=True)
class Found:
    """An object.

    Attributes:
        rows: (n,) rows of its points. score: mean of their scores. center: (3,) middle of the box, metres.
        size: (3,) of the box along its own axes, length at least width. heading: radians of its length from the x
            axis, counter-clockwise.
    """

    rows: np.ndarray
    score: float
    center: np.ndarray
    size: np.ndarray
    heading: float

    def facts(self) -> dict[str, Any]:
        """For JSON, metres and radians, rounded."""
        return {
            "points": len(self.rows), "score": round(self.score, 4), "center": np.round(self.center, 4).tolist(),
            "size": np.round(self.size, 4).tolist(), "heading": round(self.heading, 4),
        }  # fmt: skip


def found_at(points: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> Found:
    """What lies at these rows (n,), at least one, of points (N, 3) with scores (N,)."""
    center, size, heading = oriented_box(points[rows])
    return Found(rows, float(scores[rows].mean()), center, size, heading)


def oriented_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre (3,), size (3,) and heading of the upright box of least ground area around points (n, 3)."""
    plan, heights = _hull(points[:, :2].astype(float)), points[:, 2].astype(float)
    best = None
    for angle in np.deg2rad(np.arange(0, 90, 1.0)):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned = plan @ turn.T
        low, high = turned.min(0), turned.max(0)
        if best is None or np.prod(high - low) < best[0] - 1e-9:
            best = (float(np.prod(high - low)), angle, turn.T @ ((low + high) / 2), high - low)
    assert best is not None
    _, angle, middle, extent = best
    if extent[1] > extent[0]:
        angle, extent = angle + np.pi / 2, extent[::-1]
    center = np.array([*middle, (heights.min() + heights.max()) / 2])
    return center, np.array([*extent, np.ptp(heights)]), float(angle)


def _hull(plan: np.ndarray) -> np.ndarray:
    """The corners of the convex hull of points (n, 2), or all of them where they lie on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return plan[ConvexHull(plan).vertices] if len(plan) > 2 else plan
    except QhullError:
        return plan


def pieces(points: np.ndarray, scores: np.ndarray, rows: np.ndarray, *, reach: float = REACH) -> list[Found]:
    """The connected pieces of at least 20 points among rows (n,), the surest first; score times root of size."""
    found = [found_at(points, scores, part) for part in parted(points, rows, reach) if len(part) >= FEWEST]
    return sorted(found, key=lambda each: -each.score * len(each.rows) ** 0.5)


def parted(points: np.ndarray, rows: np.ndarray, reach: float = REACH) -> list[np.ndarray]:
    """Rows (n,) of points (N, 3), piece by connected piece."""
    if not len(rows):
        return []
    chosen = points[rows]
    cells = voxelize(chosen, reach)
    labels = _connected(np.floor(cells.mean(chosen - chosen.min(0)) / reach).astype(np.int64))[cells.of_point]
    return np.split(rows[np.argsort(labels, kind="stable")], np.cumsum(np.bincount(labels))[:-1])


def surest(points: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of rows (n,), at least one, those of the connected piece with the greatest score (N,); pieces of fewer than 20
    points count only where there is no larger one."""
    parts = parted(points, rows)
    large = [part for part in parts if len(part) >= FEWEST] or parts
    return max(large, key=lambda part: (scores[part].max(), len(part)))


def _connected(cells: np.ndarray) -> np.ndarray:
    """(M,) number of the piece of each cell (M, 3); cells that share a corner belong together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(cells).query_pairs(1.01, p=np.inf, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(cells), len(cells)))
    return connected_components(graph, directed=False)[1]
