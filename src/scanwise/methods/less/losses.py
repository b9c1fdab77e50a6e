"""Losses of masks that a sentence asks for (LESS, arXiv 2410.13294, section 3.4), and terms for sharper edges."""

from __future__ import annotations

import torch
from torch.nn import functional

from scanwise.nn.kernel_maps import KernelMap

TEMPERATURE = 0.05
_MOST_POSITIVES, _MOST_NEGATIVES = 1024, 8192


def weighted_bce(
    logits: torch.Tensor, target: torch.Tensor, positive: float = 20.0, *, official: bool = False
) -> torch.Tensor:
    """Mean over points of the binary cross-entropy, that of the object's points counting `positive` times.

    Args:
        logits: (n,).
        target: (n,) bool.
        positive: weight of the object's points.
        official: of rounded probabilities, as the official code has it: a point that is wrong by a logit of 17 or more
            costs 100, and gives no gradient.
    """
    if official:
        weights = torch.where(target, positive, 1.0)
        return functional.binary_cross_entropy(logits.sigmoid(), target.to(logits.dtype), weights)
    weight = logits.new_tensor(positive)
    return functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), pos_weight=weight)


def area(logits: torch.Tensor) -> torch.Tensor:
    """Mean predicted probability of logits (n,): masks are to be no larger than needed."""
    return logits.sigmoid().mean()


def point_contrast(feats: torch.Tensor, target: torch.Tensor, *, official: bool = False) -> torch.Tensor:
    """Points of the object are pulled to their mean and away from every point of the background.

    With features f of length 1, c the mean of the object's: s_i = exp(f_i c / tau), n_i = the sum over the background
    of exp(f_i f_j / tau); the mean over the object of -log(s_i / (s_i + n_i)).

    Args:
        feats: (n, C).
        target: (n,) bool.
        official: -log of the mean, as the official code has it, instead of the mean of -log, and all points; else at
            most 1024 of the object and 8192 of the rest are drawn.

    Returns:
        A scalar; 0 where there is no point of the object, or no other.
    """
    feats = functional.normalize(feats, dim=1)
    inside, outside = feats[target], feats[~target]
    if not len(inside) or not len(outside):
        return feats.sum() * 0
    center, share = inside.mean(0), 1.0
    if not official:
        inside, _ = _some(inside, _MOST_POSITIVES)
        outside, share = _some(outside, _MOST_NEGATIVES)
    positive = inside @ center / TEMPERATURE
    negative = (inside @ outside.T / TEMPERATURE).logsumexp(1) - torch.log(positive.new_tensor(share))
    log_ratio = positive - torch.logaddexp(positive, negative)
    if official:
        return torch.log(positive.new_tensor(len(inside))) - log_ratio.logsumexp(0)
    return -log_ratio.mean()


def _some(rows: torch.Tensor, most: int) -> tuple[torch.Tensor, float]:
    """At most so many of the rows, drawn at random, and their share."""
    if len(rows) <= most:
        return rows, 1.0
    return rows[torch.randperm(len(rows), device=rows.device)[:most]], most / len(rows)


def dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - 2 |P and T| / (|P| + |T|) of probabilities P from logits (n,), target T (n,) bool; 0 is a perfect mask."""
    probability, truth = logits.sigmoid(), target.to(logits.dtype)
    return 1 - (2 * (probability @ truth) + 1) / (probability.sum() + truth.sum() + 1)


def edges(target: torch.Tensor, table: KernelMap) -> torch.Tensor:
    """(N,) bool: voxels one of whose 26 neighbours is on the other side of the mask.

    Args:
        target: (N,) bool.
        table: of the neighbours of these voxels (`KernelMaps.submanifold(level)`).
    """
    arranged = table.arrange(target[:, None])[:, 0]
    mixed = torch.zeros(table.outputs, dtype=torch.bool, device=target.device)
    for chunk in table.chunks:
        differs = arranged[chunk.sources.long()] != arranged[chunk.targets.long()]
        mixed[chunk.targets[differs].long()] = True
    return table.restore(mixed[:, None])[:, 0]
