"""Losses of masks that a sentence asks for (LESS, arXiv 2410.13294, section 3.4), and terms for sharper edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from scanwise.devices import at_once
from scanwise.nn.kernel_maps import Map

TEMPERATURE = 0.05
_MOST_POSITIVES, _MOST_NEGATIVES = 1024, 8192
_ROWS = 64  # of the object, that are compared with the background at a time


def weighted_bce(
    logits: torch.Tensor, target: torch.Tensor, positive: float = 20.0, *, official: bool = False,
    within: torch.Tensor | None = None,
) -> torch.Tensor:  # fmt: skip
    """Mean over points of the binary cross-entropy, that of the object's points counting `positive` times.

    Args:
        logits: (..., n).
        target: (..., n) bool.
        positive: weight of the object's points.
        official: of rounded probabilities, as the official code has it: a point that is wrong by a logit of 17 or more
            costs 100, and gives no gradient.
        within: (..., n) bool, the points that count; None = all.

    Returns:
        (...), 0 where no point counts.
    """
    truth = target.to(logits.dtype)
    if official:
        weights = torch.where(target, positive, 1.0)
        each = functional.binary_cross_entropy(logits.sigmoid(), truth, weights, reduction="none")
    else:
        weight = logits.new_tensor(positive)
        each = functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight, reduction="none")
    if within is None:
        return each.mean(-1)
    return (each * within).sum(-1) / within.sum(-1).clamp(min=1)


def area(logits: torch.Tensor) -> torch.Tensor:
    """Mean predicted probability (...) of logits (..., n): masks are to be no larger than needed."""
    return logits.sigmoid().mean(-1)


def point_contrast(feats: torch.Tensor, target: torch.Tensor, *, official: bool = False) -> torch.Tensor:
    """Points of the object are pulled to their mean and away from every point of the background.

    With features f of length 1, c the mean of the object's: s_i = exp(f_i c / tau), n_i = the sum over the background
    of exp(f_i f_j / tau); the mean over the object of -log(s_i / (s_i + n_i)).

    Args:
        feats: (n, C); or (k, n, C), of k sentences about one cloud.
        target: (n,) bool; or (k, n).
        official: -log of the mean, as the official code has it, instead of the mean of -log, and all points; else at
            most 1024 of the object and 8192 of the rest are drawn, in an order that the cloud's sentences share.

    Returns:
        () or (k,); 0 where there is no point of the object, or no other.
    """
    if feats.ndim == 2:
        return point_contrast(feats[None], target[None], official=official)[0]
    feats = functional.normalize(feats, dim=2)
    inside, outside = target, ~target
    if not official:
        inside, outside = _some(inside, outside)
    both = target.any(1) & ~target.all(1)
    inside, outside = inside & both[:, None], outside & both[:, None]
    sentence, place = inside.nonzero(as_tuple=True)
    rows, others = feats[sentence, place], feats[outside.nonzero(as_tuple=True)]
    counts = inside.sum(1), outside.sum(1)
    share = counts[1] / (~target).sum(1).clamp(min=1)
    center = (target[:, None].to(feats.dtype) @ feats)[:, 0] / target.sum(1, keepdim=True).clamp(min=1)
    positive = (rows * center[sentence]).sum(1) / TEMPERATURE
    negative = _SumOfExp.apply(rows / TEMPERATURE, others, *(each.tolist() for each in counts))
    log_ratio = positive - torch.logaddexp(positive, negative.log() - share.to(feats.dtype).log()[sentence])
    size = counts[0].clamp(min=1)
    if official:
        padded = torch.full_like(target, -torch.inf, dtype=feats.dtype).index_put((sentence, place), log_ratio)
        result = size.to(feats.dtype).log() - padded.masked_fill(~both[:, None], 0).logsumexp(1)
    else:
        result = -log_ratio.new_zeros(len(center)).index_add(0, sentence, log_ratio) / size
    return torch.where(both, result, feats.sum() * 0)


def _some(inside: torch.Tensor, outside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """At most so many points of each mask (k, n), drawn at random: the first in an order that all k share."""
    order = torch.randperm(inside.shape[1], device=inside.device)
    back = order.argsort()

    def first(mask: torch.Tensor, most: int) -> torch.Tensor:
        return mask & (mask[:, order].cumsum(1) <= most)[:, back]

    return first(inside, _MOST_POSITIVES), first(outside, _MOST_NEGATIVES)


class _SumOfExp(torch.autograd.Function):
    """Of rows (R, C), sentence after sentence, the sums (R,) of exp(row other) over that sentence's others (M, C).

    The products stay in the cache: they are made again for the gradient. They are not above 1 / TEMPERATURE = 20, so
    that no maximum is needed.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, others: torch.Tensor, counts: list[int], other_counts: list[int]
    ) -> torch.Tensor:
        ctx.save_for_backward(rows, others)
        ctx.counts = counts, other_counts
        sums = rows.new_empty(len(rows))
        for some, own in _blocks(rows.device, counts, other_counts):
            sums[some] = (rows[some] @ others[own].T).exp_().sum(1)
        return sums

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        rows, others = ctx.saved_tensors
        to_rows, to_others = torch.empty_like(rows), torch.zeros_like(others)
        for some, own in _blocks(rows.device, *ctx.counts):
            slope = (rows[some] @ others[own].T).exp_().mul_(grad[some, None])
            to_rows[some] = slope @ others[own]
            to_others[own].addmm_(slope.T, rows[some])
        return to_rows, to_others, None, None


def _blocks(device: torch.device, counts: list[int], other_counts: list[int]) -> Iterator[tuple[slice, slice]]:
    """Blocks of rows, each of one sentence, and the others of that sentence."""
    start = other_start = 0
    for count, other_count in zip(counts, other_counts, strict=True):
        size = at_once(device, _ROWS * max(other_count, 1), 16) // max(other_count, 1) or 1
        for first in range(start, start + count, size):
            last = min(first + size, start + count)
            yield slice(first, last), slice(other_start, other_start + other_count)
        start, other_start = start + count, other_start + other_count


def dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - 2 |P and T| / (|P| + |T|) of probabilities P from logits (..., n), target T bool; 0 is a perfect mask."""
    probability, truth = logits.sigmoid(), target.to(logits.dtype)
    return 1 - (2 * (probability * truth).sum(-1) + 1) / (probability.sum(-1) + truth.sum(-1) + 1)


def edges(target: torch.Tensor, table: Map) -> torch.Tensor:
    """Of masks, bool as they are: voxels one of whose 26 neighbours is on the other side of the mask.

    Args:
        target: (N, k) bool, of k masks.
        table: of the neighbours of these voxels (`KernelMaps.submanifold(level)`).
    """
    return table.differs(target)
