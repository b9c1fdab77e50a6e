"""Metrics as pure functions on arrays: `update(state, truth, predicted) -> state`, `compute(state) -> metrics`.

Nothing is changed in place. A state is one array, so that several processes make one of theirs: `summed` adds those of
points and masks, `gathered` strings together those of presence, and every process then computes what one would.

    state = no_points(classes)
    for scene in scenes:
        state = update_points(state, truth, predicted)
    compute_points(summed(state))["miou"]

Three families:

- points: a class each. State (K, K) int64, rows = truth, columns = prediction.
- masks: one a sentence. State (4,) float64: how many, the sum of their IoUs, how many reach 0.25, how many 0.5.
- presence: how sure a model is that something is here. State (n, 2) float64: whether it is, and how sure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from scanwise.nn.processes import all_sum, process_count

# Points


def no_points(classes: int) -> np.ndarray:
    """The state (K, K) before any point.

    Args:
        classes: K.
    """
    return np.zeros((classes, classes), np.int64)


def update_points(state: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts points.

    Args:
        state: (K, K).
        truth: (N,) class of each point; those of a negative one are passed over.
        predicted: (N,) class of each point.

    Returns:
        The new state.

    Raises:
        ValueError: a counted point has a class, or a prediction, that is none of 0..K-1.
    """
    count, known = len(state), truth >= 0
    truth, predicted = truth[known].astype(np.int64), predicted[known].astype(np.int64)
    for what, values in (("truth", truth), ("prediction", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < count:
            raise ValueError(f"a {what} of {values.min()} to {values.max()} is outside the {count} classes")
    return state + np.bincount(truth * count + predicted, minlength=count * count).reshape(count, count)


def class_iou(state: np.ndarray) -> np.ndarray:
    """(K,) intersection over union of each class; NaN for classes that the truth does not have."""
    hits, truth = np.diag(state), state.sum(1)
    union = state.sum(0) + truth - hits
    return np.where(truth > 0, hits / np.maximum(union, 1), np.nan)


def class_accuracy(state: np.ndarray) -> np.ndarray:
    """(K,) share of each class's points that were found; NaN for classes that the truth does not have."""
    truth = state.sum(1)
    return np.where(truth > 0, np.diag(state) / np.maximum(truth, 1), np.nan)


def compute_points(state: np.ndarray) -> dict[str, float]:
    """`miou`, `macc` (means over the classes that the truth has) and `accuracy` of all points, 0..1; 0 without any."""
    total = int(state.sum())
    if not total:
        return {"miou": 0.0, "macc": 0.0, "accuracy": 0.0}
    return {
        "miou": float(np.nanmean(class_iou(state))),
        "macc": float(np.nanmean(class_accuracy(state))),
        "accuracy": float(np.diag(state).sum() / total),
    }


# Masks


def no_masks() -> np.ndarray:
    """The state (4,) before any mask."""
    return np.zeros(4)


def iou(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Intersection over union of two masks (N,) bool; 0 where both are empty."""
    union = int((truth | predicted).sum())
    return float((truth & predicted).sum() / union) if union else 0.0


def update_masks(state: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts one mask (N,) bool against the truth (N,) bool: the new state."""
    return update_ious(state, np.array([iou(truth, predicted)]))


def update_ious(state: np.ndarray, ious: np.ndarray) -> np.ndarray:
    """Counts masks whose IoUs (S,) are known: the new state."""
    return state + np.array([len(ious), ious.sum(), (ious >= 0.25).sum(), (ious >= 0.5).sum()], np.float64)


def compute_masks(state: np.ndarray) -> dict[str, float]:
    """`miou`, `acc25`, `acc50` (share of masks with an IoU of so much), 0..1, and `sentences`; none without masks."""
    count = float(state[0])
    if not count:
        return {}
    miou, acc25, acc50 = (state[1:] / count).tolist()
    return {"miou": miou, "acc25": acc25, "acc50": acc50, "sentences": count}


def object_ious(mask: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """(I,) IoU of a mask with each instance.

    Args:
        mask: (N,) bool.
        instances: (N,) instance of each point, -1 = none; I is the highest and one.
    """
    there = instances >= 0
    sizes = np.bincount(instances[there])
    inside = np.bincount(instances[there & mask], minlength=len(sizes))
    return inside / np.maximum(sizes + int(mask.sum()) - inside, 1)


# Presence


def no_presence() -> np.ndarray:
    """The state (0, 2) before any sentence."""
    return np.zeros((0, 2))


def update_presence(state: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Adds sentences.

    Args:
        state: (n, 2).
        truth: (m,) bool: what a sentence asks for is here.
        predicted: (m,) how sure the model is of that.

    Returns:
        The new state, (n + m, 2).
    """
    return np.concatenate([state, np.column_stack([truth, predicted]).astype(np.float64)])


def compute_presence(state: np.ndarray) -> dict[str, float]:
    """`auc`, `threshold` (the best) and `balanced` (what it reaches); none where all are here, or none is.

    `auc` is the share of pairs, one here and one not, of which the model is surer of the one that is here; equally sure
    counts half. `threshold` is that from which to say "here" with the best mean of found and rejected, `balanced`.
    """
    here, absent = (np.sort(state[state[:, 0] == value, 1]) for value in (1, 0))
    if not len(here) or not len(absent):
        return {}
    below = np.searchsorted(absent, here, "left") + np.searchsorted(absent, here, "right")
    values = np.unique(state[:, 1])
    tries = np.concatenate([[values[0]], (values[1:] + values[:-1]) / 2, [np.nextafter(values[-1], np.inf)]])
    found = 1 - np.searchsorted(here, tries, "left") / len(here)
    balanced = (found + np.searchsorted(absent, tries, "left") / len(absent)) / 2
    best = int(np.argmax(balanced))
    return {
        "auc": float(below.mean() / (2 * len(absent))),
        "threshold": float(tries[best]),
        "balanced": float(balanced[best]),
    }


# Several processes


def summed(state: np.ndarray, device: torch.device | None = None) -> np.ndarray:
    """The state of points or masks of all processes.

    Args:
        state: of this one.
        device: that the processes exchange tensors on; None = the CPU.
    """
    return all_sum(torch.from_numpy(state.copy()).to(device or "cpu")).cpu().numpy()


def gathered(value: Any) -> list[Any]:
    """What each process has, in their order; states of presence are then `np.concatenate`d."""
    if process_count() == 1:
        return [value]
    import torch.distributed as distributed

    parts: list[Any] = [None] * process_count()
    distributed.all_gather_object(parts, value)
    return parts
