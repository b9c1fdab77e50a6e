"""Semantic segmentation with labels: the supervised baseline, the linear probe and fine-tuning of any backbone.

Losses: cross-entropy, and the Lovász extension of the Jaccard loss (Berman, Triki, Blaschko, CVPR 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as distributed
from lightning_fabric import Fabric
from pydantic import AliasChoices, Field
from torch import nn
from torch.nn import functional

from scanwise.data.augment import Augmentation
from scanwise.data.clouds import FEATURES, Batch, Cloud, Feature, Sample, collate, sample_of
from scanwise.data.datasets import Loader, SceneDataset, Source, read_source, scene_paths
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion, tiles
from scanwise.nn.backbone import build_backbone
from scanwise.nn.sparse import SparseTensor
from scanwise.scene import Scene
from scanwise.training.checkpoints import load, start_from
from scanwise.training.loop import Job, fit, parameter_groups
from scanwise.training.recipe import BackboneName, Recipe

AUGMENTATIONS = {
    "none": Augmentation(),
    "rooms": Augmentation(
        turn=True, tilt=0.05, flip=True, scale=(0.9, 1.1), jitter=0.005, color_jitter=8, color_shift=15, contrast=0.2,
        drop_color=0.1, drop_normals=0.1,
    ),
    "streets": Augmentation(turn=True, tilt=0.02, flip=True, scale=(0.95, 1.05), jitter=0.01),
}  # fmt: skip


class SegmentRecipe(Recipe):
    """A supervised run.

    Attributes:
        backbone: its name, of `nn.backbone`; `size` in older recipes. decoder: blocks of each decoder stage; 0 = linear on up-cast encoder features.
        voxel: metres. features: inputs of each voxel. augment: how scenes are changed in training.
        crop: most points of a training scene; 0 = all.
        init: weights to start the backbone from; "" = random. freeze: train the head alone (linear probe).
        init_rate: learning rate of a backbone that is not random, over that of the head.
        drop_path: stochastic depth. lovasz: weight of the Lovász loss.
        most_voxels: larger scenes are evaluated in overlapping tiles.
    """

    backbone: BackboneName = Field("small", validation_alias=AliasChoices("backbone", "size"))
    decoder: int = Field(1, ge=0)
    voxel: float = Field(0.08, gt=0)
    features: tuple[Feature, ...] = ("color", "normal")
    augment: Literal["none", "rooms", "streets"] = "rooms"
    crop: int = Field(0, ge=0)
    init: str = ""
    freeze: bool = False
    init_rate: float = Field(1.0, gt=0)
    drop_path: float = Field(0.0, ge=0, lt=1)
    lovasz: float = Field(1.0, ge=0)
    most_voxels: int = Field(120_000, ge=1000)


@dataclass(frozen=True)
class MakeSample:
    """Scene and random numbers -> voxels to train on."""

    recipe: SegmentRecipe

    def __call__(self, scene: Scene, generator: np.random.Generator) -> Sample:
        if scene.labels is None:
            raise InputError(f"{scene.name}: has no labels to train on")
        cloud = AUGMENTATIONS[self.recipe.augment](Cloud.of(scene), generator)
        if self.recipe.crop:
            cloud = Augmentation(crop=self.recipe.crop)(cloud, generator)
        return sample_of(cloud, self.recipe.voxel, self.recipe.features, scene.name)


class Segmenter(nn.Module):
    """A backbone and a linear head: voxels -> logits (N, K).

    Args:
        classes: names of the K classes. frozen: the backbone stays as it is.
    """

    def __init__(self, recipe: SegmentRecipe, classes: list[str]) -> None:
        super().__init__()
        channels = sum(FEATURES[feature] for feature in recipe.features)
        self.backbone = build_backbone(recipe.backbone, channels, decoder=recipe.decoder, drop_path=recipe.drop_path)
        self.norm = nn.LayerNorm(self.backbone.channels)
        self.head = nn.Linear(self.backbone.channels, len(classes))
        self.recipe, self.classes = recipe, classes
        self.backbone.requires_grad_(not recipe.freeze)

    def forward(self, batch: Batch) -> torch.Tensor:
        """(N, K) logits."""
        voxels = SparseTensor(batch.coords, batch.feats, batch.batch)
        if self.recipe.freeze:
            self.backbone.eval()
            with torch.no_grad():
                feats = self.backbone(voxels)
        else:
            feats = self.backbone(voxels)
        return self.head(self.norm(feats))

    def training_step(self, batch: Batch, progress: float) -> dict[str, torch.Tensor]:
        """Cross-entropy and Lovász loss over the labelled voxels of the whole batch, on all processes."""
        assert batch.labels is not None
        logits = self(batch).float()
        known = batch.labels >= 0
        entropy = mean_over_processes(
            functional.cross_entropy(logits, batch.labels, ignore_index=-1, reduction="sum"), known.sum()
        )
        lovasz = lovasz_softmax(logits[known].softmax(1), batch.labels[known])
        return {"loss": entropy + self.recipe.lovasz * lovasz, "entropy": entropy.detach(), "lovasz": lovasz.detach()}


def mean_over_processes(total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """`total / count`, so that the mean over processes, which DDP takes of gradients, is that of one process alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return total / count.clamp(min=1)
    everything = count.clone().float()
    distributed.all_reduce(everything)
    return total * distributed.get_world_size() / everything.clamp(min=1)


