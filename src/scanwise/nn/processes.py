"""Sums over the processes that train together, which make of many processes what one alone would find.

Each process has its share of the rows; alone, or without torch.distributed, its rows are all there are.
"""

from __future__ import annotations

import torch
import torch.distributed as distributed


def process_count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def all_sum(values: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, in place, without a gradient."""
    if process_count() > 1:
        distributed.all_reduce(values)
    return values


def all_max(values: torch.Tensor) -> torch.Tensor:
    """The maximum over all processes, in place, without a gradient."""
    if process_count() > 1:
        distributed.all_reduce(values, distributed.ReduceOp.MAX)
    return values


def total_count(count: int | torch.Tensor, device: torch.device) -> torch.Tensor:
    """() float32: the sum over all processes of a number of things."""
    return all_sum(torch.as_tensor(count, device=device).float().clone())


def mean_over_processes(total: torch.Tensor, count: int | torch.Tensor) -> torch.Tensor:
    """The mean of things of all processes, as that scalar whose mean over processes has its value and gradient.

    DDP takes the mean of gradients over processes. A mean of this process's things alone would weigh the things of a
    process that has few of them too much.

    Args:
        total: scalar, the sum of this process's things.
        count: how many they are; 0 is allowed.

    Returns:
        Scalar; 0 where no process has any.
    """
    return total * process_count() / total_count(count, total.device).clamp(min=1)
