"""From each voxel the way to the middle of its object (PointGroup, arXiv 2004.01658, section 3.2).

Shapes: N voxels.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

DIRECTION = 0.1  # weight of the direction beside the distance


def offset_head(in_channels: int, hidden: int = 64) -> nn.Sequential:
    """Features (N, in_channels) -> offsets (N, 3) in metres."""
    return nn.Sequential(nn.Linear(in_channels, hidden), nn.ReLU(), nn.Linear(hidden, 3))


def offset_loss(offsets: torch.Tensor, wanted: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Distance and direction of offsets; scalar, 0 where no voxel is of an object.

    Args:
        offsets: (N, 3) metres.
        wanted: (N, 3) metres, the true offsets.
        inside: (N,) bool, of some object; the others' offsets do not count.
    """
    if not bool(inside.any()):
        return offsets.sum() * 0
    found, true = offsets[inside], wanted[inside]
    distance = (found - true).abs().sum(1).mean()
    return distance - DIRECTION * functional.cosine_similarity(found, true, dim=1).mean()
