"""LESS: one object of a scene from a sentence, learnt from binary masks alone (arXiv 2410.13294, NeurIPS 2024).

Words reach the voxels of a sparse U-Net (PWCA, section 3.2), queries propose masks (QMP, 3.3), the sentence weighs them
(QSA, 3.3); the losses (3.4) are a weighted cross-entropy, the mask's area, and a contrast between the object's points
and the background's. `docs/less.md` has what differs between the paper, the official code and this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from scanwise.methods.less import losses
from scanwise.methods.less.data import ReferBatch
from scanwise.methods.less.kernel_maps import ClippedKernelMaps, RepeatedKernelMaps
from scanwise.methods.less.positions import PositionEncoding
from scanwise.methods.less.query_decoder import Proposals, QueryConfig, QueryDecoder, weigh
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.nn.backbone import Backbone, build_backbone
from scanwise.nn.sentence import SentenceEncoder, Words
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig
from scanwise.nn.word_fusion import WordFusion


@dataclass(frozen=True, eq=False)
class Reply:
    """The network's answer to one sentence, over the n voxels of its scene.

    Attributes:
        logits: (n,) of the mask.
        feats: (n, C) of the voxels.
        proposals: queries and their masks.
        weights: (Q,) of the queries, sum 1.
        presence: () logit that there is such a thing.
        words: (T,) share of attention of each word, or None where it was not asked for, or no words were looked at.
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
        recipe: its shape, and the weights of its losses.
        text: the sentence encoder.

    Attributes:
        threshold: () of `presence` as a probability, from which a thing counts as found; calibrated on validation.
    """

    threshold: torch.Tensor

    def __init__(self, recipe: LESSRecipe, text: SentenceEncoder) -> None:
        super().__init__()
        self.recipe, self.text = recipe, text
        self.backbone: SparseUNet | Backbone
        if recipe.backbone == "unet":
            widths = recipe.widths
            self.backbone, seen = SparseUNet(SparseUNetConfig(recipe.channels, widths, recipe.blocks)), recipe.media
        else:
            self.backbone = build_backbone(recipe.backbone, recipe.channels, decoder=recipe.decoder)
            widths, seen = (), self.backbone.channels
        if recipe.fusion != "levels":
            widths = (seen,) if recipe.fusion == "late" else ()
        self.fusion = nn.ModuleList(
            WordFusion(text.width, width, recipe.word_heads, official=recipe.official) for width in widths
        )
        self.places = PositionEncoding(seen) if recipe.positions else None  # shipped weights have it by this name
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
            voxels: B clouds, one after the other.
            words: k * B sentences, sentence j about cloud b in place j * B + b.
            of_point: (P,) voxel of each point, cloud after cloud: masks are proposed over points, not voxels, as the
                official code does; only with k = 1.
            explain: say which words were attended to.
        """
        clouds, late = int(voxels.batch[-1]) + 1, self.recipe.fusion == "late"
        attention: list[torch.Tensor] = []
        if self.recipe.fusion == "levels":
            voxels = self._repeated(voxels, len(words) // clouds, clouds)
            clouds = len(words)
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
        embedded = [] if late else [self.decoder.embed(part) for part in parts]
        replies = []
        for index, sentence in enumerate(self.sentence(words.sentence)):
            part, own = parts[index % clouds], words.vectors[index][words.mask[index]]
            looked = attention[index] if attention else None
            if late:
                part, looked = self._late(part, own[None], explain)
            points = self.decoder.embed(part) if late else embedded[index % clouds]
            reply = self._reply(part, self.decoder(points, own), sentence)
            replies.append(self._explained(reply, own, looked) if explain else reply)
        return replies

    # PWCA (3.2): words reach voxels, at every level of the U-Net or once after the backbone

    def _repeated(self, voxels: SparseTensor, copies: int, clouds: int) -> SparseTensor:
        """The clouds once for each sentence about them, with tables of neighbours that are made once."""
        coords, batch = voxels.coords, voxels.batch
        if self.recipe.official:
            return SparseTensor(coords, voxels.feats, batch, cache=ClippedKernelMaps(coords, batch))
        if copies == 1:
            return voxels
        cache = RepeatedKernelMaps(voxels.cache, copies, clouds)
        coords, batch = cache.voxels(0)
        return SparseTensor(coords, voxels.feats.repeat(copies, 1), batch, cache=cache)

    def _fused(self, voxels: SparseTensor, words: Words, attention: list[torch.Tensor] | None) -> torch.Tensor:
        """Features (N, media) of voxels that looked at their words at every level; `attention` gets the finest's."""
        assert isinstance(self.backbone, SparseUNet)

        def look_at_words(level: int, at: SparseTensor) -> SparseTensor:
            fusion: WordFusion = self.fusion[level]  # type: ignore[assignment]
            counts = torch.bincount(at.batch, minlength=len(words)).tolist()
            if attention is not None and level == 0:
                attention.extend(fusion.weights(at.feats, counts, words.vectors, words.mask))
            return at.replace(at.feats + fusion(at.feats, counts, words.vectors, words.mask))

        return self.backbone(voxels, look_at_words).feats

    def _late(
        self, feats: torch.Tensor, words: torch.Tensor, explain: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Voxels (n, C) with what they found among the words (1, T, W), and the shares of attention, if wanted."""
        fusion: WordFusion = self.fusion[0]  # type: ignore[assignment]
        seen = [len(feats)], words, words.new_ones(words.shape[:2], dtype=torch.bool)
        looked = fusion.weights(feats, *seen)[0] if explain else None
        return feats + fusion(feats, *seen), looked

    # QSA (3.3): the sentence weighs the queries' masks

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
            probability = reply.logits.sigmoid()
            share = (probability @ looked)[: len(words)] / probability.sum()
        elif self.decoder.words is not None:
            layer: Any = self.decoder.layers[0]
            chosen = self.decoder.initial()[reply.weights.argmax()][None]
            share = layer.words.weights(chosen, self.decoder.words(words))[0]
        return replace(reply, words=share)

    # Losses (3.4)

    def training_step(self, batch: ReferBatch, progress: float) -> dict[str, torch.Tensor]:
        """The losses, each sentence counting the same."""
        clouds = batch.clouds
        voxels = SparseTensor(clouds.coords, clouds.feats, clouds.batch)
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
