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
    if not len(labels):
        return probabilities.sum() * 0
    present = torch.unique(labels)
    truth = (labels == present[:, None]).to(probabilities.dtype)
    errors, order = torch.sort((truth - probabilities.index_select(1, present).T).abs(), descending=True)
    hits = truth.gather(1, order)
    total = hits.sum(1, keepdim=True)
    jaccard = 1 - (total - hits.cumsum(1)) / (total + (1 - hits).cumsum(1))
    return (errors * torch.diff(jaccard, prepend=jaccard.new_zeros(len(present), 1))).sum(1).mean()


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
