"""The box around points, as it stands."""

from __future__ import annotations

import numpy as np


def oriented_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The upright box of least ground area around points, to a degree.

    Args:
        points: (n, 3) metres, at least one.

    Returns:
        Center (3,); size (3,) along the box's own axes, length at least width; heading: radians of its length from
        the x axis, counter-clockwise.
    """
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
