"""A trunk without labels: what STELLAR's network says of each patch of an image.

    trunk = scanwise.methods.stellar.load_trunk(Path("stellar-small"))
    trunk.encode_image(image)                # uint8 (H, W, 3) -> float32 (C, h, w)

It knows no words, and so is no `Vision` by itself; `PatchTextEncoder` is aligned with texts upon it (`scanwise train
vision`), and `vision.rooms` takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scanwise.errors import InputError
from scanwise.nn.dense_text import DIVISOR, STRIDE, WIDTH, DenseTextEncoder, SeparableBlock, TrunkMaps
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.vision.resize import resize

SHRINK = 2  # images are halved before PatchTextEncoder: the network was trained on small ones

Features = Literal["dense", "sparse", "both"]


class StellarTrunk:
    """Frozen features of patches.

    Args:
        network: STELLAR's; it is put into evaluation mode.
        features: "dense" = U, each patch's own output; "sparse" = L S, what the tokens give back to each patch;
            "both" = one after the other.
        side: pixels that the shorter side of an image is scaled to; None = as many patches as the network was
            trained with.
        hashes: file name -> SHA-256 of the weights, for keys of caches.

    Attributes:
        dim: C, channels of a feature.
        model_hashes: as given.

    Raises:
        ValueError: `side` is smaller than a patch.
    """

    def __init__(
        self, network: SparseTokens, features: Features = "dense", side: int | None = None,
        hashes: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        encoder = network.config.encoder
        self.network = network.eval().requires_grad_(False)
        self.features, self.patch = features, encoder.patch
        self.dim = encoder.width * (2 if features == "both" else 1)
        self.side = encoder.image if side is None else side
        if self.side < self.patch:
            raise ValueError(f"side {self.side} is smaller than a patch, {self.patch} pixels")
        self.model_hashes = dict(hashes or {})

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """Image, uint8 (H, W, 3) -> float32 (C, h, w) on the CPU; cell (i, j) covers rows [i H/h, (i+1) H/h)."""
        pixels = torch.from_numpy(resize(image, self.side, multiple=self.patch))
        device = self.network.tokens.device
        image01 = pixels.permute(2, 0, 1)[None].to(device).float() / 255
        return patch_features(self.network, image01, self.features)[0].float().cpu().clone()


def patch_features(network: SparseTokens, images: torch.Tensor, features: Features) -> torch.Tensor:
    """Features of patches as a map.

    Args:
        network: STELLAR's.
        images: (B, 3, H, W) in [0, 1], sides multiples of the patch.
        features: as of `StellarTrunk`.

    Returns:
        (B, C, h, w), a cell a patch; C as of `StellarTrunk`.
    """
    encoded = network.encode(images)
    parts = [] if features == "sparse" else [encoded.dense]
    if features != "dense":
        parts.append(network.product(encoded))
    rows, columns = (length // network.config.encoder.patch for length in images.shape[2:])
    return torch.cat(parts, 2).transpose(1, 2).unflatten(2, (rows, columns))


class PatchTextEncoder(DenseTextEncoder):
    """Embeddings upon features that were learned without any label and stay as they are.

    Args:
        network: STELLAR's.

    Raises:
        InputError: twice its patch does not divide 32 pixels.
    """

    def __init__(self, network: SparseTokens) -> None:
        super().__init__(network.eval().requires_grad_(False))
        self.stride = SHRINK * network.config.encoder.patch
        if DIVISOR % self.stride:
            raise InputError(f"a trunk with patches of {self.stride // SHRINK} pixels; they must be 2, 4, 8 or 16")
        self.lateral = nn.Conv2d(2 * network.config.encoder.width, WIDTH, 1)
        self.smooth = nn.ModuleList([SeparableBlock(WIDTH) for _ in range(3)])

    def frozen_features(self, images: torch.Tensor) -> torch.Tensor:
        """The whole trunk: uint8 (B, 3, H, W), sides multiples of 32 -> (B, 2 D, h, w), a cell a patch."""
        with torch.no_grad():
            return patch_features(self.trunk, functional.avg_pool2d(images.float() / 255, SHRINK), "both")

    def trunk_maps(self, features: torch.Tensor) -> TrunkMaps:
        """There is no more than the frozen features."""
        return TrunkMaps([features], features)

    def pyramid(self, maps: TrunkMaps) -> torch.Tensor:
        """Features (B, 96, H/4, W/4)."""
        x = self.lateral(functional.layer_norm(maps.last.movedim(1, 3), maps.last.shape[1:2]).movedim(3, 1))
        for smooth in self.smooth:
            x = smooth(x)
        return functional.interpolate(x, scale_factor=self.stride / STRIDE, mode="bilinear", align_corners=False)
