"""Points that a user means: in a box, inside a lasso drawn from above, or grown from clicks along the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scanwise.errors import InputError
from scanwise.geometry.normals import estimate_normals, srgb_to_lab
from scanwise.geometry.voxels import voxelize

_NEAREST_CLICK = 0.3  # metres
_NEIGHBOURS, _AROUND = 24, 3.2  # of a sample, within so many voxels
_HOLLOW, _BENT = -0.12, 0.1  # mean bend around a sample from which it is a border: of a hollow; of any edge
_NEAREST = 5  # samples whose mean is the clicked colour
_LIGHTNESS = 0.5  # what a difference in lightness counts for: shade is not colour


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
    voxel: float = 0.02, color: float = 15.0, reach: float = 1.5,
) -> np.ndarray:  # fmt: skip
    """(N,) bool: the surface around clicks, as far as no hollow is in the way, in the colour that was clicked.

    Surfaces meet in a hollow where one thing stands on another, and in an edge within most things. Whether a sample
    lies in a hollow is the mean over its neighbours of how much normals lean towards each other along the way there.

    Args:
        points: (N, 3) finite, metres. colors: (N, 3) uint8. normals: (N, 3) unit that point away from the surface;
            without them they are estimated and no edge is crossed. clicks: (k, 3), each at most 0.3 m from a point.
        voxel: metres between the surface's samples. color: largest difference from the clicked colour, in CIE L*a*b*
            with lightness halved. reach: metres from the nearest click.

    Raises:
        InputError: a click is far from every point.
    """
    from scipy.spatial import cKDTree

    near = _near(points, clicks, reach)
    cloud = points[near]
    voxels = voxelize(cloud, voxel)
    centers = voxels.mean(cloud)
    tree = cKDTree(centers)
    distance, around = tree.query(centers, min(_NEIGHBOURS + 1, len(centers)))
    around = np.asarray(around).reshape(len(centers), -1)
    close = np.asarray(distance).reshape(around.shape) <= _AROUND * voxel
    border = _borders(centers, around, close, None if normals is None else voxels.mean(normals[near]))
    lab = np.zeros((len(centers), 3), np.float32) if colors is None else srgb_to_lab(voxels.mean(colors[near]))
    lab[:, 0] *= _LIGHTNESS
    taken = np.zeros(len(centers), bool)
    for place in tree.query(clicks)[1]:
        alike = np.linalg.norm(lab - lab[around[place, :_NEAREST]].mean(0), axis=1) <= color
        taken |= _piece(centers, around, close, alike & ~border, alike, place)
    mask = np.zeros(len(points), bool)
    mask[near] = taken[voxels.of_point]
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


def _borders(centers: np.ndarray, around: np.ndarray, close: np.ndarray, normals: np.ndarray | None) -> np.ndarray:
    """(M,) bool: samples in a hollow; where it is not known which way normals point, at any edge."""
    weight = close / np.maximum(close.sum(1, keepdims=True), 1)
    facing = _unit(estimate_normals(centers, around) if normals is None else normals)
    if normals is None:
        bent = 1 - np.abs(np.einsum("ik,ijk->ij", facing, facing[around]))
        return (bent * weight).sum(1) > _BENT
    facing = _unit((facing[around] * weight[:, :, None]).sum(1))  # one sample's normal is noise
    way = _unit(centers[around] - centers[:, None])
    lean = np.einsum("ijk,ijk->ij", way, facing[around] - facing[:, None])
    return (lean * weight).sum(1) < _HOLLOW


def _piece(
    centers: np.ndarray, around: np.ndarray, close: np.ndarray, inner: np.ndarray, alike: np.ndarray, place: int
) -> np.ndarray:
    """(M,) bool: what hangs together among the `inner` samples around a place, with the borders that lie next to it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not inner.any():
        return np.arange(len(centers)) == place
    links = close & inner[:, None] & inner[around]
    start = np.broadcast_to(np.arange(len(centers))[:, None], around.shape)[links]
    ones = np.ones(len(start), np.int8)
    graph = coo_array((ones, (start, around[links])), shape=(len(centers), len(centers)))
    piece = connected_components(graph, directed=False)[1]
    rows = np.flatnonzero(inner)
    start_at = rows[np.linalg.norm(centers[rows] - centers[place], axis=1).argmin()]
    taken = inner & (piece == piece[start_at])
    beside = (close & taken[around]).sum(1) * 2 > (close & inner[around]).sum(1)  # more of it than of another piece
    return taken | (alike & ~inner & beside)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def _some(mask: np.ndarray, name: str) -> np.ndarray:
    if not mask.any():
        raise InputError(f"no point is in the {name}; coordinates are those of the scan's own file")
    return mask
