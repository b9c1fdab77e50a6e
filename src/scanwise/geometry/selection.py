"""Points that a user means: in a box, inside a lasso drawn from above, or grown from clicks along the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scanwise.errors import InputError
from scanwise.geometry.cameras import transform_points
from scanwise.geometry.colors import srgb_to_lab
from scanwise.geometry.components import connected
from scanwise.geometry.normals import estimate_normals
from scanwise.geometry.voxels import voxelize
from scanwise.scene import Scene

_NEAREST_CLICK = 0.3  # metres
_FLOOR_SHARE = 1  # per cent of the points that lie below the floor's height
_NEIGHBOURS, _AROUND = 24, 3.2  # of a sample, within so many voxels
_HOLLOW, _BENT = -0.12, 0.1  # mean bend around a sample from which it is a border: of a hollow; of any edge
_NEAREST = 5  # samples whose mean is the clicked colour
_LIGHTNESS = 0.5  # what a difference in lightness counts for: shade is not colour


def select_box(scene: Scene, low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """(N,) bool: the points of a scan between two opposite corners.

    Args:
        scene: a scan of N points.
        low: a corner (x, y, z), in the frame of the scan's own file.
        high: the opposite one; each axis in any order.

    Raises:
        InputError: no point is in it.
    """
    return in_box(scene.points_in_source(), low, high)


def select_lasso(scene: Scene, corners: np.ndarray, heights: Sequence[float]) -> np.ndarray:
    """(N,) bool: the points of a scan inside a polygon that is drawn on it from above.

    Args:
        scene: a scan of N points.
        corners: (k, 2), in the frame of the scan's own file: its two axes that are not vertical, in their order.
        heights: metres above the floor, the lowest and the highest, in any order.

    Raises:
        InputError: none of the file's axes is vertical, fewer than three corners, or no point is inside.
    """
    up = np.abs(scene.to_source[:3, 2])
    if up.max() < 0.9 * np.linalg.norm(up):
        text = "no axis of this scan is vertical, so there is no lasso from above; take a box or clicks"
        raise InputError(text, option="lasso")
    low, high = np.sort(heights)
    height = scene.points[:, 2] - np.percentile(scene.points[scene.finite, 2], _FLOOR_SHARE)
    plan = np.delete(scene.points_in_source(), int(up.argmax()), 1)
    level = np.flatnonzero((height >= low) & (height <= high))
    mask = np.zeros(len(scene), bool)
    mask[level] = in_lasso(plan[level], corners)
    return mask


def select_clicks(scene: Scene, clicks: np.ndarray, *, color: float = 15.0, reach: float = 1.5) -> np.ndarray:
    """(N,) bool: the surface of a scan around clicks, as `grown` finds it.

    Args:
        scene: a scan of N points.
        clicks: (k, 3), in the frame of the scan's own file.
        color: largest difference from the clicked colour.
        reach: metres from the nearest click.

    Raises:
        InputError: a click is far from every point.
    """
    rows = np.flatnonzero(scene.finite)
    colors = None if scene.colors is None else scene.colors[rows]
    normals = None if scene.normals is None else scene.normals[rows]
    mask = np.zeros(len(scene), bool)
    inside = transform_points(clicks, np.linalg.inv(scene.to_source))
    mask[rows] = grown(scene.points[rows], colors, normals, inside, color=color, reach=reach)
    return mask


def in_box(points: np.ndarray, low: Sequence[float], high: Sequence[float]) -> np.ndarray:
    """Points in a box along the axes.

    Args:
        points: (N, 3).
        low: (3,) a corner.
        high: (3,) the opposite corner; the two may be exchanged, axis by axis.

    Returns:
        (N,) bool.

    Raises:
        InputError: no point is in it.
    """
    corners = np.sort(np.array([low, high], float), 0)
    return _some(((points >= corners[0]) & (points <= corners[1])).all(1), "box")


def in_lasso(plan: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Points inside a lasso drawn from above, by the even-odd rule.

    Args:
        plan: (N, 2) of the points on the ground.
        polygon: (k, 2) corners of the lasso.

    Returns:
        (N,) bool.

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
    """The surface around clicks, as far as no hollow is in the way, in the colour that was clicked.

    Surfaces meet in a hollow where one thing stands on another, and in an edge within most things. Whether a sample
    lies in a hollow is the mean over its neighbours of how much normals lean towards each other along the way there.

    Args:
        points: (N, 3) finite, metres.
        colors: (N, 3) uint8; without them, colour is no limit.
        normals: (N, 3) unit that point away from the surface; without them they are estimated and no edge is crossed.
        clicks: (k, 3), each at most 0.3 m from a point.
        voxel: metres between the surface's samples.
        color: largest difference from the clicked colour, in CIE L*a*b* with lightness halved.
        reach: metres from the nearest click.

    Returns:
        (N,) bool.

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
    for clicked in tree.query(clicks)[1]:
        alike = np.linalg.norm(lab - lab[around[clicked, :_NEAREST]].mean(0), axis=1) <= color
        taken |= _part(centers, around, close, alike & ~border, alike, clicked)
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
            text = f"click {where}: no point within {_NEAREST_CLICK} m; click on the thing itself"
            raise InputError(text, option="point")
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


def _part(
    centers: np.ndarray, around: np.ndarray, close: np.ndarray, inner: np.ndarray, alike: np.ndarray, clicked: int
) -> np.ndarray:
    """(M,) bool: the `inner` samples connected to a clicked one, with the borders that lie next to them."""
    if not inner.any():
        return np.arange(len(centers)) == clicked
    links = close & inner[:, None] & inner[around]
    part = connected(len(centers), np.stack([np.nonzero(links)[0], around[links]], 1))
    rows = np.flatnonzero(inner)
    start = rows[np.linalg.norm(centers[rows] - centers[clicked], axis=1).argmin()]
    taken = inner & (part == part[start])
    beside = (close & taken[around]).sum(1) * 2 > (close & inner[around]).sum(1)  # more of it than of another part
    return taken | (alike & ~inner & beside)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def _some(mask: np.ndarray, name: str) -> np.ndarray:
    if not mask.any():
        raise InputError(f"no point is in the {name}; coordinates are those of the scan's own file")
    return mask
