"""Point Transformer V3: attention within patches of space-filling curves.

Wu et al., "Point Transformer V3: Simpler, Faster, Stronger" (CVPR 2024, arXiv 2312.10035); the encoder in the form of
Sonata (CVPR 2025, arXiv 2503.16429), whose pooling and embedding have LayerNorm, and whose features are up-cast.

Shapes: N voxels of a flat batch of clouds, C channels, H heads, K voxels a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from scanwise.nn.patches import Level, Patches
from scanwise.nn.serialize import MAX_DEPTH, ORDERS, depth_of, encode_all
from scanwise.nn.sparse import SparsePool3d, SparseTensor, SubmanifoldConv3d


@dataclass(frozen=True)
class PTv3Config:
    """What a network looks like; the tuples have a value for each stage, finest first.

    Attributes:
        in_channels: of the input features.
        depths: blocks of each encoder stage; each stage but the first has stride 2 to the one before.
        channels: of each encoder stage.
        heads: attention heads of each encoder stage.
        patch: voxels that attend to each other.
        decoder_depths: blocks of each decoder stage, finest first, one value less; () = no decoder.
        decoder_channels: likewise.
        decoder_heads: likewise.
        mlp_ratio: hidden channels of the MLP over those of the stage.
        drop_path: share of residual branches left out in training at the deepest block, rising from 0.
        mask_token: a learned vector stands for input features that are masked.
        shuffle_orders: in training, the four curves are drawn anew at each stage.
        official: the official code's quirks: the curves' depth and the patch depend on the whole batch.
    """

    in_channels: int = 6
    depths: tuple[int, ...] = (2, 2, 3, 2)
    channels: tuple[int, ...] = (32, 64, 96, 160)
    heads: tuple[int, ...] = (2, 4, 6, 10)
    patch: int = 128
    decoder_depths: tuple[int, ...] = ()
    decoder_channels: tuple[int, ...] = ()
    decoder_heads: tuple[int, ...] = ()
    mlp_ratio: float = 4.0
    drop_path: float = 0.0
    mask_token: bool = False
    shuffle_orders: bool = True
    official: bool = False

    def __post_init__(self) -> None:
        stages = len(self.depths)
        if not stages == len(self.channels) == len(self.heads):
            raise ValueError("depths, channels and heads of an encoder must be as many")
        decoder = {len(self.decoder_depths), len(self.decoder_channels), len(self.decoder_heads)}
        if decoder not in ({0}, {stages - 1}):
            raise ValueError(f"a decoder has {stages - 1} depths, channels and heads, or none of them")


SIZES: dict[str, PTv3Config] = {
    "tiny": PTv3Config(depths=(1, 1, 2, 1), channels=(24, 48, 72, 96), heads=(2, 4, 6, 8)),
    "small": PTv3Config(),
    "base": PTv3Config(
        depths=(2, 2, 2, 6, 2), channels=(32, 64, 128, 256, 512), heads=(2, 4, 8, 16, 32), patch=1024, drop_path=0.3
    ),
    "sonata": PTv3Config(
        in_channels=9,
        depths=(3, 3, 3, 12, 3),
        channels=(48, 96, 192, 384, 512),
        heads=(3, 6, 12, 24, 32),
        patch=1024,
        drop_path=0.3,
        mask_token=True,
    ),
}
"""Encoders by size; add a decoder with `with_decoder`."""


def with_decoder(config: PTv3Config, depth: int = 1) -> PTv3Config:
    """The same encoder with a light decoder: `depth` blocks a stage, channels as in the encoder."""
    stages = len(config.depths) - 1
    return replace(
        config,
        decoder_depths=(depth,) * stages,
        decoder_channels=config.channels[:-1],
        decoder_heads=config.heads[:-1],
    )


class PointTransformerV3(nn.Module):
    """The network: an encoder that gives its levels, and a decoder where the configuration has one.

    Example:
        >>> network = PointTransformerV3(SIZES["small"])
        >>> levels = network(SparseTensor(coords, feats, batch))  # finest first
        >>> features = upcast(levels)  # (N, sum of the coarsest channels)

    Args:
        config: what it looks like.
    """

    def __init__(self, config: PTv3Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.in_channels, config.channels[0], mask_token=config.mask_token)
        rates = torch.linspace(0, config.drop_path, sum(config.depths)).split(list(config.depths))
        self.stages = nn.ModuleList(
            Stage(
                _Shape(config, channels, heads),
                rate.tolist(),
                pool_from=None if stage == 0 else config.channels[stage - 1],
            )
            for stage, (channels, heads, rate) in enumerate(zip(config.channels, config.heads, rates, strict=True))
        )
        below = [*config.decoder_channels[1:], config.channels[-1]] if config.decoder_channels else []
        self.decoder = nn.ModuleList(
            DecoderStage(_Shape(config, channels, heads), depth, below[stage], config.channels[stage])
            for stage, (depth, channels, heads) in enumerate(
                zip(config.decoder_depths, config.decoder_channels, config.decoder_heads, strict=True)
            )
        )

    def forward(
        self,
        voxels: SparseTensor,
        *,
        masked: torch.Tensor | None = None,
        orders: Sequence[Sequence[int]] | None = None,
    ) -> list[Level]:
        """Encodes a batch.

        Args:
            voxels: `coords` below 2^16 voxels in extent for each cloud, rows cloud by cloud, no voxel twice.
            masked: (N,) bool, voxels whose features the mask token replaces.
            orders: for each stage, the four orders' permutation; None = drawn in training, as they are otherwise.

        Returns:
            The levels, finest first.
        """
        level = self._level(voxels, self.embedding(voxels.feats, masked), self._order(orders, 0))
        levels: list[Level] = []
        for number, stage in enumerate(self.stages):
            if number:
                level = self._pooled(levels[-1], cast(Stage, stage).pool, self._order(orders, number))
            level.voxels = stage(level)
            levels.append(level)
        return levels

    def decode(self, levels: list[Level]) -> torch.Tensor:
        """Features (N, decoder_channels[0]) of the finest level, from all levels."""
        feats = levels[-1].feats
        for number in range(len(self.decoder) - 1, -1, -1):
            feats = self.decoder[number](levels[number], feats)
        return feats

    def _order(self, orders: Sequence[Sequence[int]] | None, stage: int) -> list[int]:
        if orders is not None:
            return list(orders[stage])
        if self.training and self.config.shuffle_orders:
            return torch.randperm(len(ORDERS)).tolist()
        return list(range(len(ORDERS)))

    def _level(self, voxels: SparseTensor, feats: torch.Tensor, order: list[int]) -> Level:
        """Serialises voxels."""
        grid = voxels.coords.long()
        if not self.config.official:
            # So that a cloud's features depend neither on where it lies nor on its batch mates.
            low = grid.new_zeros((voxels.cache.clouds, 3))
            cloud = voxels.batch.long()
            low.scatter_reduce_(0, cloud[:, None].expand(-1, 3), grid, "amin", include_self=False)
            grid = grid - low[cloud]
        depth = depth_of(grid) if self.config.official else MAX_DEPTH
        curves = torch.argsort(encode_all(grid, voxels.batch, depth), dim=1)
        return Level(voxels.replace(feats), [curves[index] for index in order])

    def _pooled(self, level: Level, pool: Pooling | None, order: list[int]) -> Level:
        assert pool is not None
        voxels, level.parent = pool(level.voxels)
        return self._level(voxels, voxels.feats, order)


class Embedding(nn.Module):
    """Features (N, in) to (N, out): linear, LayerNorm, GELU; masked rows become a learned vector.

    Args:
        in_channels: in.
        out_channels: out.
        mask_token: whether there is such a vector.
    """

    def __init__(self, in_channels: int, out_channels: int, *, mask_token: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)
        self.norm = nn.LayerNorm(out_channels)
        self.mask_token = nn.Parameter(torch.zeros(1, out_channels)) if mask_token else None

    def forward(self, feats: torch.Tensor, masked: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, in) -> (N, out); `masked` (N,) bool says which rows the mask token replaces.

        Raises:
            ValueError: rows are masked, and there is no mask token.
        """
        feats = functional.gelu(self.norm(self.linear(feats)))
        if masked is None:
            return feats
        if self.mask_token is None:
            raise ValueError("this network has no mask token; configure it with mask_token=True")
        return torch.where(masked[:, None], self.mask_token.to(feats.dtype), feats)


