"""Which point of a cloud each pixel of a view shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scanwise.errors import InputError
from scanwise.geometry.cameras import back_project
from scanwise.scene import Scene

STEP = 2  # every second pixel of every second row
REACH = 0.04  # metres from what a pixel shows to the point that it is given


def points_shown(scene: Scene, among: np.ndarray) -> Iterator[np.ndarray]:
    """The points of a scene that are nearest to what its views show, within 4 cm, view by view.

    The search is approximate: the point found is at most a tenth farther away than the nearest.

    Args:
        scene: with depth that is registered to its colours.
        among: (N,) bool, the points to choose from.

    Yields:
        (h, w) int64 row of `scene.points` for every second pixel of every second row; -1 = no such point, or no depth.

    Raises:
        InputError: a view has no depth, or that of another camera than its colours'.
    """
    from scipy.spatial import cKDTree

    rows = np.flatnonzero(among)
    tree = cKDTree(scene.points[rows], balanced_tree=False, compact_nodes=False)
    rows = np.append(rows, -1)  # what the tree gives where nothing is near: one past the last
    for view in scene.views:
        height, width = view.image_size
        depth = view.depth
        if depth is None or view.depth_intrinsics is not None or view.depth_to_world is not None:
            raise InputError(f"{scene.name}, frame {view.name}: needs depth that is registered to its colours")
        y, x = np.mgrid[STEP // 2 : height : STEP, STEP // 2 : width : STEP]
        reading = depth[y * depth.shape[0] // height, x * depth.shape[1] // width].astype(np.float64)
        positions = back_project(np.stack([x, y], -1), reading, view.intrinsics, view.camera_to_world)
        result, seen = np.full(reading.shape, -1), reading > 0
        result[seen] = rows[tree.query(positions[seen], distance_upper_bound=REACH, eps=0.1)[1]]
        yield result
