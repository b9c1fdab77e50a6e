"""A picture's places in the space of sentence embeddings: EfficientNet-Lite0 and a light feature pyramid."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

DIM = 384  # of MiniLM's sentence embeddings
WIDTH = 96  # channels of the pyramid
STRIDE = 4  # pixels between the places of its result
WHOLE = 32  # sides of pictures are multiples of it, pixels
TAPS = {2: 24, 4: 40, 10: 112, 15: 320}
"""Block of the trunk -> its channels, where the pyramid takes what it sees: strides 4, 8, 16 and 32."""
SHARED = 3  # first blocks, which stay as they are: what they see is the same in any picture


class Seen(NamedTuple):
    """What the trunk sees in pictures (B, 3, H, W): `maps`, those of TAPS; `last` (B, 320, H/32, W/32)."""

    maps: list[torch.Tensor]
    last: torch.Tensor


class PlaceText(nn.Module):
    """Pictures -> features of each fourth pixel, and those -> embeddings of length 1 that texts are compared with.

    Attributes:
        log_scale: () logarithm of the factor from cosines to logits. trunk: what was trained before.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.trunk = trunk
        self.embed = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, DIM))
        self.log_scale = nn.Parameter(torch.tensor(20.0).log())

    def early(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, H, W), sides multiples of 32 -> what the trunk's part that is not trained sees."""
        raise NotImplementedError

    def see(self, early: torch.Tensor) -> Seen:
        """The rest of the trunk."""
        raise NotImplementedError

    def pyramid(self, seen: Seen) -> torch.Tensor:
        """(B, 96, H/4, W/4) features."""
        raise NotImplementedError

    def embeddings(self, features: torch.Tensor) -> torch.Tensor:
        """(n, 96) -> (n, 384) of length 1."""
        return functional.normalize(self.embed(features), dim=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, H, W), sides multiples of 32 -> (B, 384, H/4, W/4), each place of length 1."""
        features = self.pyramid(self.see(self.early(images)))
        rows = features.permute(0, 2, 3, 1)
        return self.embeddings(rows.flatten(0, 2)).unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


class PixelText(PlaceText):
    """Upon ImageNet's features.

    Args:
        trunk: an EfficientNet-Lite0 whose batch norms are folded into its convolutions, with its ImageNet head.
    """

    def __init__(self, trunk: Any) -> None:
        super().__init__(trunk)
        self.lateral = nn.ModuleList([nn.Conv2d(channels, WIDTH, 1) for channels in TAPS.values()])
        self.context = nn.Conv2d(list(TAPS.values())[-1], WIDTH, 1)
        self.smooth = nn.ModuleList([Separable(WIDTH) for _ in TAPS])
        for module in (trunk._conv_stem, *trunk._blocks[:SHARED]):
            module.requires_grad_(False)

    def early(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, H, W), sides multiples of 32 -> (B, 24, H/4, W/4), the trunk's part that is not trained."""
        pixels = ((images.float() - 127) / 128).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            return early_blocks(self.trunk, pixels)

    def see(self, early: torch.Tensor) -> Seen:
        """The rest of the trunk."""
        return late_blocks(self.trunk, early)

    def pyramid(self, seen: Seen) -> torch.Tensor:
        """(B, 96, H/4, W/4) features: from the coarsest map to the finest, and of the whole picture."""
        x: torch.Tensor = self.context(seen.last.mean((2, 3), keepdim=True))
        for tap, lateral, smooth in reversed(list(zip(seen.maps, self.lateral, self.smooth, strict=True))):
            x = smooth(lateral(tap) + functional.interpolate(x, tap.shape[2:], mode="bilinear", align_corners=False))
        return x


class Separable(nn.Module):
    """A residual block: group norm, 5x5 depthwise convolution, 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.spread = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)"""
        return x + self.mix(functional.gelu(self.spread(self.norm(x))))


def early_blocks(trunk: Any, pixels: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) in -1..1 -> what the trunk's first blocks see."""
    x = trunk._swish(trunk._bn0(trunk._conv_stem(pixels)))
    for block in trunk._blocks[:SHARED]:
        x = block(x)
    return x


def late_blocks(trunk: Any, early: torch.Tensor) -> Seen:
    """What all its other blocks see."""
    maps, x = {SHARED - 1: early}, early
    for number, block in enumerate(trunk._blocks[SHARED:], SHARED):
        x = block(x)
        maps[number] = x
    return Seen([maps[number] for number in TAPS], x)


def class_logits(trunk: Any, last: torch.Tensor) -> torch.Tensor:
    """The trunk's own ImageNet logits (B, h, w, 1000) at each place of its last map."""
    return trunk._fc(trunk._swish(trunk._bn1(trunk._conv_head(last))).permute(0, 2, 3, 1))
