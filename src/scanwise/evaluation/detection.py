"""Detection measured as nuScenes does (Caesar et al., CVPR 2020, section 3.1): AP by centre distance, errors, NDS.

    found = Detections(classes)
    for scene in scenes:
        found.add(truth, predicted)          # `Boxes` of one sweep, in its frame
    found.metrics()["nds"]

A prediction is right where its middle lies within a threshold of a true box of its class that no surer prediction has
taken, in the plan. AP is the area under precision over recall above recall 0.1 and precision 0.1, scaled to 0..1; mAP
is its mean over classes and the four thresholds. Errors are of the pairs at 2 m, averaged over all recalls above 0.1.

Where this differs from the official tool: attributes are not predicted, so that AAE is left out, and NDS counts it as
1, its worst: what the official tool gives a submission without attributes. Classes that the truth lacks are left out of
the means, where the official tool counts them as 0. Distances are from the frame's origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scanwise.geometry.box_arrays import Boxes

DISTANCES = (0.5, 1.0, 2.0, 4.0)
"""Metres within which a prediction may be off, in turn."""
MATCHED = 2.0
"""Metres: the pairs whose errors are measured."""
LEAST_RECALL, LEAST_PRECISION = 0.1, 0.1
ERRORS = ("ate", "ase", "aoe", "ave")
"""Of place (metres, in the plan), size (1 - IoU of the aligned boxes), heading (radians), velocity (m/s)."""
RANGES = {
    "car": 50.0, "truck": 50.0, "bus": 50.0, "trailer": 50.0, "construction_vehicle": 50.0, "pedestrian": 40.0,
    "motorcycle": 40.0, "bicycle": 40.0, "traffic_cone": 30.0, "barrier": 30.0,
}  # fmt: skip
"""Metres from the sensor within which boxes of a class count."""
UNDEFINED = {"traffic_cone": ("aoe", "ave"), "barrier": ("ave",)}
"""Errors that say nothing about a class: cones look alike from all sides, and neither moves."""
HALF_TURNS = ("barrier",)
"""Classes whose front is as good as their back."""
_GRID = np.linspace(0, 1, 101)
_FIRST = round(100 * LEAST_RECALL) + 1


def matches(truth: np.ndarray, predicted: np.ndarray, scores: np.ndarray, within: float) -> np.ndarray:
    """The true box that each prediction of a sweep and class takes, the surest prediction first.

    Args:
        truth: (G, 2) middles in the plan.
        predicted: (P, 2).
        scores: (P,).
        within: metres; a pair must be nearer.

    Returns:
        (P,) row of the truth, -1 = none.
    """
    found = np.full(len(predicted), -1, np.int64)
    free = np.ones(len(truth), bool)
    away = np.linalg.norm(predicted[:, None] - truth[None], axis=2)
    for row in np.argsort(-scores, kind="stable").tolist() if len(truth) else ():
        distance = np.where(free, away[row], np.inf)
        nearest = int(distance.argmin())
        if distance[nearest] < within:
            found[row], free[nearest] = nearest, False
    return found


def precision_curve(scores: np.ndarray, right: np.ndarray, truths: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and confidence at 101 recalls, 0 to 1; 0 where a recall is not reached.

    Args:
        scores: (P,) of all sweeps.
        right: (P,) bool.
        truths: true boxes of all sweeps, at least one.

    Returns:
        (101,) precision, (101,) confidence.
    """
    if not right.any():
        return np.zeros(101), np.zeros(101)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    recall, precision = hits / truths, hits / np.arange(1, len(hits) + 1)
    return np.interp(_GRID, recall, precision, right=0), np.interp(_GRID, recall, scores[order], right=0)


def average_precision(precision: np.ndarray) -> float:
    """AP, 0..1: the mean over recalls above 0.1 of how far precision (101,) is above 0.1, scaled."""
    return float(np.maximum(precision[_FIRST:] - LEAST_PRECISION, 0).mean() / (1 - LEAST_PRECISION))


def error_over_recall(errors: np.ndarray, scores: np.ndarray, confidence: np.ndarray) -> float:
    """The mean over recalls from 0.1 to the highest reached of the mean error of all surer pairs; 1 below that recall.

    Args:
        errors: (M,) of the pairs, NaN = not known.
        scores: (M,) of their predictions.
        confidence: (101,) of `precision_curve`.
    """
    reached = np.flatnonzero(confidence)
    last = int(reached[-1]) if len(reached) else 0
    if last < _FIRST or np.isnan(errors).all():
        return 1.0
    order = np.argsort(-scores, kind="stable")
    known = ~np.isnan(errors[order])
    count = np.cumsum(known)
    running = np.divide(np.cumsum(np.where(known, errors[order], 0)), count, out=np.zeros(len(count)), where=count > 0)
    at_recall = np.interp(confidence[::-1], scores[order][::-1], running[::-1])[::-1]
    return float(at_recall[_FIRST : last + 1].mean())


def pair_errors(truth: Boxes, predicted: Boxes, period: float = 2 * np.pi) -> dict[str, np.ndarray]:
    """`ERRORS` of M pairs, (M,) each.

    Args:
        truth: M boxes.
        predicted: M boxes.
        period: radians after which a heading is the same.
    """
    overlap = np.minimum(truth.sizes, predicted.sizes).prod(1)
    union = truth.sizes.prod(1) + predicted.sizes.prod(1) - overlap
    turned = (truth.headings - predicted.headings + period / 2) % period - period / 2
    return {
        "ate": np.linalg.norm((truth.centers - predicted.centers)[:, :2], axis=1),
        "ase": 1 - overlap / union,
        "aoe": np.abs(turned),
        "ave": np.linalg.norm(truth.velocities - predicted.velocities, axis=1),
    }


