"""Average precision of objects, as ScanNet's benchmark measures it (Dai et al., CVPR 2017).

Pure functions on masks; words are matched outside, so that one function serves class-agnostic and per-word precision.

Shapes: N points, P predicted and G true objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""IoU from which a predicted object stands for a true one, in turn: AP is the mean over these; AP25 is apart."""
LEAST_POINTS = 100  # of a true object that is looked for


def object_overlaps(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """IoU of predicted and true objects.

    Args:
        predicted: (N,) object of each point, 0..P-1, -1 = none.
        truth: (N,) object of each point, any number from 0, -1 = none.

    Returns:
        (P, G) IoU; (G,) numbers of the true objects that have enough points; (P,) share of each predicted object that
        lies in true objects with too few points or in none, which ScanNet passes over where there is no match.
    """
    count = int(predicted.max(initial=-1)) + 1
    numbers, column = np.unique(truth, return_inverse=True)
    inside = predicted >= 0
    shared = np.zeros((count, len(numbers)))
    np.add.at(shared, (predicted[inside], column[inside]), 1)
    sizes, own = np.bincount(column, minlength=len(numbers)), shared.sum(1)
    counted = (numbers >= 0) & (sizes >= LEAST_POINTS)
    union = own[:, None] + sizes[None] - shared
    ignored = shared[:, ~counted & (numbers >= 0)].sum(1) / np.maximum(own, 1)
    return (shared / np.maximum(union, 1))[:, counted], numbers[counted], ignored


@dataclass
class Matches:
    """Predictions of some scenes, and what they match.

    Attributes:
        truths: true objects.
        scores: confidences of the predictions, a list for each IoU threshold.
        right: whether each is the first to match a true object.
    """

    truths: int = 0
    scores: dict[float, list[float]] = field(default_factory=dict)
    right: dict[float, list[bool]] = field(default_factory=dict)

    def add(self, ious: np.ndarray, confidence: np.ndarray, ignored: np.ndarray | None = None) -> None:
        """Counts a scene; a true object is matched by the surest prediction that overlaps it enough.

        Args:
            ious: (P, G).
            confidence: (P,).
            ignored: (P,) share of each prediction that lies where nothing is asked; above the threshold such a one
                without a match does not count as wrong. None = 0.
        """
        order = np.argsort(-confidence, kind="stable")
        self.truths += ious.shape[1]
        for threshold in (0.25, *THRESHOLDS):
            free = np.ones(ious.shape[1], bool)
            scores, right = self.scores.setdefault(threshold, []), self.right.setdefault(threshold, [])
            for each in order.tolist():
                candidates = np.where(free, ious[each], -1.0)
                best = int(candidates.argmax()) if len(candidates) else -1
                hit = best >= 0 and candidates[best] >= threshold
                if not hit and ignored is not None and ignored[each] > threshold:
                    continue
                if hit:
                    free[best] = False
                scores.append(float(confidence[each]))
                right.append(hit)

    def precision(self, threshold: float) -> float:
        """Area under precision over recall at an IoU threshold, 0..1; NaN where there is no true object."""
        if not self.truths:
            return float("nan")
        scores, right = np.array(self.scores.get(threshold, [])), np.array(self.right.get(threshold, []), bool)
        if not len(scores):
            return 0.0
        hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
        precision = hits / np.arange(1, len(hits) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        recall = hits / self.truths
        return float((np.diff(recall, prepend=0) * envelope).sum())

    def metrics(self) -> dict[str, float]:
        """`ap` (mean over .5 to .95), `ap50`, `ap25`, 0..1."""
        every = [self.precision(threshold) for threshold in THRESHOLDS]
        return {"ap": float(np.mean(every)), "ap50": every[0], "ap25": self.precision(0.25)}


def mean_metrics(of_classes: Mapping[str, Matches], names: Sequence[str] | None = None) -> dict[str, float]:
    """Means of `Matches.metrics` over classes that have a true object.

    Args:
        of_classes: by name.
        names: those that count; None = all.
    """
    found = [each.metrics() for name, each in of_classes.items() if each.truths and (names is None or name in names)]
    return {
        key: float(np.mean([each[key] for each in found])) if found else float("nan") for key in ("ap", "ap50", "ap25")
    }
