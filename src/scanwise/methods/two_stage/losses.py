"""Losses of the voxels' classes and offsets (PointGroup, arXiv 2004.01658, section 3.2)."""

from __future__ import annotations

import torch
from torch.nn import functional


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
    if not bool(inside.any()):
        return {"class": entropy, "offset": offsets.sum() * 0}
    found, true = offsets[inside], wanted[inside]
    distance = (found - true).abs().sum(1).mean()
    direction = -functional.cosine_similarity(found, true, dim=1).mean()
    return {"class": entropy, "offset": distance + 0.1 * direction}
