"""LESS: one object of a scene from a sentence, learnt from binary masks alone (arXiv 2410.13294, NeurIPS 2024).

Words reach the voxels of a sparse U-Net (PWCA), queries propose masks (QMP), the sentence weighs them (QSA); the losses
are a weighted cross-entropy, the mask's area, and a contrast between the object's points and the background's.
`docs/less.md` has what differs between the paper, the official code and this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import FEATURES, Batch, collate
from scanwise.data.datasets import Loader, Scenes, Source, read_source, scene_paths
from scanwise.data.referring import MakeReferSample, ReferBatch, cloud_of, collate_refer, voxels_of
from scanwise.errors import InputError
from scanwise.evaluation.referring import Outcome, best_threshold, figures, mask_iou, unique_instances
from scanwise.nn import refer_losses as losses
from scanwise.nn.backbone import Backbone
from scanwise.nn.neighbour_views import ClippedNeighbours, RepeatedNeighbours
from scanwise.nn.neighbours import Neighbours
from scanwise.nn.query_decoder import Proposals, QueryConfig, QueryDecoder, weigh
from scanwise.nn.sentence import SentenceEncoder, Words, sentence_encoder, words_of
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig
from scanwise.nn.word_fusion import WordFusion
from scanwise.scene import Scene
from scanwise.training.checkpoints import load, start_from
from scanwise.training.loop import Job, fit, parameter_groups
from scanwise.training.recipe import Recipe

_MOST_VOXELS = 400_000  # of a batch of sentences about one scene


class ReferRecipe(Recipe):
    """A run of LESS.

    Attributes:
        backbone: "unet" as in the paper, or a Point Transformer of that size, which may start from DOS. media, levels,
            blocks: of the U-Net: channels of the finest level (level l has l + 1 times as many), levels, residual
            blocks of a side. decoder: blocks of each decoder stage of a Point Transformer.
        fusion: where words come in: "levels" of the U-Net (PWCA), "queries" that attend to words, so that what is seen
            serves any number of sentences, or "none".
        text: "minilm", "gru", "roberta", "bert", or a name or folder for transformers. train_text: it learns too, at
            `text_rate` of the learning rate.
        queries, width, layers, heads, hidden: of the query decoder; word_heads: of the attention to words.
        voxel: metres. features: inputs of each voxel. points: most of a training scene, drawn at random; 0 = all.
        sentences: of each scene of a batch. augment: scenes are changed at random, as far as the sentence allows.
        positive: weight of the object's voxels. area, contrast, edge, dice, presence: weights of the losses beside the
            cross-entropy: mask size, point contrast, cross-entropy at the object's edge, overlap, and whether the
            thing is there at all.
        init: weights that the backbone starts from; "" = random. init_rate: its learning rate over that of the rest.
        official: everything as the official code has it.
    """

    backbone: Literal["unet", "tiny", "small", "base"] = "unet"
    media: int = Field(32, ge=4)
    levels: int = Field(5, ge=2, le=7)
    blocks: int = Field(2, ge=1)
    decoder: int = Field(1, ge=0)
    fusion: Literal["levels", "queries", "none"] = "levels"
    text: str = "minilm"
    train_text: bool = False
    text_rate: float = Field(0.2, gt=0)
    queries: int = Field(20, ge=1)
    width: int = Field(256, ge=8)
    layers: int = Field(1, ge=1)
    heads: int = Field(1, ge=1)
    hidden: int = Field(1024, ge=8)
    word_heads: int = Field(1, ge=1)
    voxel: float = Field(0.02, gt=0)
    features: tuple[Literal["coord", "color", "normal", "intensity"], ...] = ("coord", "color")
    points: int = Field(0, ge=0)
    sentences: int = Field(4, ge=1)
    augment: bool = True
    positive: float = Field(20.0, gt=0)
    area: float = Field(1.0, ge=0)
    contrast: float = Field(0.05, ge=0)
    edge: float = Field(0.0, ge=0)
    dice: float = Field(0.0, ge=0)
    presence: float = Field(0.2, ge=0)
    init: str = ""
    init_rate: float = Field(1.0, gt=0)
    official: bool = False

    @model_validator(mode="after")
    def _fits(self) -> ReferRecipe:
        if self.backbone != "unet" and self.fusion == "levels":
            raise ValueError("fusion: levels needs backbone: unet; use fusion: queries with a Point Transformer")
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
            widths = tuple(recipe.media * (level + 1) for level in range(recipe.levels))
            self.backbone, seen = SparseUNet(SparseUNetConfig(channels, widths, recipe.blocks)), recipe.media
        else:
            self.backbone = Backbone(recipe.backbone, channels, decoder=recipe.decoder)
            widths, seen = (), self.backbone.channels
        if recipe.fusion != "levels":
            widths = ()
        self.fusion = nn.ModuleList(
            WordFusion(text.width, width, recipe.word_heads, official=recipe.official) for width in widths
        )
        self.decoder = QueryDecoder(
            QueryConfig(
                seen, text.width if recipe.fusion == "queries" else 0, recipe.queries, recipe.width, recipe.layers,
                recipe.heads, recipe.hidden, recipe.official,
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
        attention: list[list[torch.Tensor]] = []
        if self.fusion:
            voxels = self._repeated(voxels, copies, clouds)
            copies, clouds = 1, len(words)
            feats = self._fused(voxels, words, attention if explain else None)
        else:
            seen = self.backbone(voxels)
            feats = seen if isinstance(seen, torch.Tensor) else seen.feats
        batch = voxels.batch
        if of_point is not None:
            feats, batch = feats[of_point], batch[of_point]
        parts = feats.split(torch.bincount(batch, minlength=clouds).tolist())
        points = [self.decoder.points(part) for part in parts]
        sentences = self.sentence(words.sentence)
        replies = []
        for place, sentence in enumerate(sentences):
            cloud = place % clouds
            own = words.vectors[place][words.mask[place]]
            reply = self._reply(parts[cloud], self.decoder(points[cloud], own), sentence)
            if explain:
                reply = self._explained(reply, points[cloud], own, attention[place] if attention else [])
            replies.append(reply)
        return replies

    def _repeated(self, voxels: SparseTensor, copies: int, clouds: int) -> SparseTensor:
        coords, batch = voxels.coords, voxels.batch
        if self.recipe.official:
            return SparseTensor(coords, voxels.feats, batch, cache=ClippedNeighbours(coords, batch))
        if copies == 1:
            return voxels
        cache = RepeatedNeighbours(voxels.cache, copies, clouds)
        return SparseTensor(*_with(cache, voxels.feats.repeat(copies, 1)), cache=cache)

    def _fused(self, voxels: SparseTensor, words: Words, attention: list[list[torch.Tensor]] | None) -> torch.Tensor:
        assert isinstance(self.backbone, SparseUNet)

        def look_at_words(level: int, at: SparseTensor) -> SparseTensor:
            fusion: WordFusion = self.fusion[level]  # type: ignore[assignment]
            counts = torch.bincount(at.batch, minlength=len(words)).tolist()
            if attention is not None and level == 0:
                weights = fusion.weights(at.feats, counts, words.vectors, words.mask)
                attention.extend([[each] for each in weights])
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

    def _explained(
        self,
        reply: Reply,
        points: tuple[torch.Tensor, torch.Tensor],
        words: torch.Tensor,
        attention: list[torch.Tensor],
    ) -> Reply:
        """With the words that the object's voxels, or the query of most weight, attended to."""
        share = None
        if attention:
            chance = reply.logits.sigmoid()
            share = (chance @ attention[0])[: len(words)] / chance.sum()
        elif self.decoder.words is not None:
            layer: Any = self.decoder.layers[0]
            chosen = self.decoder.start()[reply.weights.argmax()][None]
            share = layer.words.weights(chosen, self.decoder.words(words))[0]
        return Reply(reply.logits, reply.feats, reply.proposals, reply.weights, reply.presence, share)

    def training_step(self, batch: ReferBatch, progress: float) -> dict[str, torch.Tensor]:
        """The losses, each sentence counting the same."""
        voxels = _voxels(batch.clouds)
        replies = self(voxels, self.text(batch.texts))
        copies = len(batch.targets) // len(voxels)
        edges = torch.zeros_like(batch.targets)
        if self.recipe.edge:
            table = voxels.cache.same(0)
            edges = torch.cat([losses.edges(each, table) for each in batch.targets.view(copies, -1)])
        lengths = [len(reply.logits) for reply in replies]
        per_sentence = zip(replies, batch.targets.split(lengths), edges.split(lengths), batch.present, strict=True)
        parts = [self._loss(*each) for each in per_sentence]
        total = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
        here = batch.present.to(replies[0].logits.dtype)
        figures = {
            name: values.mean() if name == "presence" else (values * here).sum() / here.sum().clamp(min=1)
            for name, values in total.items()
        }
        return {"loss": torch.stack(list(figures.values())).sum(), **{k: v.detach() for k, v in figures.items()}}

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