def lovasz_softmax(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the classes present of the Lovász extension of 1 - IoU (equations 8 and 9 there).

    Args:
        probabilities: (N, K). labels: (N,), 0..K-1.
    """
    losses = []
    for label in torch.unique(labels).tolist():
        truth = (labels == label).to(probabilities.dtype)
        errors, order = torch.sort((truth - probabilities[:, label]).abs(), descending=True)
        hits = truth[order]
        jaccard = 1 - (hits.sum() - hits.cumsum(0)) / (hits.sum() + (1 - hits).cumsum(0))
        losses.append(errors @ torch.diff(jaccard, prepend=jaccard.new_zeros(1)))
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0


# Training


def train(recipe: SegmentRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`; leaves `best.ckpt` in `out`. Gives its metrics."""
    paths = scene_paths(recipe.data, "train", recipe.share)
    classes = read_source(paths[0]).classes or []
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        model = Segmenter(recipe, classes)
    if recipe.init:
        start_from(model.backbone, Path(recipe.init))
    loader = Loader(
        SceneDataset(paths, MakeSample(recipe)), batch=recipe.batch // recipe.accumulate, seed=recipe.seed, collate=collate,
        workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    validation = scene_paths(recipe.data, "val")

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, Segmenter)
        return evaluate(module, validation, fabric)["all"].metrics()

    facts = {"kind": "segment", "recipe": recipe.model_dump(mode="json"), "classes": classes}
    job = Job(model, loader, _groups(model), validate, score="miou", facts=facts)
    return fit(job, recipe, out, fabric, **options)


def _groups(model: Segmenter) -> list[dict[str, Any]]:
    recipe = model.recipe
    scale = recipe.init_rate if recipe.init else 1.0
    backbone = [group | {"scale": scale} for group in parameter_groups(model.backbone, recipe.weight_decay)]
    head = parameter_groups(nn.ModuleList([model.norm, model.head]), recipe.weight_decay)
    return backbone + head


def load_segmenter(path: Path) -> Segmenter:
    """A trained segmenter from a checkpoint.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") != "segment":
        raise InputError(f"{path}: holds no segmenter; give the best.ckpt of a `scanwise train segment` run")
    model = Segmenter(SegmentRecipe.model_validate(checkpoint.facts["recipe"]), checkpoint.facts["classes"])
    model.load_state_dict(checkpoint.tensors)
    return model.eval()


# Evaluation


def predict(model: Segmenter, scene: Scene) -> np.ndarray:
    """(N,) int32 class of each point of a scene; -1 for points that are not finite. One prediction a point."""
    return np.where(scene.finite, class_probabilities(model, scene).argmax(1), -1).astype(np.int32)


def class_probabilities(model: Segmenter, scene: Scene) -> np.ndarray:
    """(N, K) float32 probabilities of the classes for each point; 0 for points that are not finite."""
    sample = sample_of(Cloud.of(scene), model.recipe.voxel, model.recipe.features, scene.name)
    device = next(model.parameters()).device
    scores = np.zeros((len(sample), len(model.classes)), np.float32)
    for rows in tiles(sample.centers, model.recipe.most_voxels, overlap=1.0):
        batch = collate([_part(sample, rows)]).to(device)
        with torch.no_grad():
            scores[rows] += model(batch).float().softmax(1).cpu().numpy()
    scores /= scores.sum(1, keepdims=True)
    result = np.zeros((len(scene), len(model.classes)), np.float32)
    result[sample.row] = scores[sample.of_point]
    return result


def _part(sample: Sample, rows: np.ndarray) -> Sample:
    if len(rows) == len(sample):
        return sample
    none = np.zeros(0, np.int64)
    return Sample(sample.coords[rows], sample.feats[rows], sample.centers[rows], None, none, none, sample.size)


def evaluate(model: Segmenter, paths: list[Source], fabric: Fabric | None = None) -> Mapping[str, Confusion]:
    """Predicts scenes, shared out among the processes.

    Returns:
        Confusion over all points; "seen" over those of objects whose model training had; "unseen" over those of
        held-out models.
    """
    counts = {name: Confusion(model.classes) for name in ("all", "seen", "unseen")}
    rank, world = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
    for path in paths[rank::world]:
        scene = read_source(path)
        if scene.labels is None:
            raise InputError(f"{scene.name}: has no labels to measure against")
        predicted = predict(model, scene)
        counts["all"].add(scene.labels, predicted)
        if scene.instances is None:
            continue
        held_out = [box.instance for box in scene.boxes if box.held_out]
        others = [box.instance for box in scene.boxes if not box.held_out]
        for name, chosen in (("unseen", held_out), ("seen", others)):
            rows = np.isin(scene.instances, chosen)
            counts[name].add(scene.labels[rows], predicted[rows])

    def all_sum(matrix: np.ndarray) -> np.ndarray:
        if fabric is None or world == 1:
            return matrix
        total = fabric.all_reduce(torch.from_numpy(matrix), reduce_op="sum")
        assert isinstance(total, torch.Tensor)
        return total.cpu().numpy()

    return {name: confusion.reduced(all_sum) for name, confusion in counts.items()}
