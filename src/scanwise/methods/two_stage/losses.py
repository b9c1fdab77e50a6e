"""Losses of the voxels' classes and offsets (PointGroup, arXiv 2004.01658, section 3.2)."""

from __future__ import annotations

import torch
from torch.nn import functional

from scanwise.nn.offsets import offset_loss


def proposal_losses(
    logits: torch.Tensor, offsets: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor, inside: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Cross-entropy of the class; distance and direction of the offset.

    Args:
        logits: (N, K).
        offsets: (N, 3) metres.
        labels: (N,) int64, -1 = unknown.
        wanted: (N, 3) metres, the true offsets.
        inside: (N,) bool, of some object; the others' offsets do not count.

    Returns:
        Scalars "class" and "offset".
    """
    known = bool((labels >= 0).any())
    entropy = functional.cross_entropy(logits, labels, ignore_index=-1) if known else logits.sum() * 0
    return {"class": entropy, "offset": offset_loss(offsets, wanted, inside)}
