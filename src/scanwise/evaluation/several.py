"""How well a mask fits a sentence that means several things, or none: Multi3DRefer's F1 (arXiv 2309.05251)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scanwise.geometry.objects import FEWEST, connected_parts

THRESHOLDS = (0.25, 0.5)


def part_f1(points: np.ndarray, mask: np.ndarray, instances: np.ndarray, meant: Sequence[int]) -> tuple[float, float]:
    """F1 at IoUs of .25 and .5 between the boxes of a mask's connected parts and of the objects that are meant.

    Boxes are along the axes, and matched so that the sum of IoUs is greatest. Parts of fewer than 20 points do not
    count, unless there are no others.

    Args:
        points: (N, 3) metres.
        mask: (N,) bool.
        instances: (N,) object of each point.
        meant: ids of objects; none = the mask should be empty.

    Returns:
        0..1 each. Where nothing is meant 1 for an empty mask, and else 0.
    """
    from scipy.optimize import linear_sum_assignment

    parts = connected_parts(points, np.flatnonzero(mask & np.isfinite(points).all(1)))
    parts = [part for part in parts if len(part) >= FEWEST] or parts
    if not meant or not parts:
        alike = float(not meant and not parts)
        return alike, alike
    found = np.stack([_box(points[part]) for part in parts])
    true = np.stack([_box(points[instances == instance]) for instance in meant])
    ious = box_ious(found, true)
    rows, columns = linear_sum_assignment(-ious)
    counts = [int((ious[rows, columns] >= threshold).sum()) for threshold in THRESHOLDS]
    low, high = (2 * count / (len(found) + len(true)) for count in counts)
    return low, high


def box_ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m) IoU of boxes along the axes, (n, 2, 3) and (m, 2, 3): their least and their greatest corners."""
    low = np.maximum(boxes[:, None, 0], others[None, :, 0])
    high = np.minimum(boxes[:, None, 1], others[None, :, 1])
    shared = np.clip(high - low, 0, None).prod(2)
    volumes = [(each[:, 1] - each[:, 0]).prod(1) for each in (boxes, others)]
    union = volumes[0][:, None] + volumes[1][None] - shared
    return np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)


def _box(points: np.ndarray) -> np.ndarray:
    return np.stack([points.min(0), points.max(0)]).astype(np.float64)
