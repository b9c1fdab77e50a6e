"""facebookresearch/sonata: space-filling curves, the encoder, up-cast features, the decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from scanwise.interop import load_sonata
from scanwise.nn.patches import Level, Slots
from scanwise.nn.ptv3 import PointTransformerV3, upcast
from scanwise.nn.serialize import ORDERS, decode, depth_of, encode
from scanwise.nn.sparse import SparseTensor

Tensors = dict[str, torch.Tensor]
Found = Iterator[tuple[str, torch.Tensor]]


def serialization(tensors: Tensors, meta: dict[str, Any]) -> Found:
    for key in tensors:
        prefix, _, order = key.rpartition(".")
        if order not in ORDERS:
            continue
        grid, batch = tensors[f"{prefix}.grid"], tensors.get(f"{prefix}.batch")
        depth = 3 if prefix == "full8" else int(prefix.removeprefix("d"))
        codes = encode(grid, batch, order, depth)
        yield key, codes
        back, cloud = decode(codes, order, depth)
        yield f"{prefix}.grid", back
        yield f"{prefix}.batch", cloud


def sonata(tensors: Tensors, meta: dict[str, Any]) -> Found:
    weights = {key[3:]: value for key, value in tensors.items() if key.startswith("sd.")}
    config = meta["config"]["encoder"]
    network = load_sonata(weights, config)
    voxels = _voxels(tensors)
    with torch.no_grad():
        yield from _encoder(network, voxels, tensors)
        if "shuffled.perms" in tensors:
            yield from _shuffled(network, voxels, tensors["shuffled.perms"])
        if any(key.startswith("sd_dec.") for key in tensors):
            decoder = {key[7:]: value for key, value in tensors.items() if key.startswith("sd_dec.")}
            yield from _decoder(load_sonata(weights | decoder, config | meta["config"]["decoder"]), voxels)
        if "tiny.out" in tensors:
            some = slice(len(tensors["tiny.out"]))
            few = SparseTensor(voxels.coords[some], voxels.feats[some], voxels.batch[some])
            yield "tiny.out", upcast(network(few))


def _voxels(tensors: Tensors) -> SparseTensor:
    ends = tensors["in.offset"].long()
    batch = torch.repeat_interleave(torch.arange(len(ends)), torch.diff(ends, prepend=ends.new_zeros(1)))
    return SparseTensor(tensors["in.grid_coord"].long(), tensors["in.feat"], batch)


def _encoder(network: PointTransformerV3, voxels: SparseTensor, tensors: Tensors) -> Found:
    inner: Tensors = {}

    def keep(name: str, module: nn.Module) -> None:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            inner.setdefault(name, output.feats if isinstance(output, SparseTensor) else output)

        module.register_forward_hook(hook)

    keep("embedding", network.embedding)
    first, second = network.stages[0].blocks[0], network.stages[0].blocks[1]
    for name, module in (
        ("block00.cpe", first.position_norm), ("block00.attn", first.attention), ("block00.out", first),
        ("block01.out", second),
    ):  # fmt: skip
        keep(name, module)
    levels: list[Level] = network(voxels)
    for name, value in inner.items():
        yield f"enc_only.{name}", value
    coord = tensors.get("in.coord")
    for number, level in enumerate(levels):
        key = f"enc_only.enc{number}"
        grid, batch = level.voxels.coords, level.voxels.batch
        if number:
            parent = levels[number - 1].parent
            assert parent is not None
            yield f"{key}.pooling_inverse", parent
            if coord is not None:
                counts = torch.bincount(parent)
                coord = torch.zeros(len(counts), 3).index_add(0, parent, coord) / counts[:, None]
        yield f"{key}.feat", level.feats
        yield f"{key}.grid_coord", grid
        if coord is not None:
            yield f"{key}.coord", coord
        yield f"{key}.offset", torch.bincount(batch).cumsum(0)
        depth = depth_of(grid)
        yield f"{key}.depth", torch.tensor(depth)
        yield f"{key}.code", torch.stack([encode(grid, batch, order, depth) for order in ORDERS])
        yield f"{key}.order", torch.stack(level.curves)
    for number, stage in enumerate(list(network.stages)[1:], 1):
        pooled, _ = stage.pool(levels[number - 1].voxels)
        yield f"enc_only.enc{number}.pooled", pooled.feats
    yield "enc_only.upcast", upcast(levels)
    yield from _padding(levels[0], network.config.patch)


def _padding(level: Level, patch: int) -> Found:
    """The official padding as places along a curve: here the curve is the rows themselves."""
    rows = torch.arange(len(level.voxels))
    patches = Slots.of(level.voxels.batch, patch, official=True).filled(rows)
    size = patches.rows.shape[1]
    yield "pad.pad", patches.rows.flatten()
    yield "pad.unpad", patches.inverse
    yield "pad.cu_seqlens", torch.arange(0, patches.rows.numel() + 1, size)


def _shuffled(network: PointTransformerV3, voxels: SparseTensor, orders: torch.Tensor) -> Found:
    levels = network(voxels, orders=orders.tolist())
    yield "shuffled.perms", orders
    yield "shuffled.embedding", network.embedding(voxels.feats)
    for number, level in enumerate(levels):
        yield f"shuffled.enc{number}.feat", level.feats
    yield "shuffled.upcast", upcast(levels)


def _decoder(network: PointTransformerV3, voxels: SparseTensor) -> Found:
    levels = network(voxels)
    feats = levels[-1].feats
    for number in range(len(network.decoder) - 1, -1, -1):
        feats = network.decoder[number](levels[number], feats)
        yield f"enc_dec.dec{number}.feat", feats
    yield "enc_dec.out", network.decode(levels)
