"""A small dense vision-language encoder for rooms: what each place of an image is called, learned from made rooms.

EfficientNet-Lite0 and a feature pyramid (`scanwise.nn.dense_text`) give each place an embedding in the space of a
frozen sentence encoder, where it is told apart from all words of the data ("Language-driven semantic segmentation",
arXiv 2201.03546, trains so on real images). The trunk moves slowly and keeps its ImageNet scores ("Learning without
forgetting", arXiv 1606.09282), so that words that no made room shows keep some meaning. In its place can stand a
STELLAR network, whose features were learned without any label and stay as they are.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from scanwise.methods.vision.data import PixelBatch, Vocabulary
from scanwise.methods.vision.recipe import RoomsVisionRecipe
from scanwise.nn.dense_text import DenseTextEncoder, PyramidTextEncoder, class_logits, late_blocks
from scanwise.training.images import load_tokens
from scanwise.vision.rooms import imagenet_trunk
from scanwise.vision.stellar import PatchTextEncoder

TEMPERATURE = 2.0  # at which ImageNet scores are kept


class RoomsVision(nn.Module):
    """The encoder, and what it is trained by; its teacher is the trunk as it was before.

    Args:
        recipe: trunk and weights of the losses.
        vocabulary: that pixels are told apart by.

    Attributes:
        recipe: as given.
        vocabulary: as given.
        encoder: what is trained.
    """

    phrasings: torch.Tensor
    rivals: torch.Tensor
    class_row: torch.Tensor

    def __init__(self, recipe: RoomsVisionRecipe, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.recipe, self.vocabulary = recipe, vocabulary
        self._teacher: list[Any] = []  # in a list: neither trained nor saved
        if recipe.trunk:
            self.encoder: DenseTextEncoder = PatchTextEncoder(load_tokens(Path(recipe.trunk)))
        else:
            trunk = imagenet_trunk()
            self._teacher.append(copy.deepcopy(trunk).eval().requires_grad_(False))
            self.encoder = PyramidTextEncoder(trunk.requires_grad_(True))
        for name in ("phrasings", "rivals", "class_row"):
            self.register_buffer(name, getattr(vocabulary, name), persistent=False)

    def training_step(self, batch: PixelBatch, progress: float) -> dict[str, torch.Tensor]:
        """Cross-entropy over open names and over class words, and the divergence from the teacher's ImageNet scores."""
        frozen = self.encoder.frozen_features(batch.images)
        maps = self.encoder.trunk_maps(frozen)
        features = self.encoder.pyramid(maps).permute(0, 2, 3, 1).flatten(0, 2)
        words, classes = batch.words.flatten(), batch.classes.flatten()
        classes = torch.where(classes >= 0, self.class_row[classes], -1)
        rows = balanced_rows(words, classes, len(batch) * self.recipe.samples)
        embeddings = self.encoder.embeddings(features[rows])
        ways = torch.randint(self.phrasings.shape[1], (len(self.phrasings),), device=rows.device)
        texts = self.phrasings[torch.arange(len(ways), device=rows.device), ways]
        logits = self.encoder.log_scale.exp() * embeddings @ texts.T
        count = len(self.vocabulary.names)
        open_loss = name_loss(logits[:, :count], words[rows], self.rivals)
        class_loss = functional.cross_entropy(logits[:, count:], classes[rows], ignore_index=-1)
        loss = open_loss + self.recipe.class_weight * class_loss
        terms = {"names": open_loss.detach(), "classes": class_loss.detach()}
        if self._teacher:
            keep = self._kept(frozen, class_logits(self.encoder.trunk, maps.last))
            loss, terms["kept"] = loss + self.recipe.keep_weight * keep, keep.detach()
        return {"loss": loss, **terms}

    def _kept(self, frozen: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Divergence of ImageNet scores (B, h, w, 1000) from the teacher's, at temperature 2."""
        teacher = self._teacher[0].to(frozen.device)
        with torch.no_grad():
            wanted = (class_logits(teacher, late_blocks(teacher, frozen).last) / TEMPERATURE).softmax(-1)
        found = (logits / TEMPERATURE).log_softmax(-1)
        return functional.kl_div(found.flatten(0, 2), wanted.flatten(0, 2), reduction="batchmean")


def balanced_rows(words: torch.Tensor, classes: torch.Tensor, count: int) -> torch.Tensor:
    """Rows to learn from, drawn with replacement from those with a word or a class.

    Rarer words come oftener, by the square root of how many rows they have in this batch.

    Args:
        words: (n,) int64, -1 = none.
        classes: (n,) int64, -1 = none.
        count: of rows to draw.
    """
    known = torch.nonzero((words >= 0) | (classes >= 0))[:, 0]
    _, which, many = torch.unique(words[known], return_inverse=True, return_counts=True)
    return known[torch.multinomial(many.float().rsqrt()[which], count, replacement=True)]


def name_loss(logits: torch.Tensor, words: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over open names, each among its rivals alone.

    Args:
        logits: (n, V).
        words: (n,) int64, -1 = none.
        rivals: (V, V) bool, as of `Vocabulary`.
    """
    rows = words >= 0
    logits = logits[rows].masked_fill(~rivals[words[rows]], -torch.inf)
    return functional.cross_entropy(logits, words[rows])