def detection_score(mean_ap: float, errors: Mapping[str, float]) -> float:
    """NDS, 0..1, where attributes score nothing: (5 mAP + the sum over `ERRORS` of 1 - min(1, error)) / 10.

    Args:
        mean_ap: mAP, 0..1.
        errors: means over classes by name; NaN scores nothing.
    """
    scores = [0.0 if np.isnan(errors[name]) else 1 - min(1.0, errors[name]) for name in ERRORS]
    return (5 * mean_ap + sum(scores)) / 10


@dataclass
class Detections:
    """Predictions of some sweeps against the truth.

    Attributes:
        classes: names of the K classes, of `RANGES`.
        truths: (K,) true boxes in range.
        scores: (class, distance) -> confidences of predictions, an array a sweep.
        right: (class, distance) -> whether each took a true box.
        errors: (class, error) -> error of each pair at 2 m, and (class, "score") -> confidence of its prediction.
    """

    classes: Sequence[str]
    truths: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: dict[tuple[int, float], list[np.ndarray]] = field(default_factory=dict)
    right: dict[tuple[int, float], list[np.ndarray]] = field(default_factory=dict)
    errors: dict[tuple[int, str], list[np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.truths.size:
            self.truths = np.zeros(len(self.classes), np.int64)

    def add(self, truth: Boxes, predicted: Boxes) -> None:
        """Counts a sweep; boxes beyond their class's range, or of class -1, are passed over.

        Args:
            truth: in the sensor's frame, with at least a point each, as nuScenes counts them.
            predicted: in the same frame.
        """
        for index, name in enumerate(self.classes):
            true, found = (_in_range(boxes, index, RANGES[name]) for boxes in (truth, predicted))
            self.truths[index] += len(true)
            for distance in DISTANCES:
                taken = matches(true.centers[:, :2], found.centers[:, :2], found.scores, distance)
                self.scores.setdefault((index, distance), []).append(found.scores)
                self.right.setdefault((index, distance), []).append(taken >= 0)
                if distance == MATCHED:
                    self._add_errors(index, true.take(taken[taken >= 0]), found.take(taken >= 0))

    def _add_errors(self, index: int, true: Boxes, found: Boxes) -> None:
        name = self.classes[index]
        errors = pair_errors(true, found, np.pi if name in HALF_TURNS else 2 * np.pi)
        for key, values in {"score": found.scores, **errors}.items():
            self.errors.setdefault((index, key), []).append(values)

    def extend(self, other: Detections) -> None:
        """Adds what another process counted."""
        self.truths = self.truths + other.truths
        for mine, theirs in ((self.scores, other.scores), (self.right, other.right), (self.errors, other.errors)):
            for key, values in theirs.items():
                mine.setdefault(key, []).extend(values)  # type: ignore[arg-type]

    def of_class(self, index: int) -> dict[str, float]:
        """`ap_0.5` to `ap_4.0`, `ap`, `ERRORS` and `truths` of a class; NaN where it has no truth, or no such error."""
        result: dict[str, float] = {}
        truths = int(self.truths[index])
        confidence = np.zeros(101)
        for distance in DISTANCES:
            scores, right = (_joined(of.get((index, distance))) for of in (self.scores, self.right))
            precision, sure = precision_curve(scores, right.astype(bool), max(truths, 1))
            result[f"ap_{distance:g}"] = average_precision(precision) if truths else float("nan")
            confidence = sure if distance == MATCHED else confidence
        result["ap"] = float(np.mean(list(result.values())))
        for name in ERRORS:
            skipped = not truths or name in UNDEFINED.get(self.classes[index], ())
            errors, scores = (_joined(self.errors.get((index, key))) for key in (name, "score"))
            result[name] = float("nan") if skipped else error_over_recall(errors, scores, confidence)
        return result | {"truths": truths}

    def metrics(self) -> dict[str, float]:
        """`nds`, `map`, `ERRORS` and mean AP by distance, over the classes that the truth has; `truths`."""
        each = [self.of_class(index) for index in np.flatnonzero(self.truths).tolist()]
        keys = ("ap", *(f"ap_{distance:g}" for distance in DISTANCES), *ERRORS)
        means = {key: _mean([found[key] for found in each]) for key in keys}
        mean_ap = means.pop("ap")
        mean_ap = 0.0 if np.isnan(mean_ap) else mean_ap
        score = detection_score(mean_ap, {name: means[name] for name in ERRORS})
        return {"nds": score, "map": mean_ap, **means, "truths": float(self.truths.sum())}

    def table(self) -> str:
        """A Markdown table with a row a class that the truth has."""
        heads = ("class", "AP", *(f"AP {distance:g} m" for distance in DISTANCES), "ATE", "ASE", "AOE", "AVE", "boxes")
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        rows: list[tuple[str, Mapping[str, Any]]] = [
            (self.classes[index], self.of_class(index)) for index in np.flatnonzero(self.truths).tolist()
        ]
        whole = self.metrics()
        rows.append(("**mean**", whole | {"ap": whole["map"]}))
        for name, found in rows:
            precisions = [f"{100 * found[key]:.1f}" for key in ("ap", *(f"ap_{distance:g}" for distance in DISTANCES))]
            errors = ["–" if np.isnan(found[key]) else f"{found[key]:.2f}" for key in ERRORS]
            lines.append("| " + " | ".join([name, *precisions, *errors, f"{int(found['truths']):,}"]) + " |")
        return "\n".join(lines) + "\n"


def _in_range(boxes: Boxes, index: int, reach: float) -> Boxes:
    return boxes.take((boxes.classes == index) & (np.linalg.norm(boxes.centers[:, :2], axis=1) < reach))


def _joined(parts: list[np.ndarray] | None) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
