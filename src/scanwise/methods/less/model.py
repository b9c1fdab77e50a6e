"""LESS: one object of a scene from a sentence, learnt from binary masks alone (arXiv 2410.13294, NeurIPS 2024).

Words reach the voxels of a sparse U-Net (PWCA), queries propose masks (QMP), the sentence weighs them (QSA); the losses
are a weighted cross-entropy, the mask's area, and a contrast between the object's points and the background's.
`docs/less.md` has what differs between the paper, the official code and this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import FEATURES, Batch, Sample, collate
from scanwise.data.datasets import Loader, SceneDataset, Source
from scanwise.data.referring import ReferBatch, cloud_of, collate_refer, plural, voxels_of
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.evaluation.referring import Measured, Prediction, best_threshold, measure, metrics
from scanwise.methods.less import losses
from scanwise.methods.less.kernel_maps import ClippedKernelMaps, RepeatedKernelMaps
from scanwise.methods.less.positions import Places
from scanwise.methods.less.query_decoder import Proposals, QueryConfig, QueryDecoder, weigh
from scanwise.nn.backbone import Backbone, build_backbone
from scanwise.nn.kernel_maps import KernelMaps
from scanwise.nn.sentence import SentenceEncoder, Words, sentence_encoder
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig
from scanwise.nn.word_fusion import WordFusion
from scanwise.scene import Scene
from scanwise.training.checkpoints import load
from scanwise.training.loop import Job, fit
from scanwise.training.recipe import BackboneName
from scanwise.training.referring import SentenceRecipe, groups, sources, start_model, vocabulary

_SECOND = 0.5  # weight of a query that is meant as well, over the greatest, where several things are asked for
_MOST_VOXELS = 400_000  # of a batch of sentences about one scene


class ReferRecipe(SentenceRecipe):
    """A run of LESS.

    Attributes:
        backbone: "unet" as in the paper, or a Point Transformer of that size, which may start from DOS. decoder: blocks
            of each decoder stage of a Point Transformer.
        fusion: where words come in: "levels" of the U-Net (PWCA); or, so that what is seen serves any number of
            sentences, "late" (PWCA once, after the backbone, and queries that attend to words), "queries" or "none".
        places: where voxels are is added to what was seen of them, for networks that are not given coordinates.
        queries, width, layers, heads, hidden: of the query decoder; word_heads: of the attention to words.
        several: how often one of the sentences of a scene is about all things of a kind. strange: how often one is
            about a thing of another scene, of whose kind there is none.
        positive: weight of the object's voxels. area, contrast, edge, dice, presence: weights of the losses beside the
            cross-entropy: mask size, point contrast, cross-entropy at the object's edge, overlap, and whether the
            thing is there at all.
        official: everything as the official code has it.
    """

    backbone: Literal["unet"] | BackboneName = "unet"
    decoder: int = Field(1, ge=0)
    fusion: Literal["levels", "late", "queries", "none"] = "levels"
    places: bool = False
    queries: int = Field(20, ge=1)
    width: int = Field(256, ge=8)
    layers: int = Field(1, ge=1)
    heads: int = Field(1, ge=1)
    hidden: int = Field(1024, ge=8)
    word_heads: int = Field(1, ge=1)
    several: float = Field(0.0, ge=0, le=1)
    strange: float = Field(0.0, ge=0, le=1)
    positive: float = Field(20.0, gt=0)
    area: float = Field(1.0, ge=0)
    contrast: float = Field(0.05, ge=0)
    edge: float = Field(0.0, ge=0)
    dice: float = Field(0.0, ge=0)
    presence: float = Field(0.2, ge=0)
    official: bool = False

    @model_validator(mode="after")
    def _fits(self) -> ReferRecipe:
        if self.backbone != "unet" and self.fusion == "levels":
            raise ValueError("fusion: levels needs backbone: unet; use fusion: late with a Point Transformer")
        if self.width % self.heads or (self.fusion == "levels" and self.media % self.word_heads):
            raise ValueError("heads must divide width, and word_heads media")
        return self


@dataclass(frozen=True, eq=False)
class Reply:
    """The network's answer to one sentence, over the n voxels of its scene.

    Attributes:
        logits: (n,) of the mask. feats: (n, C) of the voxels. proposals: queries and their masks. weights: (Q,) of
            the queries. presence: () logit that there is such a thing. words: (T,) share of attention of each word, or
            None where it was not asked for, or no words were looked at.
    """

    logits: torch.Tensor
    feats: torch.Tensor
    proposals: Proposals
    weights: torch.Tensor
    presence: torch.Tensor
    words: torch.Tensor | None


class LESS(nn.Module):
    """Voxels and sentences to masks.

    Args:
        text: the sentence encoder.

    Attributes:
        threshold: of `presence` as a probability, from which a thing counts as found; calibrated on validation.
    """

    threshold: torch.Tensor

    def __init__(self, recipe: ReferRecipe, text: SentenceEncoder) -> None:
        super().__init__()
        self.recipe, self.text = recipe, text
        channels = 6 if recipe.official else sum(FEATURES[feature] for feature in recipe.features)
        self.backbone: SparseUNet | Backbone
        if recipe.backbone == "unet":
            widths = recipe.widths
            self.backbone, seen = SparseUNet(SparseUNetConfig(channels, widths, recipe.blocks)), recipe.media
        else:
            self.backbone = build_backbone(recipe.backbone, channels, decoder=recipe.decoder)
            widths, seen = (), self.backbone.channels
        if recipe.fusion != "levels":
            widths = (seen,) if recipe.fusion == "late" else ()
        self.fusion = nn.ModuleList(
            WordFusion(text.width, width, recipe.word_heads, official=recipe.official) for width in widths
        )
        self.places = Places(seen) if recipe.places else None
        self.decoder = QueryDecoder(
            QueryConfig(
                seen, text.width if recipe.fusion in ("late", "queries") else 0, recipe.queries, recipe.width,
                recipe.layers, recipe.heads, recipe.hidden, recipe.official,
            )
        )  # fmt: skip
        self.sentence = nn.Sequential(
            nn.Linear(text.width, text.width), nn.ReLU(), nn.Dropout(0.15), nn.Linear(text.width, recipe.width)
        )
        self.presence = None
        if recipe.presence and not recipe.official:
            self.presence = nn.Sequential(
                nn.Linear(3 * recipe.width + 1, recipe.width), nn.ReLU(), nn.Linear(recipe.width, 1)
            )
        self.register_buffer("threshold", torch.tensor(0.5))

    def forward(
        self, voxels: SparseTensor, words: Words, *, of_point: torch.Tensor | None = None, explain: bool = False
    ) -> list[Reply]:
        """A reply to each sentence.

        Args:
            voxels: B clouds, one after the other. words: k * B sentences, sentence j about cloud b in place j * B + b.
            of_point: (P,) voxel of each point, cloud after cloud: masks are proposed over points, not voxels, as the
                official code does; only with k = 1. explain: say which words were attended to.
        """
        clouds = int(voxels.batch[-1]) + 1
        copies = len(words) // clouds
        attention: list[torch.Tensor] = []
        if self.recipe.fusion == "levels":
            voxels = self._repeated(voxels, copies, clouds)
            copies, clouds = 1, len(words)
            feats = self._fused(voxels, words, attention if explain else None)
        else:
            seen = self.backbone(voxels)
            feats = seen if isinstance(seen, torch.Tensor) else seen.feats
        if self.places is not None:
            feats = feats + self.places(voxels.coords * self.recipe.voxel, voxels.batch)
        batch = voxels.batch
        if of_point is not None:
            feats, batch = feats[of_point], batch[of_point]
        parts = feats.split(torch.bincount(batch, minlength=clouds).tolist())
        late = self.recipe.fusion == "late"
        points = [] if late else [self.decoder.points(part) for part in parts]
        replies = []
        for place, sentence in enumerate(self.sentence(words.sentence)):
            part, own = parts[place % clouds], words.vectors[place][words.mask[place]]
            looked = attention[place] if attention else None
            if late:
                part, looked = self._late(part, own[None], explain)
            known = self.decoder.points(part) if late else points[place % clouds]
            reply = self._reply(part, self.decoder(known, own), sentence)
            replies.append(self._explained(reply, own, looked) if explain else reply)
        return replies

    def _late(
        self, feats: torch.Tensor, words: torch.Tensor, explain: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Voxels (n, C) with what they found among the words (1, T, W), and the shares of attention, if wanted."""
        fusion: WordFusion = self.fusion[0]  # type: ignore[assignment]
        seen = [len(feats)], words, words.new_ones(words.shape[:2], dtype=torch.bool)
        looked = fusion.weights(feats, *seen)[0] if explain else None
        return feats + fusion(feats, *seen), looked

    def _repeated(self, voxels: SparseTensor, copies: int, clouds: int) -> SparseTensor:
        coords, batch = voxels.coords, voxels.batch
        if self.recipe.official:
            return SparseTensor(coords, voxels.feats, batch, cache=ClippedKernelMaps(coords, batch))
        if copies == 1:
            return voxels
        cache = RepeatedKernelMaps(voxels.cache, copies, clouds)
        return SparseTensor(*_with(cache, voxels.feats.repeat(copies, 1)), cache=cache)

    def _fused(self, voxels: SparseTensor, words: Words, attention: list[torch.Tensor] | None) -> torch.Tensor:
        assert isinstance(self.backbone, SparseUNet)

        def look_at_words(level: int, at: SparseTensor) -> SparseTensor:
            fusion: WordFusion = self.fusion[level]  # type: ignore[assignment]
            counts = torch.bincount(at.batch, minlength=len(words)).tolist()
            if attention is not None and level == 0:
                attention.extend(fusion.weights(at.feats, counts, words.vectors, words.mask))
            return at.replace(at.feats + fusion(at.feats, counts, words.vectors, words.mask))

        return self.backbone(voxels, look_at_words).feats

    def _reply(self, feats: torch.Tensor, proposals: Proposals, sentence: torch.Tensor) -> Reply:
        weights = weigh(proposals.queries, sentence)
        logits = weights @ proposals.masks
        top = logits.max()
        presence = top
        if self.presence is not None:
            query = weights @ proposals.queries
            presence = self.presence(torch.cat([query, sentence, query * sentence, top[None]]))[0]
        return Reply(logits, feats, proposals, weights, presence, None)

    def _explained(self, reply: Reply, words: torch.Tensor, looked: torch.Tensor | None) -> Reply:
        """With the words (t, W) that the object's voxels, or the query of most weight, attended to."""
        share = None
        if looked is not None:
            chance = reply.logits.sigmoid()
            share = (chance @ looked)[: len(words)] / chance.sum()
        elif self.decoder.words is not None:
            layer: Any = self.decoder.layers[0]
            chosen = self.decoder.start()[reply.weights.argmax()][None]
            share = layer.words.weights(chosen, self.decoder.words(words))[0]
        return replace(reply, words=share)

    def training_step(self, batch: ReferBatch, progress: float) -> dict[str, torch.Tensor]:
        """The losses, each sentence counting the same."""
        voxels = _voxels(batch.clouds)
        replies = self(voxels, self.text(batch.texts))
        copies = len(batch.targets) // len(voxels)
        edges = torch.zeros_like(batch.targets)
        if self.recipe.edge:
            table = voxels.cache.submanifold(0)
            edges = torch.cat([losses.edges(each, table) for each in batch.targets.view(copies, -1)])
        lengths = [len(reply.logits) for reply in replies]
        per_sentence = zip(replies, batch.targets.split(lengths), edges.split(lengths), batch.present, strict=True)
        parts = [self._loss(*each) for each in per_sentence]
        total = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
        here = batch.present.to(replies[0].logits.dtype)
        metrics = {
            name: values.mean() if name == "presence" else (values * here).sum() / here.sum().clamp(min=1)
            for name, values in total.items()
        }
        return {"loss": torch.stack(list(metrics.values())).sum(), **{k: v.detach() for k, v in metrics.items()}}

    def _loss(
        self, reply: Reply, target: torch.Tensor, edge: torch.Tensor, present: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Of one sentence, weighted; those of the mask do not count where nothing is meant."""
        recipe, logits = self.recipe, reply.logits.float()
        result = {
            "bce": losses.weighted_bce(logits, target, recipe.positive, official=recipe.official),
            "area": recipe.area * losses.area(logits),
        }
        if recipe.contrast:
            contrast = losses.point_contrast(reply.feats.float(), target, official=recipe.official)
            result["contrast"] = recipe.contrast * contrast
        if recipe.edge:
            near = losses.weighted_bce(logits[edge], target[edge], 1.0) if bool(edge.any()) else logits.sum() * 0
            result["edge"] = recipe.edge * near
        if recipe.dice:
            result["dice"] = recipe.dice * losses.dice(logits, target)
        if self.presence is not None:
            there = functional.binary_cross_entropy_with_logits(reply.presence.float(), present.float())
            result["presence"] = recipe.presence * there
        return result


def _with(cache: KernelMaps, feats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    coords, batch = cache.voxels(0)
    return coords, feats, batch


# Training


def train(recipe: ReferRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`; leaves `best.ckpt` in `out`. Gives its metrics."""
    paths, validation = sources(recipe)
    words = vocabulary(recipe, paths)
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        model = LESS(recipe, sentence_encoder(recipe.text, trained=recipe.train_text, vocabulary=words))
    if recipe.init:
        start_model(model, model.backbone, Path(recipe.init), "less")
    make = recipe.maker(official=recipe.official, several=recipe.several, strange=recipe.strange, others=paths)
    loader = Loader(
        SceneDataset(paths, make), batch=recipe.batch // recipe.accumulate, seed=recipe.seed, collate=collate_refer,
        workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, LESS)
        outcomes = evaluate(module, validation, fabric).outcomes
        module.threshold.fill_(best_threshold(outcomes))
        return metrics(outcomes, float(module.threshold))

    facts = {"kind": "less", "recipe": recipe.model_dump(mode="json"), "vocabulary": words}
    job = Job(model, loader, groups(model, recipe), validate, score="miou", facts=facts)
    return fit(job, recipe, out, fabric, **options)


def load_trained(path: Path) -> LESS:
    """A trained model from a checkpoint, or a run's folder, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") != "less":
        raise InputError(f"{path}: holds no LESS; give the best.ckpt of a `scanwise train less` run")
    recipe = ReferRecipe.model_validate(checkpoint.facts["recipe"])
    text = sentence_encoder(recipe.text, trained=recipe.train_text, vocabulary=checkpoint.facts["vocabulary"])
    model = LESS(recipe, text)
    model.load_state_dict(checkpoint.tensors)
    return model.eval()


# Asking


def predict(
    model: LESS, scene: Scene, texts: Sequence[str], *, explain: bool = False, surface: Surface | None = None
) -> list[Prediction]:
    """Asks a scene several sentences at once: its voxels and their tables are made once.

    Where words reach the voxels (`fusion: levels`), as many sentences go through together as keep the batch below
    400 000 voxels. Where the network wants normals and the scene has none, they are estimated.

    Args:
        explain: say which words were attended to. surface: of the scene, where it is there already.
    """
    recipe = model.recipe
    if "normal" in recipe.features and scene.normals is None:
        scene = (surface or Surface(scene)).with_normals()
    sample = voxels_of(
        cloud_of(scene, labelled=False), recipe.voxel, recipe.features, scene.name, official=recipe.official
    )
    device = next(model.parameters()).device
    batch = collate([sample]).to(device)
    voxels = _voxels(batch)
    together = len(texts)
    if recipe.fusion == "levels":
        together = 1 if recipe.official else max(1, _MOST_VOXELS // len(sample))
    result = []
    for start in range(0, len(texts), together):
        some = texts[start : start + together]
        with torch.no_grad():
            words = model.text(some)
            replies = model(voxels, words, explain=explain)
        for text, reply, names in zip(some, replies, words.texts, strict=True):
            shares = [] if reply.words is None else reply.words.tolist()
            named = list(zip(names, shares, strict=True)) if shares else []
            scores = _of_points(reply.logits, sample, len(scene))
            several = _of_points(together_of(reply), sample, len(scene)) if plural(text) else None
            result.append(Prediction(scores, float(reply.presence.float().sigmoid()), named, several))
    return result


def together_of(reply: Reply) -> torch.Tensor:
    """(n,) logits of everything that the queries mean whose weight is at least half the greatest."""
    chosen = reply.proposals.masks[reply.weights >= _SECOND * reply.weights.max()]
    return torch.maximum(reply.logits, chosen.amax(0))


def _of_points(logits: torch.Tensor, sample: Sample, count: int) -> np.ndarray:
    """Probabilities of a scene's points (count,) from logits of its voxels."""
    scores = np.zeros(count, np.float32)
    scores[sample.row] = logits.float().sigmoid().cpu().numpy()[sample.of_point]
    return scores


def evaluate(model: LESS, paths: Sequence[Source], fabric: Fabric | None = None, **options: Any) -> Measured:
    """Outcomes and seconds; options of `measure`."""
    return measure(lambda scene, texts: predict(model, scene, texts), paths, fabric, **options)


def _voxels(batch: Batch) -> SparseTensor:
    return SparseTensor(batch.coords, batch.feats, batch.batch)