@dataclass(frozen=True)
class _Shape:
    """What the blocks of one stage share."""

    config: PTv3Config
    channels: int
    heads: int


class Stage(nn.Module):
    """Pooling from the finer stage, then blocks that take the four orders in turn."""

    def __init__(self, shape: _Shape, drop_path: Sequence[float], pool_from: int | None) -> None:
        super().__init__()
        self.pool = None if pool_from is None else Pooling(pool_from, shape.channels)
        self.blocks = nn.ModuleList(Block(shape, rate) for rate in drop_path)

    def forward(self, level: Level) -> SparseTensor:
        """The level's voxels with the features (N, C) after all blocks."""
        voxels = level.voxels
        for number, block in enumerate(self.blocks):
            voxels = block(voxels, level, number % len(ORDERS))
        return voxels


class DecoderStage(nn.Module):
    """Coarser features brought to this level and added to the encoder's, then blocks."""

    def __init__(self, shape: _Shape, depth: int, below: int, skip: int) -> None:
        super().__init__()
        self.up = _projection(below, shape.channels)
        self.skip = _projection(skip, shape.channels)
        self.blocks = nn.ModuleList(Block(shape, 0.0) for _ in range(depth))

    def forward(self, level: Level, coarser: torch.Tensor) -> torch.Tensor:
        """Features (N', below) of the next coarser level -> (N, C)."""
        assert level.parent is not None
        voxels = level.voxels.replace(self.skip(level.feats) + rows_of(self.up(coarser), level.parent))
        for number, block in enumerate(self.blocks):
            voxels = block(voxels, level, number % len(ORDERS))
        return voxels.feats


