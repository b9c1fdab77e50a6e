"""Which way is up in a bare cloud of a room: by its floor, its walls, and what stands on the one and clears the other.

The normals of a room gather along three axes square to each other. Six directions are then possible, and what tells
them apart is measured at both ends of each: whether a plane is there, what is near it, and how far the other one is.
How much each measure counts was fitted on made rooms, whole, without ceilings and cut to pieces, in random turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scanwise import cache
from scanwise.geometry.extents import main_box
from scanwise.geometry.voxels import voxelize
from scanwise.scene import Scene, array_digest

_VERSION = "1"
_MOST, _SAMPLED = 300_000, 30_000  # points looked at, and those of them that get a normal
_THIN = 0.04  # metres: points are thinned to one in such a voxel, as scanners crowd near themselves
_NEIGHBOURS, _FEWEST = 16, 300  # of a point, that a plane is laid through; points that make a room
_ALONG = np.cos(np.radians(12))  # of an axis
_TRIED, _VOTERS = 80, 4000  # normals that are tried as axes, and those that vote
_CELL, _LAYER = 0.2, 0.08  # metres: of a plan's cells; to either side of a plane
_CLUTTER = (0.15, 0.8)  # metres inside a plane, where furniture is and little hangs
_BORDER = 0.3  # metres of a plan along its walls
_HEIGHT = 2.7  # metres that most rooms have
WIDEST_ROOM = 50.0  # metres
_WEIGHTS = {
    "floor": 5.0, "on floor": 5.7, "below floor": -22.6, "ceiling": 0.85, "on ceiling": 0.6, "above ceiling": -8.3,
    "clutter under ceiling": -2.0, "odd height": -2.9, "height": -0.7, "flattest": 0.4, "walls": 9.2,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Uprights:
    """The directions that could be up in a room.

    Attributes:
        axes: (6, 3) unit, either way along three axes.
        evidence: (6,) logits of what the room itself says.
        normals: (n, 3) unit, of some of its points, evenly over its surfaces.
    """

    axes: np.ndarray
    evidence: np.ndarray
    normals: np.ndarray

    @property
    def squareness(self) -> float:
        """Share of the normals along one of the axes, 0..1: some .07 by chance, .3 to .9 in rooms."""
        return squareness(self.normals, self.axes[::2])


def possible_uprights(scene: Scene) -> Uprights | None:
    """What a room says of the directions that could be up; None for what is none: too wide, or too few points."""
    key = cache.key_of(_VERSION, array_digest(scene.points))
    found = Uprights(**cache.arrays("upright", key, lambda: _uprights(scene)))
    return found if len(found.evidence) else None


def _uprights(scene: Scene) -> dict[str, np.ndarray]:
    low, high = main_box(scene.points)
    narrow = (high - low <= WIDEST_ROOM).all()
    points, normals = sampled_normals(scene) if narrow else (np.zeros((0, 3)), np.zeros((0, 3)))
    if len(points) < _FEWEST:
        return {"axes": np.zeros((0, 3)), "evidence": np.zeros(0), "normals": normals}
    frame = square_axes(normals)
    measured = _measures(points @ frame.T, np.abs(normals @ frame.T))
    evidence = np.array([sum(_WEIGHTS[name] * value for name, value in each.items()) for each in measured])
    axes = np.stack([sign * frame[axis] for axis in range(3) for sign in (1, -1)])
    return {"axes": axes, "evidence": evidence, "normals": normals}


def sampled_normals(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Some points (n, 3) float64 of a scene, evenly over its surfaces, and their normals (n, 3) without a sign.

    They are estimated, also where the scene has some: of a mesh's or a scanner's own the sign and the scale differ.
    """
    from scipy.spatial import cKDTree

    from scanwise.geometry.normals import estimate_normals

    rows = np.flatnonzero(scene.finite)
    points = scene.points[rows[:: max(1, len(rows) // _MOST)]]
    if len(points) > _NEIGHBOURS:
        points = points[voxelize(points, _THIN).first]
    if len(points) <= _NEIGHBOURS:
        return np.zeros((0, 3)), np.zeros((0, 3))
    points = points[np.random.default_rng(0).permutation(len(points))[:_SAMPLED]]
    normals = estimate_normals(points, cKDTree(points).query(points, _NEIGHBOURS)[1])
    return points.astype(np.float64), normals.astype(np.float64)


def square_axes(normals: np.ndarray) -> np.ndarray:
    """(3, 3), a row each: the three axes square to each other that most normals (n, 3) lie along."""
    random = np.random.default_rng(0)
    voters = normals[random.integers(0, len(normals), _VOTERS)]
    tried = normals[random.integers(0, len(normals), _TRIED)]
    first = _along_mean(tried[_votes(tried, voters).argmax()], normals)
    level = voters[np.abs(voters @ first) < 0.2]
    tried = (level if len(level) else voters)[:_TRIED]
    tried = tried - np.outer(tried @ first, first)
    tried /= np.maximum(np.linalg.norm(tried, axis=1, keepdims=True), 1e-9)
    second = tried[(_votes(tried, voters) + _votes(np.cross(first, tried), voters)).argmax()]
    second = _along_mean(second, normals)
    second -= (second @ first) * first
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])


def squareness(normals: np.ndarray, frame: np.ndarray | None = None) -> float:
    """Share of normals (n, 3) within 12 degrees of one of three axes square to each other; 0 without any.

    Args:
        normals: unit.
        frame: (3, 3) the axes; None = those that most lie along.
    """
    if not len(normals):
        return 0.0
    axes = square_axes(normals) if frame is None else frame
    return float((np.abs(normals @ axes.T) > _ALONG).any(1).mean())


def _votes(axes: np.ndarray, voters: np.ndarray) -> np.ndarray:
    return np.asarray((np.abs(axes @ voters.T) > _ALONG).mean(1))


def _along_mean(axis: np.ndarray, normals: np.ndarray) -> np.ndarray:
    for degrees in (12, 6, 4):
        near = normals[np.abs(normals @ axis) > np.cos(np.radians(degrees))]
        if len(near) < 10:
            break
        mean = np.linalg.eigh(near.T @ near)[1][:, 2]
        axis = mean if mean @ axis >= 0 else -mean
    return axis


# -------------------------------------------------------------------------------------- what is measured


@dataclass(frozen=True)
class _Side:
    """One end of an axis, in shares 0..1.

    `plane` of the plan is covered by its plane, of the other points `near` lie within a metre of that, `clutter` of the
    plan has something close to it, and `beyond` it lies so much of all.
    """

    plane: float
    near: float
    clutter: float
    beyond: float


def _measures(points: np.ndarray, slopes: np.ndarray) -> list[dict[str, float]]:
    """What `_WEIGHTS` weighs, for up along each axis and against it.

    Args:
        points: (n, 3) along the axes.
        slopes: (n, 3) of their normals along each, without sign.
    """
    low, high = main_box(points)
    inside = ((points >= low - _CELL) & (points <= high + _CELL)).all(1)
    points, slopes = points[inside], slopes[inside]
    depths = np.stack([points - low, high - points], 2)  # (n, axis, end)
    levels = np.array([[_level(depths[:, axis, end], slopes[:, axis]) for end in (0, 1)] for axis in range(3)])
    loose = np.asarray((depths >= levels + 0.12).all((1, 2)))
    result = []
    for axis in range(3):
        plan = np.delete(depths, axis, 1)
        ends = [_side(depths[:, axis, end] - levels[axis, end], slopes[:, axis], plan, loose) for end in (0, 1)]
        height = float((high - low)[axis] - levels[axis].sum())
        shared = {
            "odd height": abs(float(np.log(max(height, 0.1) / _HEIGHT))),
            "height": height,
            "flattest": float((high - low)[axis] <= (high - low).min()),
            "walls": float((slopes[:, axis] < 0.2).mean()),
        }
        for floor, ceiling in (ends, ends[::-1]):
            result.append(shared | {
                "floor": floor.plane, "on floor": floor.near, "below floor": floor.beyond, "ceiling": ceiling.plane,
                "on ceiling": ceiling.near, "above ceiling": ceiling.beyond, "clutter under ceiling": ceiling.clutter,
            })  # fmt: skip
    return result


def _level(depth: np.ndarray, slope: np.ndarray) -> float:
    """How deep inside the end of an axis most of the points that face along it lie, in its outer quarter."""
    edges = np.arange(-_CELL, max(0.25 * float(np.quantile(depth, 0.99)), 0.1), 0.05)
    counts = np.histogram(depth[slope > 0.9], edges)[0]
    return float(edges[counts.argmax()]) + 0.025 if counts.any() else 0.0


def _side(depth: np.ndarray, slope: np.ndarray, plan: np.ndarray, loose: np.ndarray) -> _Side:
    """One end of an axis.

    Args:
        depth: (n,) of the points behind its plane.
        slope: (n,) of their normals along the axis.
        plan: (n, 2, 2) from either end of the other two axes.
        loose: (n,) bool, points on none of the six planes.
    """
    cells = np.unique(np.floor(plan[:, :, 0] / _CELL).astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)
    inner = np.asarray((plan >= _BORDER).all((1, 2)))

    def covered(rows: np.ndarray) -> int:
        return int((np.bincount(cells[rows], minlength=1) > 0).sum())

    return _Side(
        covered((np.abs(depth) < _LAYER) & (slope > 0.85)) / max(covered(np.ones(len(cells), bool)), 1),
        float((depth[loose] < 1).mean()) if loose.any() else 0.0,
        covered((depth > _CLUTTER[0]) & (depth < _CLUTTER[1]) & inner) / max(covered(inner), 1),
        float((depth < -0.1).mean()),
    )
