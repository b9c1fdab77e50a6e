"""Confidence that means something: of points that get .8 eight in ten are right, on rooms like those it was fitted on.

Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", arXiv 1706.04599), for each kind of
evidence one temperature, fitted on validation rooms of Rooms-1 (`scripts/things_runs.py calibrate`,
docs/results/things.md), and on made validation sweeps for streets (`scripts/outdoors_runs.py words --temperatures`).
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from scanwise.errors import ScanwiseWarning

TEMPERATURES = {
    "both": 1.13, "pictures": 1.64, "shapes": 0.79,
    "both of things": 1.04, "pictures of things": 1.07, "shapes of things": 0.74,
    "streets": 0.86, "streets of things": 0.86,
}  # fmt: skip
LOW = 0.45  # mean confidence below which something is wrong with the whole scan


def calibrated(logits: torch.Tensor, evidence: str) -> torch.Tensor:
    """Probabilities (M, K) of logits (M, K), by the temperature of this evidence."""
    return (logits / TEMPERATURES[evidence]).softmax(1)


def tell_of_confidence(confidence: np.ndarray, count: int) -> None:
    """Says where a whole scan looks wrong: lying on its side, or with nothing in it that the words name.

    Args:
        confidence: (n,) of its points.
        count: of the words; of few of them even a guess is sure.
    """
    mean = float(confidence.mean())
    if count > 2 and mean < LOW:
        text = (
            f"mean confidence {mean:.2f}: few of the words fit what is there; is it upright (--up) and in metres "
            "(--unit), and do the words name what one sees?"
        )
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
