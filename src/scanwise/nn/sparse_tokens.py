"""Images as a few tokens that know what, and a map that knows where: STELLAR's network (arXiv 2602.01905).

The dense outputs U (n, D) of a ViT and the outputs S (r, D) of r learned tokens that it read beside the patches are
factorised: each patch distributes itself over the tokens, L = softmax(cos(W_d U, W_s S) / 0.06), and the image is
the low-rank product L S, from which a small transformer reconstructs pixels, or codes of a frozen tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import nn
from torch.nn import functional

from scanwise.nn.heads import ClusterHead
from scanwise.nn.vit import Encoded, Transformer, ViT, ViTConfig, initialise


class Tokenizer(Protocol):
    """A frozen model that says images in whole numbers, on the same grid as the patches.

    Attributes:
        codes: how many there are.
    """

    @property
    def codes(self) -> int:
        """How many there are."""
        ...

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, 3, H, W) in [0, 1] -> (B, n) int64 codes, row by row."""
        ...

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, n) of a square grid -> (B, 3, H, W) in [0, 1]."""
        ...


@dataclass(frozen=True)
class TokenConfig:
    """Shape of the network.

    Attributes:
        encoder: the ViT.
        tokens: r; 0 = every patch is a token of its own, and nothing is factorised.
        bottleneck: what is reconstructed from, the product L S or (the isolation) the dense U.
        temperature: of L.
        codes: of the tokenizer whose codes are reconstructed; 0 = pixels.
        decoder_width: channels of the transformer that reconstructs.
        decoder_depth: its blocks.
        decoder_heads: its attention heads.
        decoder_mlp: its channels inside a block's MLP.
        prototypes: K, of the two cluster heads.
        prototype_width: channels of a prototype.
        predictor: hidden channels of the cluster heads.
        unit_prototypes: prototypes have length 1; those of published weights and of earlier runs, which do not say,
            are free.
    """

    encoder: ViTConfig = field(default_factory=ViTConfig)
    tokens: int = 16
    bottleneck: Literal["sparse", "dense"] = "sparse"
    temperature: float = 0.06
    codes: int = 0
    decoder_width: int = 512
    decoder_depth: int = 6
    decoder_heads: int = 8
    decoder_mlp: int = 2048
    prototypes: int = 16384
    prototype_width: int = 256
    predictor: int = 2048
    unit_prototypes: bool = False


def token_config(stored: Mapping[str, Any]) -> TokenConfig:
    """A shape as `dataclasses.asdict` and JSON leave it."""
    return TokenConfig(**{**stored, "encoder": ViTConfig(**stored["encoder"])})


class FourierPositions(nn.Module):
    """A code of (C,) for each cell of a grid: sines and cosines of C/2 random waves at the cells' centres.

    Args:
        channels: C, even.
    """

    matrix: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.randn(2, channels // 2))

    def forward(self, rows: int, columns: int) -> torch.Tensor:
        """Codes (rows * columns, C), row by row."""
        x = (2 * torch.arange(columns, device=self.matrix.device) + 1) / columns - 1
        y = (2 * torch.arange(rows, device=self.matrix.device) + 1) / rows - 1
        centers = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).flatten(0, 1)
        angles = 2 * math.pi * centers.to(self.matrix.dtype) @ self.matrix
        return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


class PatchDecoder(nn.Module):
    """A vector a patch -> pixels (B, 3, H, W), or logits of codes (B, n, codes). From any features: also a probe.

    Args:
        channels: C of the vectors.
        width: channels of the transformer.
        depth: blocks.
        heads: attention heads.
        mlp: channels inside a block's MLP.
        patch: side of a patch, pixels.
        codes: of the tokenizer; 0 = pixels.
    """

    def __init__(
        self, channels: int, width: int, depth: int, heads: int, mlp: int, *, patch: int, codes: int = 0
    ) -> None:
        super().__init__()
        self.project = nn.Linear(channels, width)
        self.positions = FourierPositions(width)
        self.transformer = Transformer(width, depth, heads, mlp)
        self.head: nn.Module = nn.Linear(width, codes) if codes else nn.ConvTranspose2d(width, 3, patch, patch)
        self.codes = codes
        initialise(self)

    def forward(self, features: torch.Tensor, grid: tuple[int, int] | None = None) -> torch.Tensor:
        """Decodes features.

        Args:
            features: (B, n, C), row by row.
            grid: rows and columns of the patches; None = a square.
        """
        rows, columns = grid or (math.isqrt(features.shape[1]),) * 2
        decoded = self.transformer(self.project(features) + self.positions(rows, columns))
        if self.codes:
            return self.head(decoded)
        return self.head(decoded.transpose(1, 2).unflatten(2, (rows, columns)))


class SparseTokens(nn.Module):
    """Encoder with sparse tokens, factorisation, decoder, cluster heads.

        encoded = network.encode(images)           # images (B, 3, H, W) in [0, 1]
        encoded.sparse                             # S (B, r, D): what
        network.spatial(encoded)                   # L (B, n, r): where; each row sums to 1
        network.reconstruct(images)                # (B, 3, H, W), not clipped

    Args:
        config: shape of the network.

    Attributes:
        config: as given.
        encoder: the ViT.
        tokens: (r, D) that are learned.
        decoder: L S, or U -> pixels or codes.
        token_head: tokens -> logits of prototypes.
        cls_head: CLS -> logits of prototypes.
    """

    def __init__(self, config: TokenConfig) -> None:
        super().__init__()
        self.config = config
        width = config.encoder.width
        self.encoder = ViT(config.encoder)
        self.tokens = nn.Parameter(torch.zeros(config.tokens, width))
        nn.init.trunc_normal_(self.tokens, std=0.02)
        self.dense_project = nn.Linear(width, width)
        self.sparse_project = nn.Linear(width, width)
        self.decoder = PatchDecoder(
            width, config.decoder_width, config.decoder_depth, config.decoder_heads, config.decoder_mlp,
            patch=config.encoder.patch, codes=config.codes,
        )  # fmt: skip
        self.token_head, self.cls_head = (
            ClusterHead(width, config.predictor, config.prototype_width, config.prototypes, unit=config.unit_prototypes)
            for _ in range(2)
        )

    def encode(self, images: torch.Tensor, keep: torch.Tensor | None = None) -> Encoded:
        """Encodes images; where every patch is a token, `sparse` is `dense`.

        Args:
            images: (B, 3, H, W) in [0, 1].
            keep: (B, k) int64 patches to see, counted row by row; None = all.
        """
        encoded = self.encoder(images, keep=keep, extra=self.tokens)
        return encoded if self.config.tokens else Encoded(encoded.cls, encoded.dense, encoded.dense)

    def spatial(self, encoded: Encoded) -> torch.Tensor:
        """L (B, n, r): how each patch distributes itself over the tokens."""
        if not self.config.tokens:
            patches = encoded.dense.shape[1]
            return torch.eye(patches, device=encoded.dense.device).expand(len(encoded.dense), -1, -1)
        dense = functional.normalize(self.dense_project(encoded.dense), dim=-1)
        sparse = functional.normalize(self.sparse_project(encoded.sparse), dim=-1)
        return (dense @ sparse.transpose(1, 2) / self.config.temperature).softmax(-1)

    def product(self, encoded: Encoded) -> torch.Tensor:
        """L S (B, n, D)."""
        return self.spatial(encoded) @ encoded.sparse if self.config.tokens else encoded.dense

    def decode(self, encoded: Encoded, grid: tuple[int, int] | None = None) -> torch.Tensor:
        """Pixels (B, 3, H, W), not clipped, or logits of codes (B, n, codes); `grid` as of PatchDecoder."""
        return self.decoder(self.product(encoded) if self.config.bottleneck == "sparse" else encoded.dense, grid)

    def reconstruct(self, images: torch.Tensor, tokenizer: Tokenizer | None = None) -> torch.Tensor:
        """Images from the bottleneck.

        Args:
            images: (B, 3, H, W) in [0, 1].
            tokenizer: of a network of codes, the one that they are of.

        Returns:
            (B, 3, H, W), not clipped.

        Raises:
            ValueError: a network of codes, and no tokenizer.
        """
        patch = self.config.encoder.patch
        decoded = self.decode(self.encode(images), (images.shape[2] // patch, images.shape[3] // patch))
        if not self.config.codes:
            return decoded
        if tokenizer is None:
            raise ValueError("this network reconstructs codes: give the tokenizer that turns them into pixels")
        return tokenizer.decode(decoded.argmax(-1))
