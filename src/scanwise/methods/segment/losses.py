"""The Lovász extension of the Jaccard loss (Berman, Triki, Blaschko, CVPR 2018, arXiv 1705.08790)."""

from __future__ import annotations

import torch


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
