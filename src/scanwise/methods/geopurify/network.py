"""The affinity network: a sparse network that embeds voxels so that those of one thing are alike."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from scanwise.nn.sparse import SparseTensor, SubmanifoldConv3d


@dataclass(frozen=True)
class AffinityConfig:
    """What a network looks like; the defaults are the paper's.

    Attributes:
        in_channels: of lifted feature, colour and normal.
        hidden: channels of the convolutions.
        channels: of the embedding.
        blocks: residual blocks.
    """

    in_channels: int = 518
    hidden: int = 512
    channels: int = 128
    blocks: int = 4


class AffinityNetwork(nn.Module):
    """Voxels (N, in_channels) -> embeddings (N, channels), not normalised: 3^3, residual blocks, 1^3.

    network = AffinityNetwork(AffinityConfig(in_channels=38, hidden=64, channels=32))
    embedding = network(SparseTensor(coords, feats, batch))
    """

    def __init__(self, config: AffinityConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = SubmanifoldConv3d(config.in_channels, config.hidden, 3, bias=False)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.blocks = nn.ModuleList(AffinityBlock(config.hidden) for _ in range(config.blocks))
        self.head = SubmanifoldConv3d(config.hidden, config.channels, 1, bias=False)

    @property
    def reach(self) -> int:
        """Voxels between one and the farthest whose input its embedding depends on."""
        return 1 + 2 * self.config.blocks

    def forward(self, voxels: SparseTensor) -> torch.Tensor:
        """Embeddings (N, channels)."""
        voxels = self.stem(voxels)
        voxels = voxels.replace(functional.relu(self.norm(voxels.feats)))
        for block in self.blocks:
            voxels = block(voxels)
        return self.head(voxels).feats


class AffinityBlock(nn.Module):
    """ReLU(x + BN(conv(ReLU(BN(conv(x)))))).

    Args:
        channels: in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv3d(channels, channels, 3, bias=False)
        self.norm1 = nn.BatchNorm1d(channels)
        self.conv2 = SubmanifoldConv3d(channels, channels, 3, bias=False)
        self.norm2 = nn.BatchNorm1d(channels)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """The same voxels, with other features."""
        inner = self.conv1(voxels)
        inner = self.conv2(inner.replace(functional.relu(self.norm1(inner.feats))))
        return voxels.replace(functional.relu(voxels.feats + self.norm2(inner.feats)))
