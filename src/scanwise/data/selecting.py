"""Points that a user means: in a box, inside a lasso drawn from above, or grown from clicks along the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scanwise.data.normals import estimate_normals, srgb_to_lab
from scanwise.data.voxels import voxelize
from scanwise.errors import InputError

_NEAREST_CLICK = 0.3  # metres
_NEIGHBOURS = 12
_SMOOTH, _CONVEX = 0.94, 0.1  # cosine of 20 degrees; by how much normals part along a step over a convex edge


def in_box(points: np.ndarray, low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """(N,) bool: points (N, 3) between two opposite corners, given in any order.

    Raises:
        InputError: no point is in it.
    """
    corners = np.sort(np.array([low, high], float), 0)
    return _some(((points >= corners[0]) & (points <= corners[1])).all(1), "box")


def in_lasso(plan: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """(N,) bool: ground positions (N, 2) inside a polygon (k, 2), by the even-odd rule.

    Raises:
        InputError: fewer than three corners, or no point is inside.
    """
    if len(polygon) < 3:
        raise InputError(f"a lasso has at least 3 corners, this one has {len(polygon)}")
    inside = np.zeros(len(plan), bool)
    x, y = plan[:, 0], plan[:, 1]
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return _some(inside, "lasso")


def grown(
    points: np.ndarray, colors: np.ndarray | None, normals: np.ndarray | None, clicks: np.ndarray, *,
    voxel: float = 0.02, color: float = 12.0, reach: float = 1.5,
) -> np.ndarray:  # fmt: skip
    """(N,) bool: the surface around clicks, as far as it is smooth or convex and of one colour.

    Surfaces meet in a hollow where one thing stands on another, and in an edge within most things: a step is taken
    where the normals differ by less than 20 degrees or the edge is convex, and the colours by little.

    Args:
        points: (N, 3) finite, metres. colors: (N, 3) uint8. normals: (N, 3) unit that point away from the surface;
            without them they are estimated and convex edges are not crossed. clicks: (k, 3), each at most 0.3 m from
            a point. voxel: metres between the surface's samples. color: largest difference of a step, in CIE L*a*b*.
            reach: metres from the nearest click.

    Raises:
        InputError: a click is far from every point.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    near = _near(points, clicks, reach)
    cloud = points[near]
    voxels = voxelize(cloud, voxel)
    centers = voxels.mean(cloud)
    tree = cKDTree(centers)
    count = min(_NEIGHBOURS + 1, len(centers))
    distance, around = tree.query(centers, count)
    around = np.asarray(around).reshape(len(centers), -1)
    oriented = normals is not None
    facing = estimate_normals(centers, around) if normals is None else _unit(voxels.mean(normals[near]))
    lab = None if colors is None else srgb_to_lab(voxels.mean(colors[near]))
    start, end = np.repeat(np.arange(len(centers)), around.shape[1]), around.ravel()
    close = np.asarray(distance).ravel() <= 2.5 * voxel
    start, end = start[close], end[close]
    passable = _passable(centers, facing, start, end, oriented)
    if lab is not None:
        passable &= np.linalg.norm(lab[start] - lab[end], axis=1) <= color
    ones = np.ones(int(passable.sum()), np.int8)
    graph = coo_array((ones, (start[passable], end[passable])), shape=(len(centers), len(centers)))
    piece = connected_components(graph, directed=False)[1]
    wanted = piece[tree.query(clicks)[1]]
    mask = np.zeros(len(points), bool)
    mask[near] = np.isin(piece, wanted)[voxels.of_point]
    return mask


def _near(points: np.ndarray, clicks: np.ndarray, reach: float) -> np.ndarray:
    """Rows of the points within reach of a click."""
    near = np.full(len(points), np.inf)
    for click in clicks:
        distance = np.linalg.norm(points - click, axis=1)
        if distance.min(initial=np.inf) > _NEAREST_CLICK:
            where = ",".join(f"{value:g}" for value in click)
            raise InputError(f"--point {where}: no point within {_NEAREST_CLICK} m; click on the thing itself")
        near = np.minimum(near, distance)
    return np.flatnonzero(near <= reach)


def _passable(
    centers: np.ndarray, normals: np.ndarray, start: np.ndarray, end: np.ndarray, oriented: bool
) -> np.ndarray:
    cosine = np.einsum("ij,ij->i", normals[start], normals[end])
    if not oriented:
        return np.abs(cosine) >= _SMOOTH
    step = _unit(centers[end] - centers[start])
    convex = np.einsum("ij,ij->i", step, normals[end] - normals[start]) > _CONVEX
    return (cosine >= _SMOOTH) | convex


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _some(mask: np.ndarray, name: str) -> np.ndarray:
    if not mask.any():
        raise InputError(f"no point is in the {name}; coordinates are those of the scan's own file")
    return mask
