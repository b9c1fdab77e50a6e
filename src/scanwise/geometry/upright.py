"""Which way is up, in a recording's world or a cloud's, and the turn that brings it to +z."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scanwise.errors import InputError
from scanwise.scene import Scene, View

AXES = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-x": (-1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1)}
_UPRIGHT = 2.0  # degrees from z that are left as they are
GUESSED = (40.0, 25.0, 15.0, 10.0, 5.0, 5.0, 5.0, 5.0)  # degrees around the estimate in which surfaces are looked at
_KNOWN = (10.0, 5.0, 5.0, 5.0, 5.0)  # the same where gravity is known: sensors and conventions are a few degrees off
_MOST = 200_000  # points looked at
_STAY = 0.05  # weight of the estimate so far, for what the surfaces leave open (a single wall)
_ENOUGH = 0.02  # share of the points that horizontal or vertical surfaces must have to be trusted
_SAMPLED, _NEIGHBOURS = 30_000, 16  # points whose normals are estimated, and what planes are laid through


def upright_rotation(
    points: np.ndarray, normals: np.ndarray, views: Sequence[View], gravity: np.ndarray | None = None
) -> np.ndarray | None:
    """The smallest rotation (3, 3) float64 that brings a recording's world to z-up: `points @ rotation.T`.

    Up starts as the mean of the cameras' up axes. Normals near it (floors, table tops) pull it towards
    themselves, and normals near its horizon (walls) push it to stand square to them, in ever closer windows.

    Args:
        points: (N, 3) of the fused cloud.
        normals: (N, 3) unit, of the same.
        views: whose cameras were held roughly level.
        gravity: (3,) direction in world coordinates, if known; it may point up or down, the cameras tell which.
            Surfaces within 10 degrees still correct it.

    Returns:
        None where the world is upright within 2 degrees already.
    """
    up = cameras_up(views)
    windows: tuple[float, ...] = GUESSED
    if gravity is not None:
        axis = np.asarray(gravity, np.float64)
        length = np.linalg.norm(axis)
        if np.isfinite(length) and length > 0:
            up, windows = (axis if axis @ up >= 0 else -axis) / length, _KNOWN
    up = refined(up, normals[np.isfinite(points).all(1)], windows)
    if np.degrees(np.arccos(np.clip(up[2], -1, 1))) <= _UPRIGHT:
        return None
    return rotation_to_z(up)


def cameras_up(views: Sequence[View]) -> np.ndarray:
    """(3,) unit mean of the cameras' up axes in the world; +z without views or where they cancel out."""
    total = sum((-np.asarray(view.camera_to_world, np.float64)[:3, 1] for view in views), np.zeros(3))
    length = np.linalg.norm(total)
    return total / length if length > 1e-6 * max(len(views), 1) else np.array([0.0, 0.0, 1.0])


def rotation_to_z(up: np.ndarray) -> np.ndarray:
    """(3, 3): the smallest rotation that brings the unit vector `up` (3,) to +z."""
    x, y, z = up
    level = x * x + y * y
    if z < 0 and level < 1e-20:
        return np.diag([1.0, -1.0, -1.0])
    k = 1 / (1 + z) if z >= 0 else (1 - z) / level  # the same, without cancellation near -z
    return np.array([[1 - k * x * x, -k * x * y, -x], [-k * x * y, 1 - k * y * y, -y], [x, y, z]])


def refined(up: np.ndarray, normals: np.ndarray, windows: tuple[float, ...]) -> np.ndarray:
    """The axis near `up` that stands square to walls and along the normals of floors.

    Args:
        up: (3,) unit, the estimate so far.
        normals: (N, 3) unit; those that are not finite are passed over.
        windows: degrees around the estimate in which surfaces are looked at, one round each.

    Returns:
        (3,) unit.
    """
    normals = np.asarray(normals[:: max(1, len(normals) // _MOST)], np.float64)
    normals = normals[np.isfinite(normals).all(1)]
    for degrees in windows:
        moved = _step(up, normals, np.radians(degrees))
        if moved is None:
            break
        up = moved
    return up


def _step(up: np.ndarray, normals: np.ndarray, window: float) -> np.ndarray | None:
    """The axis that floors are most parallel and walls most square to; None where too few are in the window."""
    lift = normals @ up
    floors, walls = normals[np.abs(lift) >= np.cos(window)], normals[np.abs(lift) <= np.sin(window)]
    if len(floors) + len(walls) < max(_ENOUGH * len(normals), 10):
        return None
    scatter = floors.T @ floors - walls.T @ walls
    scatter += _STAY * (len(floors) + len(walls)) * np.outer(up, up)
    _, axes = np.linalg.eigh(scatter)
    axis = axes[:, 2] if axes[:, 2] @ up >= 0 else -axes[:, 2]
    return axis if axis @ up >= np.cos(2 * window) else None


def stand_up(scene: Scene, axis: str) -> Scene:
    """The scene turned so that an axis of its file's frame points up, and then as far as floors and walls say.

    They are looked at within 40 degrees of that axis: a camera that looked down makes no axis point straight up.

    Args:
        scene: as it was read.
        axis: x, y, z, -x, -y or -z. The y axis of a camera's own frame points down: "-y".

    Raises:
        InputError: no such axis.
    """
    if axis not in AXES:
        raise InputError(f"up {axis!r}: choose one of {', '.join(AXES)}", option="up")
    up = np.linalg.inv(scene.to_source[:3, :3]) @ np.array(AXES[axis], float)
    return scene.turned(rotation_to_z(refined(up / np.linalg.norm(up), _normals(scene), GUESSED)))


def _normals(scene: Scene) -> np.ndarray:
    """Those of some points, estimated where the scene has none."""
    from scipy.spatial import cKDTree

    from scanwise.geometry.normals import estimate_normals

    rows = np.flatnonzero(scene.finite)
    if scene.normals is not None:
        return scene.normals[rows].astype(np.float64)
    rows = np.random.default_rng(0).permutation(rows)[:_SAMPLED]
    points = scene.points[rows]
    if len(points) < _NEIGHBOURS:
        return np.zeros((0, 3))
    return estimate_normals(points, cKDTree(points).query(points, _NEIGHBOURS)[1]).astype(np.float64)
