"""Entropic optimal transport by Sinkhorn's alternating scalings: balanced or Zipfian assignments, and soft matching.

Cuturi, "Sinkhorn Distances" (NeurIPS 2013, arXiv 1306.0895); as cluster assignment, SwAV (arXiv 2006.09882); with a
Zipfian prior over the clusters, DOS (arXiv 2512.11465). No plan carries a gradient. Under torch.distributed the
rows of `scores` are this process's share of all rows, and sums over rows run over all processes.
"""

from __future__ import annotations

import torch

from scanwise.nn.processes import all_max, all_sum, total_count

_HEADROOM = 50.0  # a column's largest entry is exp(50), so that one exp(-130) of it is still a float32
_TINY = 1e-8
_ROUNDS = 3
_SAFE = 50.0  # scores within this range can be scaled without logarithms: exp(-50) times a share is a float32


def zipf_prior(k: int, alpha: float) -> torch.Tensor:
    """Zipf's law: shares in proportion to rank^-alpha.

    Args:
        k: how many there are.
        alpha: 0 gives equal shares, 1 Zipf's own.

    Returns:
        (k,) float32, sum 1, the largest first.
    """
    shares = torch.arange(1, k + 1, dtype=torch.float64) ** -alpha
    return (shares / shares.sum()).float()


@torch.no_grad()
def sinkhorn(
    scores: torch.Tensor, *, iterations: int, prior: torch.Tensor | None = None, column_power: float = 1.0
) -> torch.Tensor:
    """Turns scores into an assignment of n points (rows) to K prototypes (columns) that uses all prototypes.

        plan = sinkhorn(cosines / 0.05, iterations=3, prior=zipf_prior(1024, 1.3))     # columns sum to the prior
        softmap = plan / prior
        targets = sinkhorn(logits / 0.06, iterations=3)                                # rows sum to 1

    Args:
        scores: (n, K) logarithms of what is scaled: similarities over the temperature, of any size.
        iterations: of one scaling of rows and one of columns each.
        prior: (K,) share of each prototype, sum 1. With it the result is a transport plan of total 1: rows to 1/n,
            then columns to the prior, so that the columns are exact. Without it the result is an assignment as
            STELLAR's code has it: columns to equal sums, then rows to 1, so that the rows are.
        column_power: without a prior, how far columns are made equal: 1 = their sums, 0 = their maxima alone.

    Returns:
        (n, K) float32.
    """
    scores = scores.float()
    if prior is None:
        return _assignment(scores, iterations, column_power)
    if column_power != 1.0:
        raise ValueError("column_power is for assignments without a prior")
    return _plan(scores, iterations, prior.to(scores))


def _plan(scores: torch.Tensor, iterations: int, prior: torch.Tensor) -> torch.Tensor:
    count = total_count(len(scores), scores.device)
    if _range(scores) < _SAFE:
        return _scaled_plan(scores, iterations, 1 / count, prior)
    return _log_plan(scores, iterations, -count.log(), prior.log())


def _scaled_plan(scores: torch.Tensor, iterations: int, share: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """Scales E = exp(scores), up to factors of rows, to u E v; u (n, 1) makes rows sum to the share, v (K,) columns."""
    largest = scores.amax(1, keepdim=True) if len(scores) else scores[:, :1]
    plan = (scores - largest).exp_()
    rows, columns = scores.new_ones(len(scores)), torch.ones_like(prior)
    for _ in range(iterations):
        rows = share / (plan @ columns)
        columns = prior / all_sum(rows @ plan)
    return plan.mul_(rows[:, None]).mul_(columns)


def _log_plan(scores: torch.Tensor, iterations: int, share: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """exp(scores + u + v), all of it in logarithms: slower, and good for scores of any size."""
    columns = torch.zeros_like(prior)
    rows = prior.new_zeros(len(scores), 1)
    for _ in range(iterations):
        rows = share - torch.logsumexp(scores + columns, 1, keepdim=True)
        columns = prior - log_column_sums(scores + rows)
    return torch.exp(scores + rows + columns)


def _range(scores: torch.Tensor) -> float:
    """Largest difference of two scores of all processes."""
    ends = torch.stack([edge.amax() if edge.numel() else edge.new_tensor(-torch.inf) for edge in (scores, -scores)])
    return float(all_max(ends).sum())


def _assignment(scores: torch.Tensor, iterations: int, column_power: float) -> torch.Tensor:
    """SwAV's scaling of E = exp(scores), columns first; a row that is far below all others in every column vanishes.

    Three rounds at a time are kept as u E v, which reads E and writes two vectors; after more of them a vanishing
    row's factor would be no float32.
    """
    result = (scores - _column_maxima(scores)).add_(_HEADROOM).exp_()
    for done in range(0, iterations, _ROUNDS):
        rows, columns = scores.new_ones(len(scores)), scores.new_ones(scores.shape[1])
        for _ in range(min(_ROUNDS, iterations - done)):
            columns = columns / (columns * all_sum(rows @ result) + _TINY) ** column_power
            rows = rows / (rows * (result @ columns) + _TINY)
        result.mul_(rows[:, None]).mul_(columns)
    return result


def log_column_sums(scores: torch.Tensor) -> torch.Tensor:
    """(K,) logarithms of the sums of exp(scores) (n, K) over the rows of all processes.

    It carries the gradient of this process's rows.
    """
    largest = _column_maxima(scores.detach())
    own = torch.exp(scores - largest).sum(0)
    others = all_sum(own.detach().clone()) - own.detach()
    return largest + torch.log(own + others)


def _column_maxima(scores: torch.Tensor) -> torch.Tensor:
    """(K,), over the rows of all processes; a process may have none."""
    largest = scores.amax(0) if len(scores) else scores.new_full((scores.shape[1],), -torch.inf)
    return all_max(largest)


@torch.no_grad()
def match(
    predicted: torch.Tensor,
    target: torch.Tensor,
    *,
    epsilon: float,
    iterations: int,
    allowed: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Matches each predicted vector with a target vector of the same sample, by entropic transport in the log domain.

    Several predictions may get the same target: it is the largest entry of each row that counts.

    Args:
        predicted: (B, p, C).
        target: (B, t, C). The cost of a pair is its Euclidean distance.
        epsilon: temperature of the transport, in units of the cost.
        iterations: of one scaling of rows and one of columns each.
        allowed: (B, t) bool; others cost twice the largest cost of the batch, so that they are a last resort.

    Returns:
        (B, p) int64 target of each prediction, and (B, p, t) the plan, all marginals 1 as far as p = t.
    """
    predicted, target = predicted.float(), target.float()
    cost = torch.cdist(predicted, target, compute_mode="donot_use_mm_for_euclid_dist")
    if allowed is not None:
        cost = torch.where(allowed.bool()[:, None, :], cost, 2 * cost.max())
    gain = -cost / epsilon
    rows, columns = gain.new_zeros(*gain.shape[:2], 1), gain.new_zeros(len(gain), 1, gain.shape[2])
    for _ in range(iterations):
        rows = -torch.logsumexp(gain + columns, 2, keepdim=True)
        columns = -torch.logsumexp(gain + rows, 1, keepdim=True)
    plan = torch.exp(gain + rows + columns)
    return plan.argmax(2), plan
