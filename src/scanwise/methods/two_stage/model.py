"""The baseline of LESS: first all objects of a scene, then which of them a sentence means (after TGNN, AAAI 2021).

It is taught with the class and the object of every point, LESS with one mask a sentence; backbone, words, metrics and
the loop that measures are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import FEATURES, Batch, Cloud, Sample, collate
from scanwise.data.datasets import Loader, SceneDataset, Source, read_source
from scanwise.data.referring import cloud_of, draw_sentences, voxels_of
from scanwise.errors import InputError
from scanwise.evaluation.referring import Measured, Prediction, best_threshold, measure, metrics
from scanwise.methods.two_stage.proposals import (
    Instances,
    ProposalHead,
    clustered,
    instances_of,
    overlaps,
    with_missing,
)
from scanwise.methods.two_stage.proposals import proposal_losses as losses
from scanwise.methods.two_stage.relation_graph import RelationGraph
from scanwise.nn.sentence import SentenceEncoder, Words, sentence_encoder
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig
from scanwise.scene import Scene
from scanwise.training.checkpoints import load
from scanwise.training.loop import Job, fit
from scanwise.training.referring import SentenceRecipe, groups, sources, start_model, vocabulary

_LOOKED_AT = 40  # scenes that say which classes are objects


class TwoStageRecipe(SentenceRecipe):
    """A run of the baseline.

    Attributes:
        width, layers, neighbours: of the graph of objects.
        reach: metres; voxels of one class that come this near each other, once shifted, are one object.
        fewest: voxels of an object. own_from: share of the steps after which sentences are matched with the objects
            that the network proposes itself, instead of the true ones. matching: weight of that loss.
    """

    width: int = Field(128, ge=8)
    layers: int = Field(2, ge=1)
    neighbours: int = Field(8, ge=1)
    reach: float = Field(0.12, gt=0)
    fewest: int = Field(4, ge=1)
    own_from: float = Field(0.5, ge=0, le=1)
    matching: float = Field(1.0, ge=0)


@dataclass(frozen=True, eq=False)
class Lesson:
    """One voxelised scene and k sentences.

    Attributes:
        sample: the voxels, with classes for labels. objects: (m,) int32 object of each, -1 = none. offsets: (m, 3) from
            each voxel to the mean of its object. texts: k sentences. meant: the object of each, -1 = nothing.
    """

    sample: Sample
    objects: np.ndarray
    offsets: np.ndarray
    texts: list[str]
    meant: list[int]


@dataclass(frozen=True, eq=False)
class LessonBatch:
    """B scenes with k sentences each: `texts` and `meant` of scene b in places b, B + b, 2 B + b, ..."""

    clouds: Batch
    objects: torch.Tensor
    offsets: torch.Tensor
    texts: list[str]
    meant: list[int]

    def to(self, device: torch.device | str) -> LessonBatch:
        """The tensors on a device."""
        clouds, offsets = self.clouds.to(device), self.offsets.to(device)
        return replace(self, clouds=clouds, objects=self.objects.to(device), offsets=offsets)


@dataclass(frozen=True)
class MakeLesson:
    """Scene and random numbers -> voxels, classes, objects and sentences, changed as LESS's are."""

    recipe: TwoStageRecipe
    classes: int

    def __call__(self, scene: Scene, generator: np.random.Generator) -> Lesson:
        recipe, base = self.recipe, self.classes + 1
        if scene.labels is None or scene.instances is None:
            raise InputError(f"{scene.name}: the two-stage baseline needs the class and the object of every point")
        referrals, free = draw_sentences(scene, recipe.sentences, generator)
        cloud = Cloud.of(scene)
        assert cloud.labels is not None
        assert cloud.instances is not None
        both = (cloud.instances.astype(np.int64) + 1) * base + cloud.labels + 1  # one majority vote for the pair
        cloud = recipe.maker().drawn(replace(cloud, labels=both), free, generator)
        sample = voxels_of(cloud, recipe.voxel, recipe.features, scene.name)
        assert sample.labels is not None
        objects, labels = sample.labels // base - 1, sample.labels % base - 1
        means = instances_mean(sample.centers, objects)
        offsets = np.where(objects[:, None] >= 0, means[objects] - sample.centers, 0).astype(np.float32)
        sample = replace(sample, labels=labels.astype(np.int32))
        return Lesson(
            sample, objects, offsets, [each.text for each in referrals], [each.instance for each in referrals]
        )


