"""A picture's places in the space of sentence embeddings, from the patches of a frozen STELLAR network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from scanwise.nn.pixel_text import STRIDE, WIDTH, PlaceText, Seen, Separable
from scanwise.nn.sparse_tokens import SparseTokens

SHRINK = 2  # pictures are halved first: the network was trained on small ones


class PatchText(PlaceText):
    """Upon features that were learned without any label and stay as they are: the dense U beside the product L S.

    Args:
        network: STELLAR's; 2 * its patch divides 32 pixels.
    """

    def __init__(self, network: SparseTokens) -> None:
        super().__init__(network.eval().requires_grad_(False))
        self.stride = SHRINK * network.config.encoder.patch
        self.lateral = nn.Conv2d(2 * network.config.encoder.width, WIDTH, 1)
        self.smooth = nn.ModuleList([Separable(WIDTH) for _ in range(3)])

    def early(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, H, W), sides multiples of 32 -> (B, 2 D, h, w), one place a patch."""
        pixels = functional.avg_pool2d(images.float() / 255, SHRINK)
        rows, columns = (length // self.stride for length in images.shape[2:])
        with torch.no_grad():
            encoded = self.trunk.encode(pixels)
            both = torch.cat([encoded.dense, self.trunk.product(encoded)], 2)
        return both.transpose(1, 2).unflatten(2, (rows, columns))

    def see(self, early: torch.Tensor) -> Seen:
        """There is no more than `early`."""
        return Seen([early], early)

    def pyramid(self, seen: Seen) -> torch.Tensor:
        """(B, 96, H/4, W/4) features."""
        x = self.lateral(functional.layer_norm(seen.last.movedim(1, 3), seen.last.shape[1:2]).movedim(3, 1))
        for smooth in self.smooth:
            x = smooth(x)
        return functional.interpolate(x, scale_factor=self.stride / STRIDE, mode="bilinear", align_corners=False)
