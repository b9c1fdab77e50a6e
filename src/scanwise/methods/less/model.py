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

from scanwise.devices import at_once
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

_TOGETHER = 16384  # voxels, each once for every sentence, that are worked on at a time


@dataclass(frozen=True, eq=False)
class Answers:
    """The network's answers to k sentences about one cloud, over its n voxels.

    Attributes:
        logits: (k, n) of the masks.
        feats: (k, n, C) of the voxels; (1, n, C) where words do not reach them.
        queries: (k, Q, width).
        weights: (k, Q) of the queries, sum 1.
        presence: (k,) logit that there is such a thing.
        masks: (k, Q, n) logits of the queries' own masks, or None where they were not asked for.
    """

    logits: torch.Tensor
    feats: torch.Tensor
    queries: torch.Tensor
    weights: torch.Tensor
    presence: torch.Tensor
    masks: torch.Tensor | None


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
        looked: list[torch.Tensor] = []
        answers = self.answers(voxels, words, of_point=of_point, looked=looked if explain else None, propose=True)
        replies = []
        for place in range(len(words)):
            copy, cloud = divmod(place, len(answers))
            each = answers[cloud]
            assert each.masks is not None
            proposals = Proposals(each.queries[copy], each.masks[copy])
            feats = each.feats[min(copy, len(each.feats) - 1)]
            reply = Reply(each.logits[copy], feats, proposals, each.weights[copy], each.presence[copy], None)
            if explain:
                own = words.vectors[place][words.mask[place]]
                reply = self._explained(reply, own, looked[place] if looked else None)
            replies.append(reply)
        return replies

    def answers(
        self,
        voxels: SparseTensor,
        words: Words,
        *,
        of_point: torch.Tensor | None = None,
        looked: list[torch.Tensor] | None = None,
        propose: bool = False,
    ) -> list[Answers]:
        """Of each cloud the answers to all its sentences, which go through together.

        Where words reach the voxels late, so many sentences of a cloud go through at a time as fit into a cache.

        Args:
            voxels: as of `forward`.
            words: as of `forward`.
            of_point: as of `forward`.
            looked: gets of each sentence the share of attention (n, T) that each word got from each voxel, where
                voxels attend to words.
            propose: give the queries' own masks as well.
        """
        clouds = int(voxels.batch[-1]) + 1
        sentences = len(words) // clouds
        batch, coords = voxels.batch, voxels.coords
        if self.recipe.fusion == "levels":
            voxels = self._repeated(voxels, sentences, clouds)
            feats = self._fused(voxels, words, clouds, looked)
        else:
            seen = self.backbone(voxels)
            feats = seen if isinstance(seen, torch.Tensor) else seen.feats
        if self.places is not None:
            feats = feats + self.places(voxels.coords * self.recipe.voxel, voxels.batch)
        if of_point is not None:
            feats, batch = feats[of_point], batch[of_point]
        parts = _split(feats, batch, clouds)
        coarse = parts
        if self.recipe.attend:
            coarse = _split(*_pooled(feats, coords >> self.recipe.attend, batch), clouds)
        whole = self.sentence(words.sentence)
        if looked is not None and self.recipe.fusion == "late":
            looked += self._late_shares(parts, words)
        result = []
        for cloud, (fine, rough) in enumerate(zip(parts, coarse, strict=True)):
            own = range(cloud, len(words), clouds)
            step = sentences
            if self.recipe.fusion == "late":
                step = max(1, at_once(fine.device, _TOGETHER, 64 * fine.shape[2]) // fine.shape[1])
            some = [own[start : start + step] for start in range(0, sentences, step)]
            result.append(_joined([self._answer(fine, rough, words.take(s), whole[list(s)], propose) for s in some]))
        return result

    def _answer(
        self, fine: torch.Tensor, rough: torch.Tensor, words: Words, whole: torch.Tensor, propose: bool
    ) -> Answers:
        """To k sentences about a cloud.

        Args:
            fine: (k, n, C) or (1, n, C) of its voxels, which masks are made of.
            rough: (k, m, C) or (1, m, C) of its cells, which queries attend to; `fine` where those are the voxels.
            words: k sentences.
            whole: (k, width) of each sentence.
            propose: give the queries' own masks as well.
        """
        same = rough is fine
        if self.recipe.fusion == "late":
            fine = self._late(fine, words)
            rough = fine if same else self._late(rough, words)
        keys, pixels = self.decoder.embed(rough)
        queries = self.decoder((keys, pixels), words.vectors, words.mask).expand(len(words), -1, -1)
        if not same:
            pixels = self.decoder.pixels(fine)
        return self._weighed(fine, pixels, queries, whole, propose)

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

    def _fused(
        self, voxels: SparseTensor, words: Words, clouds: int, looked: list[torch.Tensor] | None
    ) -> torch.Tensor:
        """Features (k * N, media) of voxels that looked at their words at every level; `looked` gets the finest's."""
        assert isinstance(self.backbone, SparseUNet)

        def look_at_words(level: int, at: SparseTensor) -> SparseTensor:
            fusion: WordFusion = self.fusion[level]  # type: ignore[assignment]
            counts = torch.bincount(at.batch, minlength=len(words))[:clouds].tolist()
            if looked is not None and level == 0:
                looked.extend(fusion.weights(at.feats, counts, words.vectors, words.mask))
            return at.replace(at.feats + fusion(at.feats, counts, words.vectors, words.mask))

        return self.backbone(voxels, look_at_words).feats

    def _late(self, feats: torch.Tensor, words: Words) -> torch.Tensor:
        """(k, n, C): a cloud's voxels (1, n, C), with what they found among the words of each of k sentences."""
        fusion: WordFusion = self.fusion[0]  # type: ignore[assignment]
        found = fusion(feats[0], [feats.shape[1]], words.vectors, words.mask)
        return feats + found.view(len(words), *feats.shape[1:])

    def _late_shares(self, parts: list[torch.Tensor], words: Words) -> list[torch.Tensor]:
        fusion: WordFusion = self.fusion[0]  # type: ignore[assignment]
        counts = [part.shape[1] for part in parts]
        return fusion.weights(torch.cat(parts, 1)[0], counts, words.vectors, words.mask)

    # QSA (3.3): the sentence weighs the queries' masks

    def _weighed(
        self, feats: torch.Tensor, pixels: torch.Tensor, queries: torch.Tensor, whole: torch.Tensor, propose: bool
    ) -> Answers:
        """The answers; the mask of the mean query is the mean of the queries' masks, which need not be made for it."""
        weights = weigh(queries, whole)
        query = (weights[:, None] @ queries)[:, 0]
        masks = self.decoder.masks_of(queries, pixels) if propose else None
        if masks is None:
            logits = self.decoder.masks_of(query[:, None], pixels)[:, 0]
        else:
            logits = (weights[:, None] @ masks)[:, 0]
        presence = top = logits.amax(1)
        if self.presence is not None:
            presence = self.presence(torch.cat([query, whole, query * whole, top[:, None]], 1))[:, 0]
        return Answers(logits, feats, queries, weights, presence, masks)

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
        answers = self.answers(voxels, self.text(batch.texts))
        counts = [answer.logits.shape[1] for answer in answers]
        targets = batch.targets.view(-1, sum(counts))
        edges = torch.zeros_like(targets)
        if self.recipe.edge:
            edges = losses.edges(targets.T, voxels.cache.submanifold(0)).T
        present = batch.present.view(-1, len(counts)).T
        per_cloud = zip(answers, targets.split(counts, 1), edges.split(counts, 1), present, strict=True)
        parts = [self._loss(*each) for each in per_cloud]
        total = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        here = present.flatten().to(answers[0].logits.dtype)
        metrics = {
            name: values.mean() if name == "presence" else (values * here).sum() / here.sum().clamp(min=1)
            for name, values in total.items()
        }
        return {"loss": torch.stack(list(metrics.values())).sum(), **{k: v.detach() for k, v in metrics.items()}}

    def _loss(
        self, answers: Answers, target: torch.Tensor, edge: torch.Tensor, present: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Of a cloud's k sentences (k,), weighted; those of the mask do not count where nothing is meant."""
        recipe, logits = self.recipe, answers.logits.float()
        result = {
            "bce": losses.weighted_bce(logits, target, recipe.positive, official=recipe.official),
            "area": recipe.area * losses.area(logits),
        }
        if recipe.contrast:
            feats = answers.feats.float().expand(len(target), -1, -1)
            result["contrast"] = recipe.contrast * losses.point_contrast(feats, target, official=recipe.official)
        if recipe.edge:
            result["edge"] = recipe.edge * losses.weighted_bce(logits, target, 1.0, within=edge)
        if recipe.dice:
            result["dice"] = recipe.dice * losses.dice(logits, target)
        if self.presence is not None:
            there = functional.binary_cross_entropy_with_logits(
                answers.presence.float(), present.float(), reduction="none"
            )
            result["presence"] = recipe.presence * there
        return result


def _joined(parts: list[Answers]) -> Answers:
    """The answers to some sentences about a cloud and to others, as one."""
    if len(parts) == 1:
        return parts[0]
    masks = [part.masks for part in parts if part.masks is not None]
    return Answers(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.feats for part in parts]),
        torch.cat([part.queries for part in parts]),
        torch.cat([part.weights for part in parts]),
        torch.cat([part.presence for part in parts]),
        torch.cat(masks) if masks else None,
    )


def _split(feats: torch.Tensor, batch: torch.Tensor, clouds: int) -> list[torch.Tensor]:
    """Of each cloud (k, n, C), from (k * N, C) of all clouds k times over, and the cloud (N,) of each row."""
    counts = torch.bincount(batch, minlength=clouds).tolist()
    return list(feats.view(-1, len(batch), feats.shape[1]).split(counts, 1))


def _pooled(feats: torch.Tensor, cells: torch.Tensor, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean features (M, C) of each cloud's cells, and their clouds (M,), from voxels (N, C) in cells (N, 3)."""
    keys = torch.cat([batch[:, None].long(), cells.long()], 1)
    unique, place, counts = torch.unique(keys, dim=0, return_inverse=True, return_counts=True)
    sums = feats.new_zeros(len(unique), feats.shape[1]).index_add(0, place, feats)
    return sums / counts[:, None], unique[:, 0]
