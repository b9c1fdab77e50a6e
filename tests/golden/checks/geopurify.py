"""tj12323/GeoPurify: lifting by masks, fusion of views, the student, pooling, pairs, InfoNCE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scanwise.geometry.neighbours import neighbour_table
from scanwise.methods.geopurify.lift import MaskFeatures, consensus_of, fuse_views, lift_masks
from scanwise.methods.geopurify.losses import contrast_pairs, info_nce
from scanwise.methods.geopurify.network import AffinityNetwork
from scanwise.methods.geopurify.official import load_geopurify
from scanwise.nn.pooling import affinity, pool
from scanwise.nn.sparse import SparseTensor

Tensors = dict[str, torch.Tensor]
Found = Iterator[tuple[str, torch.Tensor]]


def geopurify(tensors: Tensors, meta: dict[str, Any]) -> Found:
    network = load_geopurify({key[3:]: value for key, value in tensors.items() if key.startswith("sd.")})
    yield from _lifting(tensors)
    with torch.no_grad():
        yield from _evaluation(tensors, network)
    yield from _pairs(tensors)
    yield from _training(tensors, network, meta["config"]["temperature"])


def _lifting(tensors: Tensors) -> Found:
    text = functional.normalize(tensors["lift.text_embed"], dim=1)
    yield "lift.text_normalised", text
    visible = tensors["lift.visible"].bool()
    features = torch.stack(list(_views(tensors, visible)))
    scores = features @ text.T * tensors["lift.logit_scale"]
    fused = _fused(features, scores, visible, tensors["in.points"])
    yield "lift.point_features", fused[:, : tensors["lift.point_features"].shape[1]]
    views, logits, valid = (tensors[f"fuse.{name}"] for name in ("view_features", "view_logits", "valid"))
    consensus, agreement = consensus_of(logits, valid.bool())
    best = agreement.topk(3, dim=1)
    yield "fuse.consensus_class", consensus
    yield "fuse.agreement", agreement
    yield "fuse.topk_scores", best.values
    yield "fuse.topk_views", best.indices
    yield "fuse.weights", best.values.softmax(1)
    yield "fuse.fused", fuse_views(views, logits, valid.bool())[0]


def _views(tensors: Tensors, visible: torch.Tensor) -> Iterator[torch.Tensor]:
    """(N, C) of each view; a mask's score is that of its likeliest class, "no object" left out."""
    counts = visible.sum(1).tolist()
    pixels = zip(tensors["lift.rows"].split(counts), tensors["lift.cols"].split(counts), strict=True)
    for view, (rows, columns) in enumerate(pixels):
        masks = MaskFeatures(
            tensors["lift.pred_logits"][view].softmax(1)[:, :-1].amax(1), tensors["lift.pred_masks"][view],
            tensors["lift.mask_embed"][view], (24, 32),
        )  # fmt: skip
        yield lift_masks(tensors["in.points"], visible[view], (rows, columns), masks)


