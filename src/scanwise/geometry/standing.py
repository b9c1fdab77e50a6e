"""A cloud that does not stand on its feet is stood up: which axis points up, its file does not say."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from scanwise.errors import InputError
from scanwise.geometry.normals import estimate_normals
from scanwise.geometry.upright import GUESSED, refined, rotation_to_z
from scanwise.scene import Scene

AXES = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-x": (-1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1)}
_MOST = 30_000  # points whose surfaces are looked at
_NEIGHBOURS = 16


def stand_up(scene: Scene, axis: str) -> Scene:
    """The scene turned so that an axis of its file's frame points up, and then as far as floors and walls say, where
    they are within 40 degrees of that: a camera that looked down makes no axis point straight up.

    Args:
        axis: x, y, z, -x, -y or -z. The y axis of a camera's own frame points down: "-y".

    Raises:
        InputError: no such axis.
    """
    if axis not in AXES:
        raise InputError(f"up {axis!r}: choose one of {', '.join(AXES)}")
    up = np.linalg.inv(scene.to_source[:3, :3]) @ np.array(AXES[axis], float)
    return scene.turned(rotation_to_z(refined(up / np.linalg.norm(up), _normals(scene), GUESSED)))


def _normals(scene: Scene) -> np.ndarray:
    """Those of some points, estimated where the scene has none."""
    rows = np.flatnonzero(scene.finite)
    if scene.normals is not None:
        return scene.normals[rows].astype(np.float64)
    rows = np.random.default_rng(0).permutation(rows)[:_MOST]
    points = scene.points[rows]
    if len(points) < _NEIGHBOURS:
        return np.zeros((0, 3))
    return estimate_normals(points, cKDTree(points).query(points, _NEIGHBOURS)[1]).astype(np.float64)
