"""Whether confidence says how often one is right: reliability, its error, and the temperature that mends it.

Expected calibration error: the mean distance between confidence and share of right answers over bins of confidence,
weighted by the answers in them (Guo et al., arXiv 1706.04599, equation 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

BINS = 10


@dataclass
class Reliability:
    """Answers by their confidence.

    Attributes:
        count: (10,) answers in each tenth of the confidence.
        confidence: (10,) sum of their confidences.
        right: (10,) how many are right.
    """

    count: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @classmethod
    def empty(cls) -> Reliability:
        """Of no answer."""
        return cls(*(np.zeros(BINS) for _ in range(3)))

    @classmethod
    def of(cls, logits: np.ndarray, truth: np.ndarray) -> Reliability:
        """Of answers (n, K) logits, and what is true (n,), -1 = not known."""
        result = cls.empty()
        result.add(softmax(logits, 1), truth)
        return result

    def add(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        """Counts answers.

        Args:
            probabilities: (n, K), rows sum to 1.
            truth: (n,) int, -1 = not known.
        """
        known = truth >= 0
        sure, answer = probabilities[known].max(1), probabilities[known].argmax(1)
        place = np.minimum((sure * BINS).astype(int), BINS - 1)
        self.count += np.bincount(place, minlength=BINS)
        self.confidence += np.bincount(place, sure, minlength=BINS)
        self.right += np.bincount(place, answer == truth[known], minlength=BINS)

    @property
    def error(self) -> float:
        """Expected calibration error, 0..1."""
        return float(np.abs(self.confidence - self.right).sum() / max(self.count.sum(), 1))

    def above(self, least: float) -> tuple[float, float]:
        """Share of the answers in the tenths from this confidence on, and share of right ones among them."""
        rows = slice(round(least * BINS), None)
        count = self.count[rows].sum()
        return float(count / max(self.count.sum(), 1)), float(self.right[rows].sum() / max(count, 1))

    def table(self) -> list[list[float]]:
        """For each tenth: share of the answers, mean confidence, share of right ones; 0 where there are none."""
        count = np.maximum(self.count, 1)
        columns = (self.count / max(self.count.sum(), 1), self.confidence / count, self.right / count)
        return np.round(np.stack(columns, 1), 4).tolist()


def best_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that makes the truth likeliest.

    Args:
        logits: (n, K).
        truth: (n,) int, -1 = not known.
    """
    from scipy.optimize import minimize_scalar

    logits, truth = logits[truth >= 0].astype(np.float64), truth[truth >= 0]

    def loss(log: float) -> float:
        return -float(log_softmax(logits / np.exp(log), 1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
