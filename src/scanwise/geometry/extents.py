"""How far a scan reaches, and which of its points are strays: a reflection or a broken row decides no extent."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from scanwise.errors import ScanwiseWarning
from scanwise.scene import Scene

_SHARE = 0.01  # of the points at either end of an axis, that the extent of the others is taken without
_REACH = 2.0  # widest extents of those others that a point may lie outside them
_NEAR = 10.0  # metres that it always may
_MOST = 200_000  # points looked at


def main_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners (3,), (3,) of the box along the axes that 98 % of the points are in, axis by axis.

    Args:
        points: (N, 3); rows that are not finite are passed over. NaN without any other.
    """
    finite = points[np.isfinite(points).all(1)]
    finite = finite[:: max(1, len(finite) // _MOST)].astype(np.float64)
    if not len(finite):
        return np.full(3, np.nan), np.full(3, np.nan)
    last = len(finite) - 1
    low, high = int(np.ceil(_SHARE * last)), int(np.floor((1 - _SHARE) * last))
    if low > high:  # two points
        return finite.min(0), finite.max(0)
    ordered = np.partition(finite, [low, high], axis=0)
    return ordered[low], ordered[high]


def strays(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Which points lie so far outside all others that they are no part of what was scanned.

    Args:
        points: (N, 3) metres.

    Returns:
        (N,) bool, finite points alone; and how many metres outside the others the farthest of them lies, 0 = none.
    """
    low, high = main_box(points)
    reach = max(_REACH * float((high - low).max()), _NEAR)
    with np.errstate(invalid="ignore", over="ignore"):
        outside = np.maximum(low - points, points - high).max(1)
        far = np.isfinite(points).all(1) & (outside > reach)
    return far, float(outside[far].max(initial=0))


def without_strays(scene: Scene) -> Scene:
    """The scene, its strays without coordinates, which keeps them out of all work; their rows stay, as others do.

    Writers write them where they were. A warning says how many they are.
    """
    far, outside = strays(scene.points)
    if not far.any():
        return scene
    count = int(far.sum())
    if count == 1:
        said = f"1 point lies {outside:,.0f} m outside all others and was left out of the work; its row stays"
    else:
        said = f"{count:,} points lie up to {outside:,.0f} m outside all others and were left out; their rows stay"
    warnings.warn(f"{scene.name}: {said}, without a result", ScanwiseWarning, stacklevel=2)
    points = scene.points.copy()
    points[far] = np.nan
    return replace(scene, points=points, source_points=scene.points_in_source())
