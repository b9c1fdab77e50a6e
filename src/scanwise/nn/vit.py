"""A Vision Transformer that can see some patches only, images of any size, and tokens of its own beside the patches.

Dosovitskiy et al., "An Image is Worth 16x16 Words" (ICLR 2021, arXiv 2010.11929): pre-norm blocks, GELU. Layer norms
have the epsilon 1e-12 of the published ViT weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

EPSILON = 1e-12
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@dataclass(frozen=True)
class ViTConfig:
    """Shape of a Vision Transformer.

    Attributes:
        image: side of the images that it has positions for, in pixels; others get interpolated positions.
        patch: side of a patch in pixels.
        width: channels D.
        depth: blocks.
        heads: of attention, a divisor of `width`.
        mlp: channels inside a block's MLP.
    """

    image: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp: int = 3072

    @property
    def grid(self) -> int:
        """Patches along a side of an image of its own size."""
        return self.image // self.patch


SIZES = {
    "nano": ViTConfig(image=32, patch=4, width=96, depth=4, heads=3, mlp=192),
    "tiny": ViTConfig(image=32, patch=4, width=192, depth=6, heads=3, mlp=384),
    "small": ViTConfig(width=384, heads=6, mlp=1536),
    "base": ViTConfig(),
    "large": ViTConfig(width=1024, depth=24, heads=16, mlp=4096),
    "huge": ViTConfig(patch=14, width=1280, depth=32, heads=16, mlp=5120),
}


class Attention(nn.Module):
    """Multi-head self-attention over (B, n, D).

    Args:
        width: D.
        heads: a divisor of D.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, n, D) -> (B, n, D)."""
        query, key, value = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.project(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then MLP, each behind a layer norm and added to what came in.

    Args:
        width: D.
        heads: a divisor of D.
        mlp: channels inside the MLP.
    """

    def __init__(self, width: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, EPSILON)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, EPSILON)
        self.mlp = nn.Sequential(nn.Linear(width, mlp), nn.GELU(), nn.Linear(mlp, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, n, D) -> (B, n, D)."""
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))


class Transformer(nn.Module):
    """Blocks and a last layer norm.

    Args:
        width: D.
        depth: blocks.
        heads: a divisor of D.
        mlp: channels inside a block's MLP.
    """

    def __init__(self, width: int, depth: int, heads: int, mlp: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(depth))
        self.norm = nn.LayerNorm(width, EPSILON)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(B, n, D) -> (B, n, D)."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


@dataclass
class Encoded:
    """What images became.

    Attributes:
        cls: (B, D).
        dense: (B, n, D), one for each patch seen, in the order seen.
        sparse: (B, r, D), the extra tokens.
    """

    cls: torch.Tensor
    dense: torch.Tensor
    sparse: torch.Tensor


class ViT(nn.Module):
    """Images -> CLS, a vector a patch, and a vector for each extra token.

        encoded = ViT(SIZES["tiny"])(images)                   # images (B, 3, H, W) in [0, 1]
        encoded = vit(images, keep=masks.kept(noise, 0.8))     # some patches only
        encoded = vit(images, extra=tokens)                    # (r, D) tokens that take part in every attention

    Mean and deviation of ImageNet's colours are applied inside.

    Args:
        config: shape of the network.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = nn.Conv2d(3, config.width, config.patch, config.patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, config.width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + config.grid**2, config.width))
        self.transformer = Transformer(config.width, config.depth, config.heads, config.mlp)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        initialise(self)
        nn.init.trunc_normal_(self.cls, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(
        self, images: torch.Tensor, *, keep: torch.Tensor | None = None, extra: torch.Tensor | None = None
    ) -> Encoded:
        """Encodes images.

        Args:
            images: (B, 3, H, W) in [0, 1], H and W multiples of the patch.
            keep: (B, k) int64 patches to see, counted row by row; None = all.
            extra: (r, D) tokens that take part in every attention; None = none.
        """
        tokens = self.embed(images)
        if keep is not None:
            seen = tokens[:, 1:].gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[2]))
            tokens = torch.cat([tokens[:, :1], seen], 1)
        patches = tokens.shape[1] - 1
        if extra is not None:
            tokens = torch.cat([tokens, extra.expand(len(tokens), -1, -1)], 1)
        tokens = self.transformer(tokens)
        return Encoded(tokens[:, 0], tokens[:, 1 : 1 + patches], tokens[:, 1 + patches :])

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """CLS and patches, with positions: (B, 3, H, W) -> (B, 1 + n, D)."""
        patches = self.patches((images - self.mean) / self.std)
        rows, columns = patches.shape[2:]
        cls = self.cls.expand(len(images), -1, -1)
        return torch.cat([cls, patches.flatten(2).transpose(1, 2)], 1) + self._positions(rows, columns)

    def _positions(self, rows: int, columns: int) -> torch.Tensor:
        """Those learned, or interpolated to another grid; CLS keeps its own."""
        side = self.config.grid
        if (rows, columns) == (side, side):
            return self.positions
        return resized_positions(self.positions, (rows, columns))


def resized_positions(positions: torch.Tensor, grid: int | tuple[int, int]) -> torch.Tensor:
    """Positions (1, 1 + s^2, D) of CLS and a square of patches for another grid: CLS keeps its own.

    Args:
        positions: as learned.
        grid: rows and columns, or the side of a square.
    """
    side = math.isqrt(positions.shape[1] - 1)
    size = (grid, grid) if isinstance(grid, int) else grid
    if size == (side, side):
        return positions
    learned = positions[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    learned = functional.interpolate(learned, size=size, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], learned.flatten(2).transpose(1, 2)], 1)


def initialise(module: nn.Module) -> None:
    """Linear and patch layers of a fresh network: normal of deviation 0.02, biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
