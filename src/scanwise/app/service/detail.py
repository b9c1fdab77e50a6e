"""A cloud by level of detail: cubes within cubes, each with a random sample of what is not in those around it.

Whoever draws a cube and its parents sees an even sample of what is in it, and drawing its children adds to that and
replaces nothing, so that any number of points is a picture of the whole (as in Scheiblauer and Wimmer, "Out-of-core
selection and editing of huge point clouds", 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CAPACITY = 20_000  # points of a cube
_DEEPEST = 18
_CELLS = 32  # along a cube, by which its area is told


@dataclass(frozen=True, eq=False)
class Detail:
    """Points in the viewer's order, cube by cube; coarse cubes come first.

    Attributes:
        order: (n,) int32 row of each point; rows that are not finite are left out.
        starts: (C,) first point of each cube.
        counts: (C,) points of it.
        parents: (C,) cube around it, -1 for the first.
        corners: (C, 3) float64 lowest corner, metres.
        sizes: (C,) edge, metres.
        spacings: (C,) metres from point to point where it and its parents are drawn.
    """

    order: np.ndarray
    starts: np.ndarray
    counts: np.ndarray
    parents: np.ndarray
    corners: np.ndarray
    sizes: np.ndarray
    spacings: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def bytes(self) -> int:
        """Of memory."""
        return self.order.nbytes

    def quantised(self, points: np.ndarray, cube: int) -> np.ndarray:
        """(k, 3) uint16 places of a cube's points in it, 0..65535 along its edge.

        Args:
            points: (N, 3) of the scan.
            cube: which.
        """
        start, count = int(self.starts[cube]), int(self.counts[cube])
        here = points[self.order[start : start + count]].astype(np.float64) - self.corners[cube]
        return np.clip(here / self.sizes[cube] * 65535 + 0.5, 0, 65535).astype("<u2")


def detail_of(points: np.ndarray, *, capacity: int = CAPACITY, seed: int = 0) -> Detail:
    """The cubes of a cloud.

    Args:
        points: (N, 3); rows that are not finite are left out.
        capacity: points of a cube.
        seed: of the samples.
    """
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(points).all(1))).astype(np.int32)
    if not len(rows):
        empty = np.zeros(0, np.int64)
        return Detail(rows, empty, empty, empty, np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    low, high = points[rows].min(0).astype(np.float64), points[rows].max(0).astype(np.float64)
    queue = [(rows, low, max(float((high - low).max()), 1e-3) * (1 + 1e-6), -1, 0)]
    taken, parents, corners = list[np.ndarray](), list[int](), list[np.ndarray]()
    sizes, spacings = list[float](), list[float]()
    for inside, corner, size, parent, depth in queue:  # grows as it goes: breadth first
        here = len(taken)
        whole = len(inside) <= capacity or depth == _DEEPEST
        sample = inside if whole else inside[:capacity]
        taken.append(sample)
        parents.append(parent)
        corners.append(corner)
        sizes.append(size)
        spacings.append(_spacing(points[sample], corner, size))
        if not whole:
            queue += _children(points, inside[capacity:], corner, size, here, depth)
    counts = np.array([len(each) for each in taken])
    return Detail(
        np.concatenate(taken), np.cumsum(counts) - counts, counts, np.array(parents), np.array(corners),
        np.array(sizes), np.array(spacings),
    )  # fmt: skip


def _children(
    points: np.ndarray, rows: np.ndarray, corner: np.ndarray, size: float, parent: int, depth: int
) -> list[tuple[np.ndarray, np.ndarray, float, int, int]]:
    """The eighths of a cube that have points, which stay in their random order."""
    half = size / 2
    upper = points[rows] > (corner + half).astype(np.float32)
    code = (upper * np.array([1, 2, 4])).sum(1).astype(np.uint8)
    order = np.argsort(code, kind="stable")
    parts = np.split(rows[order], np.cumsum(np.bincount(code, minlength=8))[:-1])
    ways = [np.array([eighth & 1, eighth >> 1 & 1, eighth >> 2 & 1]) for eighth in range(8)]
    return [
        (part, corner + half * way, half, parent, depth + 1) for part, way in zip(parts, ways, strict=True) if len(part)
    ]


def _spacing(points: np.ndarray, corner: np.ndarray, size: float) -> float:
    """Metres from point to point: the root of area by points, the area by the cells that have some."""
    cells = np.clip((points - corner) / size * _CELLS, 0, _CELLS - 1).astype(np.int32)
    filled = len(np.unique((cells[:, 0] * _CELLS + cells[:, 1]) * _CELLS + cells[:, 2]))
    return float(size / _CELLS * np.sqrt(filled / len(points)))