def _fused(features: torch.Tensor, scores: torch.Tensor, visible: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """(N, C) of all points from (V, N, C) of views."""
    seen = visible.any(0)
    valid = visible.T[seen]
    found = fuse_views(features.permute(1, 0, 2)[seen], scores.permute(1, 0, 2)[seen], valid)[0]
    result = features.new_zeros(len(seen), features.shape[2])
    result[seen] = found
    nearest = torch.cdist(points[~seen], points[seen]).argmin(1)
    result[~seen] = found[nearest]
    return result


def _evaluation(tensors: Tensors, network: AffinityNetwork) -> Found:
    coords, rows = tensors["in.voxel_coords"].long(), tensors["in.point_to_voxel"].long()
    features = tensors["eval.point_features"]
    whole = torch.cat([features, tensors["in.geom"]], 1)
    given = torch.zeros(len(coords), whole.shape[1]).index_add(0, rows, whole) / torch.bincount(rows)[:, None]
    yield "eval.voxel_input", given
    voxels = network.stem(SparseTensor(coords, given, torch.zeros(len(coords), dtype=torch.long)))
    voxels = voxels.replace(functional.relu(network.norm(voxels.feats)))
    yield "eval.act_input_layer", voxels.feats
    for number, block in enumerate(network.blocks):
        voxels = block(voxels)
        yield f"eval.act_res{number}", voxels.feats
    embedding = network.head(voxels).feats
    yield "eval.embedding", embedding
    grid = coords.numpy()
    table = neighbour_table(grid, 96)
    squared = np.sort(((grid[:, None] - grid[table]) ** 2).sum(2), 1)
    expected = tensors["eval.knn_sqdist_sorted"]
    yield "eval.knn_sqdist_sorted", torch.from_numpy(squared).to(expected.dtype)
    table = tensors["eval.knn"].int().numpy()  # many distances are equal, so that the set is not one
    weights = affinity(embedding, table)
    yield "eval.weights", weights
    yield "eval.pooled_1", pool(given, table, weights, 1)
    pooled = pool(given, table, weights, 19)
    yield "eval.pooled_19", pooled
    refined = pooled[rows][:, : features.shape[1]]
    yield "eval.refined_points", refined[:, : tensors["eval.refined_points"].shape[1]]
    text = functional.normalize(tensors["lift.text_embed"], dim=1)
    logits = functional.normalize(refined, dim=1) @ text.T * tensors["lift.logit_scale"]
    yield "eval.logits", logits
    yield "eval.pred", logits.argmax(1)


def _pairs(tensors: Tensors) -> Found:
    table = torch.from_numpy(neighbour_table(tensors["in.points"].numpy(), 96))
    yield "train.knn", table
    for name in ("train", "pairs233"):
        anchors = tensors[f"{name}.anchor"].long()
        positive, negative = contrast_pairs(tensors["train.teacher_features"], table, anchors)
        yield f"{name}.positive", positive
        yield f"{name}.negative", negative


def _training(tensors: Tensors, network: AffinityNetwork, temperature: float) -> Found:
    """One step on the voxels that hold a sampled point, with the first 512 channels of the input alone."""
    anchors, positive, negative = (tensors[f"train.{name}"].long() for name in ("anchor", "positive", "negative"))
    sampled = torch.unique(torch.cat([anchors, positive, negative.flatten()]))
    features = tensors["eval.point_features"][sampled]
    grid = tensors["in.voxel_coords"].long()[tensors["in.point_to_voxel"].long()[sampled]]
    coords, voxel = torch.unique(grid, dim=0, return_inverse=True)
    expected = tensors["train.student_voxel_coords"].long()
    place = {tuple(row): number for number, row in enumerate(expected.tolist())}
    order = torch.tensor([place[tuple(row)] for row in coords.tolist()])
    voxel, coords = order[voxel], expected
    given = torch.zeros(len(coords), features.shape[1]).index_add(0, voxel, features)
    given = given / torch.bincount(voxel)[:, None]
    yield "train.student_voxel_coords", coords
    yield "train.student_in", given[:, : tensors["train.student_in"].shape[1]]
    kernel = network.stem.weight
    network.stem.weight = torch.nn.Parameter(kernel[..., : features.shape[1]].detach().clone())
    row_of_point = torch.full((len(tensors["in.points"]),), -1)
    row_of_point[sampled] = voxel
    for mode in ("eval", "train"):
        network.train(mode == "train")
        out = network(SparseTensor(coords, given, torch.zeros(len(coords), dtype=torch.long)))
        rows = (row_of_point[anchors], row_of_point[positive], row_of_point[negative])
        loss, logits = info_nce(out, *rows, temperature=temperature)
        yield f"train.student_out_bn_{mode}", out.detach()
        yield f"train.infonce_logits_bn_{mode}", logits.detach()
        yield f"train.loss_bn_{mode}", loss.detach()
    loss.backward()
    yield "train.bn_running_mean_after", network.norm.running_mean
    yield "train.bn_running_var_after", network.norm.running_var
    yield "train.grad.output_layer.kernel", network.head.weight.grad[:, 0, 0, 0].t()
    yield "train.grad.res_blocks.3.conv2.kernel", _theirs(network.blocks[3].conv2.weight.grad)
    yield "train.grad.res_blocks.0.norm1.bn.weight", network.blocks[0].norm1.weight.grad
    yield "train.grad.input_layer.0.kernel_first8in", _theirs(network.stem.weight.grad)[:, :8]


def _theirs(kernel: torch.Tensor) -> torch.Tensor:
    """(Cout, x, y, z, Cin) -> (27, Cin, Cout), x fastest."""
    return kernel.permute(3, 2, 1, 4, 0).flatten(0, 2)
