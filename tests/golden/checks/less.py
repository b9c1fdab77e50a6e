"""mellody11/LESS: the whole forward, every level of the U-Net, the losses and their gradients, the IoU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from scanwise.evaluation.referring import mask_iou, mask_of
from scanwise.interop import load_less
from scanwise.methods.less.losses import area, point_contrast, weighted_bce
from scanwise.methods.less.model import LESS
from scanwise.methods.less.query_decoder import attention_mask, weigh
from scanwise.nn.sentence import TransformersEncoder, Words
from scanwise.nn.sparse import SparseTensor

Tensors = dict[str, torch.Tensor]
Found = Iterator[tuple[str, torch.Tensor]]


def less(tensors: Tensors, meta: dict[str, Any]) -> Found:
    if "f.logits" in tensors:
        yield from _losses(tensors, "f.", tensors["f.logits"], tensors["f.point_feats"], tensors["f.gt_mask"])
        yield from _iou(tensors["f.iou.logits"], tensors["f.iou.gt_mask"], "f.iou")
        for key in ("f.logits", "f.point_feats", "f.gt_mask", "f.iou.logits", "f.iou.gt_mask"):
            yield key, tensors[key]
    if "sd.query_decoder.query.weight" in tensors and "sd.input_conv.0.weight" in tensors:
        yield from _whole(tensors, meta)


def _whole(tensors: Tensors, meta: dict[str, Any]) -> Found:
    weights = {key[3:]: value for key, value in tensors.items() if key.startswith("sd.")}
    weights |= {key: value for key, value in tensors.items() if key.startswith("fuse.")}
    model = load_less(weights, meta["config"])
    for key in tensors:
        if key.startswith("fuse."):
            yield key, tensors[key]
        if key.startswith("eff1x1."):
            level = key.count("u.")
            block: Any = model.backbone.levels[level].decoder[0]
            yield key, block.skip.weight.flatten(1)
    points, rows = tensors["in.feats"], tensors["in.p2v_map"].long()
    voxel = tensors["in.voxel_coords"].long()
    counts = torch.bincount(rows, minlength=len(voxel))
    feats = torch.zeros(len(voxel), points.shape[1]).index_add(0, rows, points) / counts[:, None]
    yield "out.voxel_feats", feats
    with torch.no_grad():
        words = _words(model.text, tensors)
        yield "out.words", torch.cat([words.sentence[:, None], words.vectors], 1)
        inner = _watched(model, tensors)
        replies = model(SparseTensor(voxel[:, 1:], feats, voxel[:, 0]), words, of_point=rows)
        yield from inner.items()
        yield from _queries(model, replies, words)
    logits = torch.stack([reply.logits for reply in replies])
    seen_points = torch.stack([reply.feats for reply in replies])
    yield "out.point_feats", seen_points
    yield "out.logits", logits
    yield from _losses(tensors, "", tensors["out.logits"], tensors["out.point_feats"], tensors["in.gt_mask"])
    yield from _iou(logits, tensors["in.gt_mask"], "iou")


def _words(text: nn.Module, tensors: Tensors) -> Words:
    assert isinstance(text, TransformersEncoder)
    mask = tensors["in.attention_mask"]
    states = text.states(tensors["in.input_ids"].long(), mask.long())
    return Words(states[:, 1:], mask[:, 1:].bool(), states[:, 0], [[]] * len(states))


def _watched(model: LESS, tensors: Tensors) -> Tensors:
    """What comes out of the U-Net's parts, filled as it runs; rows in the order of the golden file's voxels."""
    inner: Tensors = {}
    added: dict[int, torch.Tensor] = {}
    backbone: Any = model.backbone
    backbone.stem.register_forward_hook(lambda module, inputs, output: inner.update({"out.input_conv": output.feats}))

    def keep(name: str, level: int, module: nn.Module) -> None:
        def hook(module: nn.Module, inputs: Any, output: SparseTensor) -> None:
            wanted = tensors[f"out.L{level}.indices"]
            places = _places(output, wanted)
            inner[f"out.L{level}.{name}"] = output.feats[places]
            inner[f"out.L{level}.indices"] = _indices(output)[places]
            inner[f"out.L{level}.shape"] = output.cache.shape >> level
            inner[f"out.L{level}.pwca_batch1"] = added[level][places][wanted[:, 0] == 1]

        module.register_forward_hook(hook)

    for number, level in enumerate(backbone.levels):
        keep("enc", number, level.encoder[-1])
        if level.up is not None:
            keep("dec", number, level.decoder[-1])
            keep("up", number, level.up)

    for number, module in enumerate(model.fusion):
        module.register_forward_hook(lambda module, inputs, output, number=number: added.update({number: output}))
    return inner


def _indices(voxels: SparseTensor) -> torch.Tensor:
    return torch.cat([voxels.batch[:, None], voxels.coords], 1)


def _places(voxels: SparseTensor, wanted: torch.Tensor) -> torch.Tensor:
    """The row of ours for each of the golden file's voxels."""
    mine = {tuple(row): place for place, row in enumerate(_indices(voxels).tolist())}
    return torch.tensor([mine[tuple(row)] for row in wanted.tolist()])


