"""Semantic segmentation measured: a confusion matrix with the names of its classes, as numbers, table and picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scanwise.evaluation.metrics import class_accuracy, class_iou, compute_points, no_points, update_points
from scanwise.files import replacing


@dataclass
class Confusion:
    """How often each class of the truth was called what.

    Attributes:
        classes: names of the K classes.
        matrix: (K, K) int64, rows = truth, columns = prediction; a state of `evaluation.metrics`.
        left_out: points of each class of the scenes that is none of these; they count as unlabelled.
    """

    classes: Sequence[str]
    matrix: np.ndarray = field(default_factory=lambda: no_points(0))
    left_out: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.matrix.size:
            self.matrix = no_points(len(self.classes))

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Counts points.

        Args:
            truth: (N,) class of each point; those of a negative one are passed over.
            predicted: (N,) class of each point.
        """
        self.matrix = update_points(self.matrix, truth, predicted)

    @property
    def iou(self) -> np.ndarray:
        """(K,) intersection over union; NaN for classes that the truth does not have."""
        return class_iou(self.matrix)

    @property
    def accuracy(self) -> np.ndarray:
        """(K,) share of each class's points that were found; NaN for classes that the truth does not have."""
        return class_accuracy(self.matrix)

    def metrics(self) -> dict[str, float]:
        """`miou`, `macc` (means over the classes that the truth has) and `accuracy` of all points, 0..1."""
        return compute_points(self.matrix)

    def reduced(self, all_sum: Callable[[np.ndarray], np.ndarray]) -> Confusion:
        """The sum over all processes.

        Args:
            all_sum: sums a matrix (K, K) over the processes.
        """
        return Confusion(self.classes, all_sum(self.matrix), self.left_out)

    def table(self) -> str:
        """A Markdown table with a row a class that the truth has."""
        lines = ["| class | IoU | accuracy | points |", "|---|---|---|---|"]
        for name, iou, accuracy, points in zip(
            self.classes, self.iou, self.accuracy, self.matrix.sum(1).tolist(), strict=True
        ):
            if points:
                lines.append(f"| {name} | {100 * iou:.1f} | {100 * accuracy:.1f} | {points:,} |")
        metrics = self.metrics()
        total = int(self.matrix.sum())
        lines.append(f"| **mean** | **{100 * metrics['miou']:.1f}** | {100 * metrics['macc']:.1f} | {total:,} |")
        return "\n".join(lines) + "\n"

    def draw(self, path: Path) -> None:
        """The matrix as a picture: each row is a class of the truth and sums to 1.

        Raises:
            OutputError: the file cannot be written.
        """
        from matplotlib.figure import Figure

        shown = np.flatnonzero(self.matrix.sum(1) > 0)
        rows = self.matrix[np.ix_(shown, shown)] / np.maximum(self.matrix[shown].sum(1, keepdims=True), 1)
        side = 2.5 + 0.38 * len(shown)
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.subplots()
        axes.imshow(rows, vmin=0, vmax=1, cmap="Blues")
        names = [self.classes[int(index)] for index in shown]
        axes.set_xticks(range(len(shown)), names, rotation=90)
        axes.set_yticks(range(len(shown)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("truth")
        for row, column in zip(*np.nonzero(rows >= 0.05), strict=True):
            color = "white" if rows[row, column] > 0.6 else "black"
            text = f"{100 * rows[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110)


def group_metrics(counts: Confusion, groups: Mapping[str, frozenset[str]]) -> dict[str, float]:
    """MIoU and mAcc over groups of classes, 0..1: "head_miou", "head_macc", ...; of those that the truth has.

    Args:
        counts: over all classes.
        groups: names of classes of each, as those of a `data.label_sets.LabelSet`.
    """
    found: dict[str, float] = {}
    for group, names in groups.items():
        rows = np.isin(np.array(counts.classes), [*names]) & (counts.matrix.sum(1) > 0)
        if rows.any():
            found |= {f"{group}_miou": float(counts.iou[rows].mean())}
            found |= {f"{group}_macc": float(counts.accuracy[rows].mean())}
    return found


def group_line(metrics: Mapping[str, float]) -> str:
    """What `group_metrics` found, in one line; "" where it found nothing."""
    groups = [key.removesuffix("_miou") for key in metrics if key.endswith("_miou")]
    return ", ".join(
        f"{group} {100 * metrics[f'{group}_miou']:.1f} (mAcc {100 * metrics[f'{group}_macc']:.1f})" for group in groups
    )
