"""A residual U-Net over sparse voxels, as LESS (arXiv 2410.13294, section 3.2) and many before it use it.

Graham, Engelcke, van der Maaten, "3D semantic segmentation with submanifold sparse convolutional networks" (CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from scanwise.nn.sparse import SparseConv3d, SparseInverseConv3d, SparseTensor, SubmanifoldConv3d

AtLevel = Callable[[int, SparseTensor], SparseTensor]


@dataclass(frozen=True)
class SparseUNetConfig:
    """What a network looks like.

    Attributes:
        in_channels: of the input features.
        channels: of each level, finest first; each level but the first has stride 2 to the one before.
        blocks: residual blocks on either side of a level.
    """

    in_channels: int = 6
    channels: tuple[int, ...] = (32, 64, 96, 128, 160)
    blocks: int = 2


class SparseUNet(nn.Module):
    """The network: features (N, in) of voxels -> (N, channels[0]) of the same.

    Example:
        >>> network = SparseUNet(SparseUNetConfig(in_channels=6))
        >>> features = network(SparseTensor(coords, feats, batch)).feats

    Args:
        config: what it looks like.
    """

    def __init__(self, config: SparseUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = SubmanifoldConv3d(config.in_channels, config.channels[0], 3, bias=False)
        self.levels = nn.ModuleList(
            UNetLevel(channels, deeper, config.blocks)
            for channels, deeper in zip(config.channels, [*config.channels[1:], None], strict=True)
        )
        self.norm = batch_norm(config.channels[0])

    def forward(self, voxels: SparseTensor, at_level: AtLevel | None = None) -> SparseTensor:
        """The features of the finest level.

        Args:
            voxels: (N, in_channels).
            at_level: called with each level's number and voxels before its encoder blocks, and gives what they
                should see: where LESS lets voxels attend to words.

        Returns:
            The same voxels with (N, channels[0]).
        """
        voxels = self._level(0, self.stem(voxels), at_level)
        return voxels.replace(functional.relu(self.norm(voxels.feats)))

    def _level(self, number: int, voxels: SparseTensor, at_level: AtLevel | None) -> SparseTensor:
        level: UNetLevel = self.levels[number]  # type: ignore[assignment]
        if at_level is not None:
            voxels = at_level(number, voxels)
        for block in level.encoder:
            voxels = block(voxels)
        if level.down is None:
            return voxels
        deeper = self._level(number + 1, level.down(voxels), at_level)
        assert level.up is not None
        back = level.up(deeper)
        voxels = voxels.replace(torch.cat([voxels.feats, back.feats], 1))
        for block in level.decoder:
            voxels = block(voxels)
        return voxels


class UNetLevel(nn.Module):
    """Encoder blocks, the way to the next level and back, decoder blocks; the coarsest has encoder blocks alone.

    Args:
        channels: of this level.
        deeper: channels of the next level; None = this is the coarsest.
        blocks: residual blocks on either side.
    """

    def __init__(self, channels: int, deeper: int | None, blocks: int) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(ResidualBlock(channels, channels) for _ in range(blocks))
        self.down = None if deeper is None else Down(channels, deeper)
        self.up = None if deeper is None else Up(deeper, channels)
        widths = [] if deeper is None else [2 * channels] + [channels] * (blocks - 1)
        self.decoder = nn.ModuleList(ResidualBlock(width, channels) for width in widths)


class ResidualBlock(nn.Module):
    """BN, ReLU, 3^3, BN, ReLU, 3^3, and the input, through a 1^3 convolution where the width changes."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.skip = None
        if in_channels != out_channels:
            self.skip = SubmanifoldConv3d(in_channels, out_channels, 1, bias=False)
        self.norm1 = batch_norm(in_channels)
        self.conv1 = SubmanifoldConv3d(in_channels, out_channels, 3, bias=False)
        self.norm2 = batch_norm(out_channels)
        self.conv2 = SubmanifoldConv3d(out_channels, out_channels, 3, bias=False)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """The same voxels, (N, in_channels) -> (N, out_channels)."""
        inner = self.conv1(voxels.replace(functional.relu(self.norm1(voxels.feats))))
        inner = self.conv2(inner.replace(functional.relu(self.norm2(inner.feats))))
        through = voxels if self.skip is None else self.skip(voxels)
        return voxels.replace(inner.feats + through.feats)


class Down(nn.Module):
    """BN, ReLU, 2^3 convolution of stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = batch_norm(in_channels)
        self.conv = SparseConv3d(in_channels, out_channels, bias=False)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """The voxels of the next level, (N, in_channels) -> (M, out_channels)."""
        return self.conv(voxels.replace(functional.relu(self.norm(voxels.feats))))


class Up(nn.Module):
    """BN, ReLU, inverse 2^3 convolution back onto the finer voxels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm = batch_norm(in_channels)
        self.conv = SparseInverseConv3d(in_channels, out_channels, bias=False)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """The voxels of the level before, (M, in_channels) -> (N, out_channels)."""
        return self.conv(voxels.replace(functional.relu(self.norm(voxels.feats))))


def batch_norm(channels: int) -> nn.BatchNorm1d:
    """As LESS has it: eps 1e-4, momentum 0.1."""
    return nn.BatchNorm1d(channels, eps=1e-4)
