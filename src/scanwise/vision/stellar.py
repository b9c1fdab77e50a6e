"""A trunk without labels: what STELLAR's network says of each patch of a picture, for an encoder that is then aligned
with texts (GeoPurify's, say). It is no `Vision` by itself, as it knows no words.

    trunk = scanwise.methods.stellar.read_trunk(Path("out/stellar-cifar-tiny"))
    trunk.encode_image(image)                # uint8 (H, W, 3) -> float32 (C, h, w)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from PIL import Image

from scanwise.nn.sparse_tokens import SparseTokens

LONGEST_SHAPE = 4  # longer strips than this ratio of sides are squeezed to it

Features = Literal["dense", "sparse"]


class StellarTrunk:
    """Frozen features of patches.

    Args:
        network: STELLAR's; it is put into evaluation mode.
        features: "dense" = U, each patch's own output; "sparse" = L S, what the tokens give back to each patch.
        side: pixels that the shorter side of a picture is scaled to; None = as many patches as the network was
            trained with.
        hashes: file name -> SHA-256 of the weights, for keys of caches.

    Attributes:
        dim: C, channels of a feature. model_hashes: as given.
    """

    def __init__(
        self, network: SparseTokens, features: Features = "dense", side: int | None = None,
        hashes: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        encoder = network.config.encoder
        self.network = network.eval().requires_grad_(False)
        self.features, self.patch, self.dim = features, encoder.patch, encoder.width
        self.side = encoder.image if side is None else side
        if self.side < self.patch:
            raise ValueError(f"side {self.side} is smaller than a patch, {self.patch} pixels")
        self.model_hashes = dict(hashes or {})

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> torch.Tensor:
        """uint8 (H, W, 3) -> float32 (C, h, w) on the CPU; cell (i, j) covers image rows [i H/h, (i+1) H/h)."""
        pixels = torch.from_numpy(scaled(image, self.patch, self.side))
        device = self.network.tokens.device
        encoded = self.network.encode(pixels.permute(2, 0, 1)[None].to(device).float() / 255)
        values = encoded.dense if self.features == "dense" else self.network.product(encoded)
        rows, columns = (length // self.patch for length in pixels.shape[:2])
        return values[0].float().cpu().T.reshape(self.dim, rows, columns).clone()


def scaled(image: np.ndarray, patch: int, side: int) -> np.ndarray:
    """uint8 (H, W, 3) of whole patches, its shorter side about `side`, its longer at most 4 times that."""
    picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
    shorter = max(round(side / patch), 1)
    factor = shorter / min(picture.size)
    width, height = (min(round(length * factor), LONGEST_SHAPE * shorter) * patch for length in picture.size)
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0))
