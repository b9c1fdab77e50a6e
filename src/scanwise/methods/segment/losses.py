"""The Lovász extension of the Jaccard loss (Berman, Triki, Blaschko, CVPR 2018, arXiv 1705.08790); class weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

MOST = 10.0
"""What the heaviest class may weigh, over the lightest."""


def lovasz_softmax(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the classes present of the Lovász extension of 1 - IoU (equations 8 and 9 there).

    Args:
        probabilities: (N, K).
        labels: (N,), 0..K-1.

    Returns:
        Scalar, 0..1; 0 where there are no points.
    """
    losses = []
    for label in torch.unique(labels).tolist():
        truth = (labels == label).to(probabilities.dtype)
        errors, order = torch.sort((truth - probabilities[:, label]).abs(), descending=True)
        hits = truth[order]
        jaccard = 1 - (hits.sum() - hits.cumsum(0)) / (hits.sum() + (1 - hits).cumsum(0))
        losses.append(errors @ torch.diff(jaccard, prepend=jaccard.new_zeros(1)))
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0


def root_weights(counts: Sequence[int]) -> list[float]:
    """A weight for each class: one over the root of how often it is there, mean 1, at most `MOST` times the lightest.

    Args:
        counts: (K,) how often each is there; a class that is not there weighs 1.
    """
    found = np.asarray(counts, np.float64)
    there = found > 0
    weights = np.ones(len(found))
    if there.any():
        roots = 1 / np.sqrt(found[there])
        roots = np.minimum(roots, MOST * roots.min())
        weights[there] = roots / roots.mean()
    return weights.tolist()