def _queries(model: LESS, replies: Any, words: Words) -> Found:
    decoder = model.decoder
    start = decoder.initial()
    layer: Any = decoder.layers[0]
    kept: dict[str, list[torch.Tensor]] = {}
    for reply, whole in zip(replies, model.sentence(words.sentence), strict=True):
        keys, pixels = decoder.embed(reply.feats)
        masks = decoder.masks_of(start, pixels)
        allowed = attention_mask(masks)
        cross = start + layer.cross(start, keys, allowed)
        own = layer.self_norm(cross + layer.self_attention(cross, cross))
        ffn = layer.feed_forward_norm(own + layer.feed_forward(own))
        parts = {
            "q_initial_masks": masks, "q_initial_attn_mask": (~allowed).to(torch.uint8), "q_cross": cross,
            "q_self": own, "q_ffn": ffn, "query": reply.proposals.queries, "pred_masks": reply.proposals.masks,
            "query_similarity": weigh(reply.proposals.queries, whole),
        }  # fmt: skip
        for name, value in parts.items():
            kept.setdefault(name, []).append(value)
    for name, values in kept.items():
        yield f"out.{name}", torch.stack(values)


def _losses(tensors: Tensors, prefix: str, logits: torch.Tensor, feats: torch.Tensor, target: torch.Tensor) -> Found:
    logits, feats = logits.float().clone().requires_grad_(), feats.float().clone().requires_grad_()
    clouds = list(zip(logits, feats, target.bool(), strict=True))
    bce = torch.stack([weighted_bce(each, truth, official=True) for each, _, truth in clouds]).mean()
    size = 10 * torch.stack([area(each) for each, _, _ in clouds]).mean()
    contrast = 0.05 * torch.stack([point_contrast(each, truth, official=True) for _, each, truth in clouds]).mean()
    total = bce + size + contrast
    total.backward()
    for name, value in (("total", total), ("bce", bce), ("area_x10", size), ("p2p_x0_05", contrast)):
        yield f"{prefix}loss.{name}", value.detach()
    assert logits.grad is not None
    assert feats.grad is not None
    yield f"{prefix}loss.grad_logits", logits.grad
    yield f"{prefix}loss.grad_point_feats", feats.grad


def _iou(logits: torch.Tensor, target: torch.Tensor, prefix: str) -> Found:
    pairs = [
        (probability.numpy(), truth.numpy()) for probability, truth in zip(logits.sigmoid(), target.bool(), strict=True)
    ]
    ious = [mask_iou(probability, truth, fallback=True) for probability, truth in pairs]
    yield f"{prefix}.mean", torch.tensor(np.mean(ious), dtype=torch.float64)
    masks = [mask_of(probability, fallback=True) for probability, _ in pairs]
    for name, both in (("intersection", np.logical_and), ("union", np.logical_or)):
        counts = [int(both(mask, truth).sum()) for mask, (_, truth) in zip(masks, pairs, strict=True)]
        yield f"{prefix}.{name}", torch.tensor(counts)
