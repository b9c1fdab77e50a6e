"""Semantic segmentation with labels: the supervised baseline, the linear probe and fine-tuning of any backbone.

Losses: cross-entropy, and the Lovász extension of the Jaccard loss.

Shapes: N voxels of a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import Batch, channels_of
from scanwise.errors import InputError
from scanwise.methods.segment.losses import lovasz_softmax
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.nn.backbone import PointTransformer, build_backbone
from scanwise.nn.offsets import offset_head, offset_loss
from scanwise.nn.processes import mean_over_processes
from scanwise.nn.sparse import SparseTensor
from scanwise.training.checkpoints import load_model


class Segmenter(nn.Module):
    """A backbone and a linear head: voxels -> logits (N, K).

    Args:
        recipe: which backbone, and whether it stays as it is.
        classes: names of the K classes.
        weights: (K,) of the classes in the cross-entropy; None = all alike. Training alone needs them.
    """

    weights: torch.Tensor | None

    def __init__(self, recipe: SegmentRecipe, classes: list[str], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        channels = channels_of(recipe.features)
        self.backbone = build_backbone(recipe.backbone, channels, decoder=recipe.decoder, drop_path=recipe.drop_path)
        self.norm = nn.LayerNorm(self.backbone.channels)
        self.head = nn.Linear(self.backbone.channels, len(classes))
        self.offsets = offset_head(self.backbone.channels) if recipe.offsets else None
        self.recipe, self.classes = recipe, classes
        self.register_buffer("weights", None if weights is None else torch.tensor(weights), persistent=False)
        self.backbone.requires_grad_(not recipe.freeze)
        if recipe.freeze == "encoder":
            self._decoder().requires_grad_(True)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits (N, K)."""
        return self.head(self.features(batch))

    def features(self, batch: Batch) -> torch.Tensor:
        """What the heads are given, (N, C)."""
        voxels = SparseTensor(batch.coords, batch.feats, batch.batch)
        if self.recipe.freeze:
            self.backbone.eval()
        if self.recipe.freeze == "encoder":
            self._decoder().train(self.training)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.recipe.freeze is not True):
            feats = self.backbone(voxels)
        return self.norm(feats)

    def _decoder(self) -> nn.Module:
        """What learns beside the head where the encoder alone is frozen."""
        if not isinstance(self.backbone, PointTransformer):
            text = f"freeze: encoder needs a Point Transformer; {self.recipe.backbone} has no decoder of its own"
            raise InputError(text)
        return self.backbone.network.decoder

    def heads(self, batch: Batch) -> list[torch.Tensor]:
        """Probabilities (N, K), and where they were taught offsets (N, 3) in metres, float32."""
        feats = self.features(batch)
        found = [self.head(feats).float().softmax(1)]
        return found if self.offsets is None else [*found, self.offsets(feats).float()]

    def training_step(self, batch: Batch, progress: float) -> dict[str, torch.Tensor]:
        """Cross-entropy and Lovász loss over the labelled voxels of the whole batch, on all processes; offsets' loss.

        Args:
            batch: with labels.
            progress: share of the run that is done; nothing depends on it.

        Returns:
            "loss", and its parts, for the log.
        """
        assert batch.labels is not None
        feats = self.features(batch)
        logits = self.head(feats).float()
        known = batch.labels >= 0
        entropy = mean_over_processes(
            functional.cross_entropy(logits, batch.labels, self.weights, ignore_index=-1, reduction="sum"),
            known.sum() if self.weights is None else self.weights[batch.labels[known]].sum(),
        )
        lovasz = lovasz_softmax(logits[known].softmax(1), batch.labels[known])
        loss, parts = entropy + self.recipe.lovasz * lovasz, {"entropy": entropy.detach(), "lovasz": lovasz.detach()}
        if self.offsets is not None:
            assert batch.offsets is not None
            inside = batch.offsets.isfinite().all(1)
            away = offset_loss(self.offsets(feats).float(), batch.offsets, inside)
            loss, parts = loss + self.recipe.offsets * away, parts | {"offset": away.detach()}
        return {"loss": loss} | parts


def load_segmenter(path: Path) -> Segmenter:
    """A trained segmenter.

    Args:
        path: a checkpoint, a run's folder, or shipped weights by name.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    return load_model(
        path, "segment",
        lambda found: Segmenter(SegmentRecipe.model_validate(found.facts["recipe"]), found.facts["classes"]),
        made_by="train segment", called="segmenter",
    )  # fmt: skip
