"""Where voxels are, for networks that see only what surrounds each."""

from __future__ import annotations

import math

import torch
from torch import nn

_WAVELENGTHS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5)  # metres


class PositionEncoding(nn.Module):
    """Fourier features of a voxel's position in its room, as channels to be added to what is known of it.

    Args:
        channels: of a voxel.
    """

    frequencies: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi / torch.tensor(_WAVELENGTHS), persistent=False)
        self.project = nn.Linear(6 * len(_WAVELENGTHS), channels)

    def forward(self, centers: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """What is to be added to the voxels, (N, channels).

        Args:
            centers: (N, 3) metres; across they count from the middle of their cloud, up from its lowest voxel.
            batch: (N,) int, cloud of each voxel, rising.
        """
        clouds = int(batch[-1]) + 1
        index = batch.long()[:, None].expand(-1, 3)
        start = centers.new_zeros((clouds, 3))
        low = start.scatter_reduce(0, index, centers, "amin", include_self=False)
        high = start.scatter_reduce(0, index, centers, "amax", include_self=False)
        middle = torch.cat([(low + high)[:, :2] / 2, low[:, 2:]], 1)
        angles = (centers - middle[batch.long()])[:, :, None] * self.frequencies
        return self.project(torch.cat([angles.sin(), angles.cos()], 2).flatten(1))
