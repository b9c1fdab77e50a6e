"""Labels from scratch: a ViT with a linear head on CLS (arXiv 2010.11929)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from scanwise.data.image_views import color_jitter
from scanwise.data.images import ImageBatch, to_float
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.nn.vit import ViT
from scanwise.training.images import views_of


class Supervised(nn.Module):
    """A ViT with a linear head on CLS, trained with labels.

    Args:
        recipe: size of the ViT.
        classes: K.
    """

    def __init__(self, recipe: BaselineRecipe, classes: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = ViT(recipe.vit)
        self.head = nn.Linear(recipe.vit.width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) of images (B, 3, S, S) in [0, 1]."""
        return self.head(self.encoder(images).cls)

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        """Cross-entropy of a batch, and the share of it whose class is found."""
        batch = views_of(batch, self.recipe, progress)
        logits = self(color_jitter(to_float(batch.images), blur=0.0)).float()
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=0.1)
        return {"loss": loss, "accuracy": (logits.argmax(1) == batch.labels).float().mean()}