def _projection(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_channels, out_channels), nn.LayerNorm(out_channels), nn.GELU())


class Pooling(nn.Module):
    """Pooling of stride 2: the maximum of their children's projected features, LayerNorm, GELU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)
        self.norm = nn.LayerNorm(out_channels)

        self.pool = SparsePool3d("max")

    def forward(self, voxels: SparseTensor) -> tuple[SparseTensor, torch.Tensor]:
        """The coarser voxels, sorted by (cloud, x, y, z), and (N,) the row of each finer one's parent."""
        pooled = self.pool(voxels.replace(self.linear(voxels.feats)))
        parent = voxels.cache.strided(voxels.level).parents
        return pooled.replace(functional.gelu(self.norm(pooled.feats))), parent


class Block(nn.Module):
    """x += LN(Linear(conv(x))); x += attention(LN(x)); x += MLP(LN(x))."""

    def __init__(self, shape: _Shape, drop_path: float) -> None:
        super().__init__()
        channels = shape.channels
        self.config = shape.config
        self.position = SubmanifoldConv3d(channels, channels, 3, bias=True)
        self.position_linear = nn.Linear(channels, channels)
        self.position_norm = nn.LayerNorm(channels)
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = PatchAttention(channels, shape.heads)
        self.mlp_norm = nn.LayerNorm(channels)
        hidden = int(channels * shape.config.mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.drop_path = drop_path

    def forward(self, voxels: SparseTensor, level: Level, order: int) -> SparseTensor:
        """The voxels of a level with new features (N, C); attention is within patches of curve `order`."""
        feats = voxels.feats
        position = self.position(voxels).feats
        feats = feats + self.position_norm(self.position_linear(position))
        patches = level.patches_of(order, self.config.patch, official=self.config.official)
        feats = feats + self._dropped(self.attention(self.attention_norm(feats), patches), voxels)
        feats = feats + self._dropped(self.mlp(self.mlp_norm(feats)), voxels)
        return voxels.replace(feats)

    def _dropped(self, branch: torch.Tensor, voxels: SparseTensor) -> torch.Tensor:
        """Stochastic depth: in training, whole clouds do without the branch now and then."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        kept = torch.rand(voxels.cache.clouds, 1, device=branch.device) < keep
        return branch * (kept.to(branch.dtype) / keep)[voxels.batch.long()]


class PatchAttention(nn.Module):
    """Multi-head attention among the voxels of each patch."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be split among {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, feats: torch.Tensor, patches: Patches) -> torch.Tensor:
        """Features (N, C) -> (N, C)."""
        count, size = patches.rows.shape
        qkv = rows_of(self.qkv(feats), patches.rows.flatten())
        query, key, value = qkv.view(count, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if patches.valid is None else patches.valid[:, None, None, :]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.project(rows_of(mixed.transpose(1, 2).reshape(count * size, -1), patches.inverse))


def rows_of(feats: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """`feats[rows]`, but with a gradient that is the same at every run: indexing adds it up in any order."""
    return torch.index_select(feats, 0, rows)


def upcast(levels: Sequence[Level], concatenated: int = 2) -> torch.Tensor:
    """Multi-scale features of the finest voxels (Sonata, section 3.3).

    Args:
        levels: of the encoder, finest first.
        concatenated: merges, from the coarsest on, that put the finer features beside the coarser; the rest of the
            way the coarser are copied.

    Returns:
        (N, C): for two merges of channels (..., b, c, d), C = b + c + d.
    """
    feats = levels[-1].feats
    for merge, level in enumerate(reversed(levels[:-1])):
        assert level.parent is not None
        up = rows_of(feats, level.parent)
        feats = torch.cat([level.feats, up], 1) if merge < concatenated else up
    return feats


def upcast_channels(config: PTv3Config, concatenated: int = 2) -> int:
    """Channels of `upcast`."""
    return sum(config.channels[-1 - min(concatenated, len(config.channels) - 1) :])
