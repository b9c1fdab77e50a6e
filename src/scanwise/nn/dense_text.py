"""Dense features in the space of sentence embeddings: EfficientNet-Lite0 and a light feature pyramid.

The parts are called once each in training, where losses look at what lies between, and by `forward` after it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

DIM = 384  # of MiniLM's sentence embeddings
WIDTH = 96  # channels of the pyramid
STRIDE = 4  # pixels between the cells of its result
DIVISOR = 32  # of the sides of images, pixels
TAPS = {2: 24, 4: 40, 10: 112, 15: 320}
"""Block of the trunk -> its channels, where the pyramid takes its feature maps: strides 4, 8, 16 and 32."""
FROZEN_BLOCKS = 3  # the first ones of the trunk: edges and colours are the same in any image


class TrunkMaps(NamedTuple):
    """Feature maps of images (B, 3, H, W).

    Attributes:
        maps: those of TAPS, finest first.
        last: (B, 320, H/32, W/32), or what a trunk without a pyramid has.
    """

    maps: list[torch.Tensor]
    last: torch.Tensor


class DenseTextEncoder(nn.Module):
    """Images -> features of each fourth pixel, and those -> embeddings of length 1 that texts are compared with.

    Args:
        trunk: what was trained before.

    Attributes:
        trunk: as given.
        log_scale: () logarithm of the factor from cosines to logits.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        self.embed = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, DIM))
        self.log_scale = nn.Parameter(torch.tensor(20.0).log())

    def frozen_features(self, images: torch.Tensor) -> torch.Tensor:
        """The part of the trunk that is not trained: uint8 (B, 3, H, W), sides multiples of 32 -> its features."""
        raise NotImplementedError

    def trunk_maps(self, features: torch.Tensor) -> TrunkMaps:
        """The rest of the trunk."""
        raise NotImplementedError

    def pyramid(self, maps: TrunkMaps) -> torch.Tensor:
        """Features (B, 96, H/4, W/4)."""
        raise NotImplementedError

    def embeddings(self, features: torch.Tensor) -> torch.Tensor:
        """Features (n, 96) -> (n, 384) of length 1."""
        return functional.normalize(self.embed(features), dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images, uint8 (B, 3, H, W), sides multiples of 32 -> (B, 384, H/4, W/4), each cell of length 1."""
        features = self.pyramid(self.trunk_maps(self.frozen_features(images)))
        rows = features.permute(0, 2, 3, 1)
        return self.embeddings(rows.flatten(0, 2)).unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


class PyramidTextEncoder(DenseTextEncoder):
    """Upon ImageNet's features.

    Args:
        trunk: an EfficientNet-Lite0 whose batch norms are folded into its convolutions, with its ImageNet head.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__(trunk)
        self.lateral = nn.ModuleList([nn.Conv2d(channels, WIDTH, 1) for channels in TAPS.values()])
        self.context = nn.Conv2d(list(TAPS.values())[-1], WIDTH, 1)
        self.smooth = nn.ModuleList([SeparableBlock(WIDTH) for _ in TAPS])
        for module in (trunk._conv_stem, *trunk._blocks[:FROZEN_BLOCKS]):
            module.requires_grad_(False)

    def frozen_features(self, images: torch.Tensor) -> torch.Tensor:
        """The first blocks: uint8 (B, 3, H, W), sides multiples of 32 -> (B, 24, H/4, W/4)."""
        pixels = ((images.float() - 127) / 128).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            x = self.trunk._swish(self.trunk._bn0(self.trunk._conv_stem(pixels)))
            for block in self.trunk._blocks[:FROZEN_BLOCKS]:
                x = block(x)
            return x

    def trunk_maps(self, features: torch.Tensor) -> TrunkMaps:
        """The other blocks."""
        return late_blocks(self.trunk, features)

    def pyramid(self, maps: TrunkMaps) -> torch.Tensor:
        """Features (B, 96, H/4, W/4): from the coarsest map to the finest, and of the whole image."""
        x: torch.Tensor = self.context(maps.last.mean((2, 3), keepdim=True))
        for tap, lateral, smooth in reversed(list(zip(maps.maps, self.lateral, self.smooth, strict=True))):
            x = smooth(lateral(tap) + functional.interpolate(x, tap.shape[2:], mode="bilinear", align_corners=False))
        return x


class SeparableBlock(nn.Module):
    """A residual block: group norm, 5x5 depthwise convolution, 1x1 convolution.

    Args:
        channels: C, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.spread = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.mix(functional.gelu(self.spread(self.norm(x))))


def late_blocks(trunk: Any, features: torch.Tensor) -> TrunkMaps:
    """The blocks of an EfficientNet-Lite0 after the frozen ones.

    Args:
        trunk: the network.
        features: (B, 24, H/4, W/4) of the frozen blocks.
    """
    maps, x = {FROZEN_BLOCKS - 1: features}, features
    for number, block in enumerate(trunk._blocks[FROZEN_BLOCKS:], FROZEN_BLOCKS):
        x = block(x)
        maps[number] = x
    return TrunkMaps([maps[number] for number in TAPS], x)


def class_logits(trunk: Any, last: torch.Tensor) -> torch.Tensor:
    """ImageNet logits (B, h, w, 1000) at each cell of an EfficientNet-Lite0's last map (B, 320, h, w)."""
    return trunk._fc(trunk._swish(trunk._bn1(trunk._conv_head(last))).permute(0, 2, 3, 1))
