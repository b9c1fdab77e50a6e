"""microsoft/STELLAR: the whole model, every loss, its gradients; stand-alone functions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch

from scanwise.errors import ScanwiseWarning
from scanwise.methods.stellar.losses import koleo
from scanwise.methods.stellar.model import Stellar
from scanwise.methods.stellar.official import NAMES, fused, load_stellar
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn import masks
from scanwise.nn.heads import soft_cross_entropy
from scanwise.nn.sparse_tokens import FourierPositions, SparseTokens
from scanwise.nn.state_dicts import renamed
from scanwise.nn.transport import match, sinkhorn
from scanwise.nn.vit import Encoded

Tensors = dict[str, torch.Tensor]
Found = Iterator[tuple[str, torch.Tensor]]
TARGET, PREDICTION = 0.06, 0.12

# What the official functions were given, or drew, and what only says the same in another way: handed through as it is.
GIVEN = (
    "mask.ids_keep", "mask.mask", "mask.ids_restore", "mask.pred_filter", "match.filter", "match2.pred",
    "sk.M", "mt.pred", "mt.target", "mt.filter", "koleo.x", "pe.matrix", "rm.x", "gauss.noise", "gauss.center_x",
    "gauss.center_y", "gauss.sigma", "gauss.apply", "block.noise", "block.topleft_row_col", "block.drawn_apply",
)  # fmt: skip


def _given(tensors: Tensors) -> Found:
    for key, value in tensors.items():
        if key in GIVEN or (key.startswith("rm.") and key.endswith((".noise", "_x", "_y", ".sigma", ".apply"))):
            yield key, value


def stellar_model(tensors: Tensors, meta: dict[str, Any]) -> Found:
    weights = {key[3:]: value for key, value in tensors.items() if key.startswith("sd.")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScanwiseWarning)  # a subset of the golden file may lack the cluster heads
        network = load_stellar(weights, meta["config"])
    yield from _given(tensors)
    images = tensors["in.image"]
    with torch.no_grad():
        encoded = network.encode(images)
        yield from _outputs(network, images, encoded)
        if "clu.logits" in tensors:
            yield from _clusters(network, encoded)
        if "in.global_views" in tensors:
            yield from _masked(network, tensors, encoded)
        if "match2.pred" in tensors:
            yield from _rematched(network, tensors["match2.pred"], encoded)
        if "in.local_views" in tensors:
            crops = tensors["in.local_views"].flatten(0, 1)
            yield "local.embeddings", network.encoder.embed(crops)
            yield "local.cls", network.encode(crops).cls[:, None]
    if "train.total" in tensors:
        yield from _training(network, tensors, meta)


def _outputs(network: SparseTokens, images: torch.Tensor, encoded: Encoded) -> Found:
    yield "out.embeddings", network.encoder.embed(images)
    yield "out.cls", encoded.cls[:, None]
    yield "out.sparse", encoded.sparse
    yield "out.dense", encoded.dense
    spatial, product = network.spatial(encoded), network.product(encoded)
    yield "out.spatial", spatial
    yield "out.lowrank", product
    yield "out.peak_dist", spatial.amax(1)
    yield "out.concat", torch.cat([encoded.sparse, spatial.transpose(1, 2)], 2)
    decoder = network.decoder
    side = network.config.encoder.grid
    code = decoder.positions(side, side)
    yield "out.position_embedding", code.T.unflatten(1, (side, side))
    entering = decoder.project(product) + code
    yield "out.decoder_in", entering
    yield "out.decoder_output", decoder.transformer(entering)
    pixels = network.decode(encoded)
    yield "out.x_hat", pixels
    yield "out.mse", (pixels - images).square().mean()
    yield "loss.koleo_sparse_raw", koleo(encoded.sparse)


def _clusters(network: SparseTokens, encoded: Encoded) -> Found:
    for key, head, vectors in (
        ("clu", network.token_head, encoded.sparse), ("cls_clu", network.cls_head, encoded.cls[:, None]),
    ):  # fmt: skip
        logits = head(vectors)
        yield f"{key}.logits", logits
        for power, suffix in ((1.0, ""), (0.7, "_scale0.7")):
            assigned = _assign(logits, power)
            yield f"{key}.assignments{suffix}", assigned
            yield f"{key}.loss{suffix}", soft_cross_entropy(logits, assigned, PREDICTION)


def _assign(logits: torch.Tensor, power: float = 1.0) -> torch.Tensor:
    rows = sinkhorn(logits.flatten(0, 1) / TARGET, iterations=3, column_power=power)
    return rows.unflatten(0, logits.shape[:2])


def _masked(network: SparseTokens, tensors: Tensors, encoded: Encoded) -> Found:
    views = tensors["in.global_views"]
    keep = tensors["mask.ids_keep"].long()
    masked = network.encode(views.flatten(0, 1), keep)
    yield "mask.cls", masked.cls[:, None]
    yield "mask.sparse", masked.sparse
    yield "loss.koleo_masked_raw", koleo(masked.sparse)
    repeats = views.shape[1]
    full = encoded.sparse.repeat_interleave(repeats, 0)
    index, plan = match(masked.sparse, full, epsilon=0.1, iterations=5)
    yield "match.index", index
    yield "match.P", plan
    allowed = tensors["match.filter"].repeat_interleave(repeats, 0)
    index_filtered, plan_filtered = match(masked.sparse, full, epsilon=0.1, iterations=5, allowed=allowed)
    yield "match.index_filtered", index_filtered
    yield "match.P_filtered", plan_filtered
    assigned = _assign(network.token_head(encoded.sparse)).repeat_interleave(repeats, 0)
    targets = assigned.gather(1, index[:, :, None].expand(-1, -1, assigned.shape[2]))
    yield "match.targets_rearranged", targets
    logits = network.token_head(masked.sparse)
    yield "mask.logits", logits
    yield "loss.mask", soft_cross_entropy(logits, targets, PREDICTION)
    yield "loss.mask_pred_filter", soft_cross_entropy(logits, targets, PREDICTION, tensors["mask.pred_filter"])
    cls_targets = _assign(network.cls_head(encoded.cls[:, None]))
    cls_logits = network.cls_head(masked.cls[:, None])
    yield "mask.cls_logits", cls_logits
    yield "loss.cls_masked", soft_cross_entropy(cls_logits, cls_targets.repeat_interleave(repeats, 0), PREDICTION)
    crops = tensors["in.local_views"]
    local = network.cls_head(network.encode(crops.flatten(0, 1)).cls[:, None])
    yield "loss.cls_local", soft_cross_entropy(local, cls_targets.repeat_interleave(crops.shape[1], 0), PREDICTION)


def _rematched(network: SparseTokens, predicted: torch.Tensor, encoded: Encoded) -> Found:
    full = encoded.sparse.repeat_interleave(len(predicted) // len(encoded.sparse), 0)
    index, plan = match(predicted, full, epsilon=0.1, iterations=5)
    yield "match2.index", index
    yield "match2.P", plan
    logits = network.token_head(predicted)
    yield "match2.logits", logits
    assigned = _assign(network.token_head(encoded.sparse)).repeat_interleave(len(predicted) // len(encoded.sparse), 0)
    targets = assigned.gather(1, index[:, :, None].expand(-1, -1, assigned.shape[2]))
    yield "match2.loss", soft_cross_entropy(logits, targets, PREDICTION)


def _training(network: SparseTokens, tensors: Tensors, meta: dict[str, Any]) -> Found:
    for power, prefix in ((1.0, "train"), (0.7, "train_scale0.7")):
        model = Stellar(StellarRecipe(data=".", column_power=power, official=True), network)
        losses = model.losses(
            tensors["in.image"], tensors["in.global_views"], tensors["mask.ids_keep"].long(), tensors["in.local_views"]
        )
        yield f"{prefix}.koleo_loss", 0.1 * losses["koleo"]
        yield f"{prefix}.clustering_loss", losses["cluster"]
        yield f"{prefix}.cls_clustering_loss", losses["cls_cluster"]
        yield f"{prefix}.mask_loss", losses["mask"]
        yield f"{prefix}.cls_loss", losses["cls"]
        yield f"{prefix}.MSE", losses["reconstruction"]
        yield f"{prefix}.total", losses["loss"]
        if prefix == "train":
            yield from _gradients(network, losses["loss"], tensors)


def _gradients(network: SparseTokens, loss: torch.Tensor, tensors: Tensors) -> Found:
    """d loss / d weights, under the official names; query, key and value are a third each of ours."""
    network.zero_grad()
    loss.backward()
    ours = {name: value.grad for name, value in network.named_parameters()}
    for key in tensors:
        if not key.startswith("grad."):
            continue
        official = key.removeprefix("grad.")
        part = next((part for part in ("query", "key", "value") if f".attention.attention.{part}." in official), None)
        if part is None:
            (name,) = renamed({official: tensors[key]}, NAMES)
            yield key, ours[name]
            continue
        parts = [official.replace(f".{part}.", f".{other}.") for other in ("query", "key", "value")]
        (name,) = renamed(fused(dict.fromkeys(parts, tensors[key])), NAMES)
        yield key, ours[name].chunk(3)[("query", "key", "value").index(part)]


def stellar_functions(tensors: Tensors, meta: dict[str, Any]) -> Found:
    yield from _given(tensors)
    yield from _sinkhorn_and_match(tensors)
    groups = tensors["koleo.x"].clone().requires_grad_()
    loss = koleo(groups)
    loss.backward()
    yield "koleo.loss", loss
    yield "koleo.grad", groups.grad
    yield from _masks(tensors)
    positions = FourierPositions(2 * tensors["pe.matrix"].shape[1])
    positions.matrix.copy_(tensors["pe.matrix"])
    yield "pe.out_5x7", positions(5, 7).T.unflatten(1, (5, 7))


def _sinkhorn_and_match(tensors: Tensors) -> Found:
    for key in [key for key in tensors if key.startswith("sk.out_")]:
        iterations, power = key.removeprefix("sk.out_iter").split("_scale")
        yield key, sinkhorn(tensors["sk.M"], iterations=int(iterations), column_power=float(power))
    for suffix, allowed in (("", None), ("_f", tensors["mt.filter"])):
        index, plan = match(tensors["mt.pred"], tensors["mt.target"], epsilon=0.1, iterations=5, allowed=allowed)
        yield f"mt.index{suffix}", index
        yield f"mt.P{suffix}", plan


def _masks(tensors: Tensors) -> Found:
    noise = tensors["gauss.noise"]
    focused = masks.focus(noise, tensors["gauss.center_y"], tensors["gauss.center_x"], tensors["gauss.sigma"])
    yield "gauss.out", torch.where(tensors["gauss.apply"].bool(), focused, noise)
    corner = tensors["block.topleft_row_col"]
    yield "block.out", masks.block(tensors["block.noise"], corner[:, :1], corner[:, 1:], 4)
    for kind in ("uniform", "gaussian"):
        for ratio in (0.75, 0.8):
            key = f"rm.{kind}_{ratio}"
            noise = tensors[f"{key}.noise"]
            if kind == "gaussian":
                places = [tensors[f"{key}.{name}"] for name in ("center_y", "center_x", "sigma")]
                noise = torch.where(tensors[f"{key}.apply"].bool(), masks.focus(noise, *places), noise)
            keep = masks.kept(noise, ratio, official=True)
            yield f"{key}.ids_keep", keep
            removed = torch.ones_like(noise).scatter(1, keep, 0.0)
            yield f"{key}.mask", removed
            yield f"{key}.ids_restore", noise.argsort(1).argsort(1)
            yield f"{key}.x_masked", tensors["rm.x"].gather(1, keep[:, :, None].expand(-1, -1, 3))