def _with(cache: Neighbours, feats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    coords, batch = cache.voxels(0)
    return coords, feats, batch


# Training


def train(recipe: ReferRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`; leaves `best.ckpt` in `out`. Gives its figures."""
    paths = scene_paths(recipe.data, "train", recipe.share)
    vocabulary = _vocabulary(paths) if recipe.text == "gru" else []
    with fabric.init_module(empty_init=False):
        torch.manual_seed(recipe.seed)
        model = LESS(recipe, sentence_encoder(recipe.text, trained=recipe.train_text, vocabulary=vocabulary))
    if recipe.init:
        start_from(model.backbone, Path(recipe.init))
    make = MakeReferSample(
        recipe.voxel, recipe.features, recipe.sentences, recipe.points, recipe.augment, recipe.official
    )
    loader = Loader(
        Scenes(paths, make), batch=recipe.batch // recipe.accumulate, seed=recipe.seed, collate=collate_refer,
        workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    validation = scene_paths(recipe.data, "val")

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, LESS)
        outcomes = evaluate(module, validation, fabric)
        module.threshold.fill_(best_threshold(outcomes))
        return figures(outcomes, float(module.threshold))

    facts = {"kind": "less", "recipe": recipe.model_dump(mode="json"), "vocabulary": vocabulary}
    job = Job(model, loader, _groups(model), validate, score="miou", facts=facts)
    return fit(job, recipe, out, fabric, **options)


def _vocabulary(paths: Sequence[Source]) -> list[str]:
    return sorted({word for path in paths for each in read_source(path).sentences for word in words_of(each.text)})


def _groups(model: LESS) -> list[dict[str, Any]]:
    recipe = model.recipe
    scales = {"backbone": recipe.init_rate if recipe.init else 1.0, "text": recipe.text_rate}
    return [
        group | {"scale": scales.get(name, 1.0)}
        for name, part in model.named_children()
        for group in parameter_groups(part, recipe.weight_decay)
    ]


def load_trained(path: Path) -> LESS:
    """A trained model from a checkpoint, or a run's folder, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    path = path / "best.ckpt" if path.is_dir() else path
    checkpoint = load(path)
    if checkpoint.facts.get("kind") != "less":
        raise InputError(f"{path}: holds no LESS; give the best.ckpt of a `scanwise train less` run")
    recipe = ReferRecipe.model_validate(checkpoint.facts["recipe"])
    text = sentence_encoder(recipe.text, trained=recipe.train_text, vocabulary=checkpoint.facts["vocabulary"])
    model = LESS(recipe, text)
    model.load_state_dict(checkpoint.tensors)
    return model.eval()


# Asking


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model makes of one sentence.

    Attributes:
        scores: (N,) float32 probability of each point, 0 for points that are not finite. presence: 0..1, how sure it
            is that there is such a thing. words: (word, share of attention) in order; empty where not asked for.
    """

    scores: np.ndarray
    presence: float
    words: list[tuple[str, float]]


def predict(model: LESS, scene: Scene, texts: Sequence[str], *, explain: bool = False) -> list[Prediction]:
    """Asks a scene several sentences at once: its voxels and their tables are made once.

    Where words reach the voxels (`fusion: levels`), as many sentences go through together as keep the batch below
    400 000 voxels.
    """
    recipe = model.recipe
    sample = voxels_of(
        cloud_of(scene, labelled=False), recipe.voxel, recipe.features, scene.name, official=recipe.official
    )
    device = next(model.parameters()).device
    batch = collate([sample]).to(device)
    voxels = _voxels(batch)
    together = len(texts)
    if model.fusion:
        together = 1 if recipe.official else max(1, _MOST_VOXELS // len(sample))
    result = []
    for start in range(0, len(texts), together):
        some = texts[start : start + together]
        with torch.no_grad():
            words = model.text(some)
            replies = model(voxels, words, explain=explain)
        for reply, names in zip(replies, words.texts, strict=True):
            scores = np.zeros(len(scene), np.float32)
            scores[sample.row] = reply.logits.float().sigmoid().cpu().numpy()[sample.of_point]
            shares = [] if reply.words is None else reply.words.tolist()
            named = list(zip(names, shares, strict=True)) if shares else []
            result.append(Prediction(scores, float(reply.presence.float().sigmoid()), named))
    return result


def evaluate(
    model: LESS, paths: Sequence[Source], fabric: Fabric | None = None, *, fallback: bool = False
) -> list[Outcome]:
    """The outcome of every sentence of scenes, shared out among the processes; masks over the scenes' own points.

    Args:
        fallback: enlarge small masks as the official code does.
    """
    rank, world = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
    outcomes: list[Outcome] = []
    for path in paths[rank::world]:
        scene = read_source(path)
        if scene.instances is None or not scene.sentences:
            continue
        unique = unique_instances(scene)
        found = predict(model, scene, [each.text for each in scene.sentences])
        for each, prediction in zip(scene.sentences, found, strict=True):
            here = each.instance >= 0
            iou = mask_iou(prediction.scores, scene.instances == each.instance, fallback=fallback) if here else 0.0
            outcomes.append(Outcome(iou, prediction.presence, here, unique.get(each.instance), each.text))
    if fabric is None or world == 1:
        return outcomes
    import torch.distributed as distributed

    gathered: list[Any] = [None] * world
    distributed.all_gather_object(gathered, outcomes)
    return [outcome for part in gathered for outcome in part]


def _voxels(batch: Batch) -> SparseTensor:
    return SparseTensor(batch.coords, batch.feats, batch.batch)
