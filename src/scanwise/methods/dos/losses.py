"""Targets and losses of DOS, each the same for one process as for many.

Shapes: n voxels that are compared, K prototypes.
"""

from __future__ import annotations

import torch

from scanwise.nn.processes import all_sum, mean_over_processes, process_count, total_count
from scanwise.nn.transport import log_column_sums, sinkhorn


def zipf_softmaps(scores: torch.Tensor, prior: torch.Tensor, iterations: int) -> torch.Tensor:
    """Target softmaps: Zipf-Sinkhorn of the teacher's scores, then columns to 1.

    The plan P minimises its distance from s_ik = exp(cos(f_i, q_k) / tau_T) under sum_k P_ik = 1 / n and
    sum_i P_ik = w_k; the softmap is P_ik / w_k. n counts the voxels of all processes.

    Args:
        scores: (n, K) cosines over tau_T.
        prior: (K,) w, sum 1.
        iterations: of Sinkhorn.

    Returns:
        (n, K), columns sum to 1 over all processes.
    """
    return sinkhorn(scores, iterations=iterations, prior=prior) / prior


def softmap_loss(scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 / K) sum_k KL(target(:, k) || S(:, k)) with S(i, k) = exp(z_ik) / sum_j exp(z_jk), j over all processes.

    As targets' columns sum to 1, it is (1 / K) sum_k [sum_i t_ik (log t_ik - z_ik) + log sum_j exp(z_jk)].

    Args:
        scores: (n, K), z: the student's cosines over tau_S.
        targets: (n, K), columns sum to 1 over all processes.

    Returns:
        Scalar, whose mean over processes has the value and the gradient that one process would find; and (K,)
        entropy of each target over the voxels of all processes.
    """
    entropies = all_sum(-torch.xlogy(targets, targets).sum(0))
    if not float(total_count(len(scores), scores.device)):
        return scores.sum(), entropies  # no voxel is shown by both views
    world = process_count()
    likelihood = (targets * scores).sum() / scores.shape[1]
    log_sums = log_column_sums(scores).mean()  # the value is of all processes, the gradient of this one's rows
    log_sums = world * log_sums - (world - 1) * log_sums.detach()
    return log_sums - world * likelihood - entropies.mean(), entropies


def clustering_loss(scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of each voxel's softmax over the prototypes, as in SwAV (arXiv 2006.09882).

    Args:
        scores: (n, K): the student's cosines over tau_S.
        targets: (n, K), rows sum to 1.

    Returns:
        Scalar as of `softmap_loss`; and scalar mean entropy of a target.
    """
    loss = mean_over_voxels(-(targets * scores.log_softmax(1)).sum(1))
    return loss, mean_over_voxels(-torch.xlogy(targets, targets).sum(1))


def usage_from_prior(plan: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """KL(u || w): u_k is the share of voxels of which prototype k has the most in the plan.

    Args:
        plan: (n, K).
        prior: (K,) w.
    """
    used = all_sum(torch.bincount(plan.argmax(1), minlength=len(prior)).float())
    used = used / used.sum().clamp(min=1)
    return (torch.xlogy(used, used) - used * prior.log()).sum()


def mean_over_voxels(values: torch.Tensor) -> torch.Tensor:
    """Scalar whose mean over processes is the mean of all their values (n,); 0 where there are none."""
    return mean_over_processes(values.sum(), len(values))


def explained(features: torch.Tensor, heights: torch.Tensor) -> torch.Tensor:
    """Scalar R^2 over the voxels of all processes: of all channels' variance, how much a line in the height explains.

    Args:
        features: (n, D).
        heights: (n,).
    """
    count = all_sum(torch.full((), float(len(heights)), dtype=heights.dtype, device=heights.device)).clamp(min=1)
    features = features - all_sum(features.sum(0)) / count
    heights = heights - all_sum(heights.sum()) / count
    both, own = all_sum(heights @ features), all_sum(heights @ heights)
    return both.square().sum() / (own * all_sum(features.square().sum())).clamp(min=1e-12)