def instances_mean(centers: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """(highest object + 2, 3) mean place of each object's voxels, the last row for those of none."""
    count = int(objects.max(initial=-1)) + 2
    sizes = np.bincount(objects % count, minlength=count)
    sums = [np.bincount(objects % count, centers[:, axis], count) for axis in range(3)]
    return np.stack(sums, 1) / np.maximum(sizes, 1)[:, None]


def collate_lessons(lessons: Sequence[Lesson]) -> LessonBatch:
    """One flat batch."""
    places = range(len(lessons[0].texts))
    return LessonBatch(
        collate([each.sample for each in lessons]),
        torch.from_numpy(np.concatenate([each.objects for each in lessons])).long(),
        torch.from_numpy(np.concatenate([each.offsets for each in lessons])),
        [each.texts[place] for place in places for each in lessons],
        [each.meant[place] for place in places for each in lessons],
    )


class TwoStage(nn.Module):
    """Voxels to objects, objects and sentences to the one that is meant.

    Args:
        classes: names of the K classes. things: (K,) bool, those that have objects.

    Attributes:
        threshold: of the presence, from which a thing counts as found; calibrated on validation.
    """

    threshold: torch.Tensor
    things: torch.Tensor

    def __init__(
        self, recipe: TwoStageRecipe, text: SentenceEncoder, classes: Sequence[str], things: Sequence[bool]
    ) -> None:
        super().__init__()
        self.recipe, self.text = recipe, text
        channels = sum(FEATURES[feature] for feature in recipe.features)
        self.backbone = SparseUNet(SparseUNetConfig(channels, recipe.widths, recipe.blocks))
        self.head = ProposalHead(recipe.media, len(classes))
        known = recipe.media + len(classes)
        self.graph = RelationGraph(known, text.width, recipe.width, recipe.layers, recipe.neighbours)
        self.register_buffer("things", torch.tensor(list(things)))
        self.register_buffer("threshold", torch.tensor(0.5))

    def see(self, clouds: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of the voxels features (N, media), class logits (N, K) and offsets (N, 3)."""
        feats = self.backbone(SparseTensor(clouds.coords, clouds.feats, clouds.batch)).feats
        return feats, *self.head(feats)

    def propose(self, centers: np.ndarray, logits: torch.Tensor, offsets: torch.Tensor) -> Instances:
        """The objects of one cloud."""
        classes, ways = logits.detach().argmax(1).cpu().numpy(), offsets.detach().float().cpu().numpy()
        recipe = self.recipe
        things = self.things.cpu().numpy()
        return clustered(centers, ways, classes, things, reach=recipe.reach, fewest=recipe.fewest)

    def match(self, feats: torch.Tensor, logits: torch.Tensor, instances: Instances, words: Words) -> torch.Tensor:
        """(S, P + 1) logits of which object each sentence means, the last: none. At least one object.

        Args:
            feats: (n, media) and logits: (n, K) of one cloud's voxels.
        """
        of_voxel = torch.from_numpy(instances.of_voxel).to(feats.device)
        inside = of_voxel >= 0
        seen = torch.cat([feats, logits.softmax(1)], 1)[inside].float()
        sums = seen.new_zeros(len(instances), seen.shape[1]).index_add(0, of_voxel[inside], seen)
        counts = torch.bincount(of_voxel[inside], minlength=len(instances))
        centers, sizes = (torch.from_numpy(each).to(feats.device) for each in (instances.centers, instances.sizes))
        return self.graph(sums / counts[:, None], centers, sizes, words.vectors, words.mask, words.sentence)

    def training_step(self, batch: LessonBatch, progress: float) -> dict[str, torch.Tensor]:
        """Losses of the objects, and of the choice among them: true ones first, then its own and those it missed."""
        clouds = batch.clouds
        assert clouds.labels is not None
        feats, logits, offsets = self.see(clouds)
        parts = losses(logits.float(), offsets.float(), clouds.labels, batch.offsets, batch.objects >= 0)
        words = self.text(batch.texts)
        choices = []
        counts = torch.bincount(clouds.batch).tolist()
        split = (each.split(counts) for each in (feats, logits, offsets, clouds.centers, batch.objects, clouds.labels))
        for cloud, (seen, kinds, ways, centers, objects, labels) in enumerate(zip(*split, strict=True)):
            places, truth, known = centers.cpu().numpy(), objects.cpu().numpy(), labels.cpu().numpy()
            proposed = _numbered(places, truth, known)
            if progress >= self.recipe.own_from:
                proposed = with_missing(self.propose(places, kinds, ways), truth, places, known)
            if not len(proposed):
                proposed = instances_of(places, np.zeros(len(places), np.int64), known)
            asked = range(cloud, len(batch.texts), len(counts))
            scores = self.match(seen, kinds, proposed, _some(words, list(asked)))
            wanted = [_best(proposed, truth, batch.meant[place]) for place in asked]
            choices.append(functional.cross_entropy(scores.float(), torch.tensor(wanted, device=scores.device)))
        parts["matching"] = self.recipe.matching * torch.stack(choices).mean()
        return {
            "loss": torch.stack(list(parts.values())).sum(),
            **{name: each.detach() for name, each in parts.items()},
        }


def _numbered(centers: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> Instances:
    """The true objects, numbered without gaps."""
    names = np.unique(truth[truth >= 0])
    return instances_of(centers, np.where(truth >= 0, np.searchsorted(names, truth), -1), labels)


def _best(proposed: Instances, truth: np.ndarray, meant: int) -> int:
    """The object that covers what is meant best; their number, which says none, where nothing is meant or seen."""
    target = truth == meant
    if meant < 0 or not target.any():
        return len(proposed)
    return int(overlaps(proposed, target).argmax())


def _some(words: Words, places: list[int]) -> Words:
    return Words(words.vectors[places], words.mask[places], words.sentence[places], [words.texts[k] for k in places])


# Training


def train(recipe: TwoStageRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`; leaves `best.ckpt` in `out`. Gives its metrics."""
    paths, validation = sources(recipe)
    classes = read_source(paths[0]).classes
    if not classes:
        raise InputError(f"{recipe.data}: names no classes, which the two-stage baseline is taught with")
    things, words = _things(paths, len(classes)), vocabulary(recipe, paths)
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        text = sentence_encoder(recipe.text, trained=recipe.train_text, vocabulary=words)
        model = TwoStage(recipe, text, classes, things)
    if recipe.init:
        start_model(model, model.backbone, Path(recipe.init), "two-stage")
    loader = Loader(
        SceneDataset(paths, MakeLesson(recipe, len(classes))), batch=recipe.batch // recipe.accumulate, seed=recipe.seed,
        collate=collate_lessons, workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, TwoStage)
        outcomes = evaluate(module, validation, fabric).outcomes
        module.threshold.fill_(best_threshold(outcomes))
        return metrics(outcomes, float(module.threshold))

    facts = {
        "kind": "two-stage", "recipe": recipe.model_dump(mode="json"), "vocabulary": words, "classes": classes,
        "things": things,
    }  # fmt: skip
    job = Job(model, loader, groups(model, recipe), validate, score="miou", facts=facts)
    return fit(job, recipe, out, fabric, **options)


def _things(paths: Sequence[Source], classes: int) -> list[bool]:
    """Which classes have objects: those most of whose points, in some of the scenes, belong to one."""
    points, inside = np.zeros(classes), np.zeros(classes)
    for path in paths[:: max(1, len(paths) // _LOOKED_AT)]:
        scene = read_source(path)
        if scene.labels is None or scene.instances is None:
            raise InputError(f"{scene.name}: the two-stage baseline needs the class and the object of every point")
        known = scene.labels >= 0
        points += np.bincount(scene.labels[known], minlength=classes)
        inside += np.bincount(scene.labels[known & (scene.instances >= 0)], minlength=classes)
    return (inside * 2 >= points).tolist()


def load_two_stage(path: Path) -> TwoStage:
    """A trained model from a checkpoint, or a run's folder, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    facts = checkpoint.facts
    if facts.get("kind") != "two-stage":
        raise InputError(f"{path}: holds no two-stage model; give the best.ckpt of a `scanwise train two-stage` run")
    recipe = TwoStageRecipe.model_validate(facts["recipe"])
    text = sentence_encoder(recipe.text, trained=recipe.train_text, vocabulary=facts["vocabulary"])
    model = TwoStage(recipe, text, facts["classes"], facts["things"])
    model.load_state_dict(checkpoint.tensors)
    return model.eval()


# Asking


def predict(model: TwoStage, scene: Scene, texts: Sequence[str]) -> list[Prediction]:
    """Asks a scene several sentences at once; its objects are proposed once.

    The points of the likeliest object have a score above 0.5, those of the others below it.
    """
    sample = voxels_of(cloud_of(scene, labelled=False), model.recipe.voxel, model.recipe.features, scene.name)
    clouds = collate([sample]).to(next(model.parameters()).device)
    with torch.no_grad():
        feats, logits, offsets = model.see(clouds)
        proposed = model.propose(sample.centers, logits, offsets)
        if not len(proposed):
            return [Prediction(np.zeros(len(scene), np.float32), 0.0) for _ in texts]
        probabilities = model.match(feats, logits, proposed, model.text(texts)).float().softmax(1).cpu().numpy()
    result = []
    for row in probabilities:
        of_object = np.append(0.5 * row[:-1], 0).astype(np.float32)  # the last is that of voxels of no object
        of_object[row[:-1].argmax()] += 0.501
        scores = np.zeros(len(scene), np.float32)
        scores[sample.row] = of_object[proposed.of_voxel].clip(0, 1)[sample.of_point]
        result.append(Prediction(scores, float(1 - row[-1])))
    return result


def evaluate(model: TwoStage, paths: Sequence[Source], fabric: Fabric | None = None, **options: Any) -> Measured:
    """Outcomes and seconds; options of `measure`."""
    return measure(lambda scene, texts: predict(model, scene, texts), paths, fabric, **options)
