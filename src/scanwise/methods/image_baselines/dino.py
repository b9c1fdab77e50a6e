"""DINO: emerging properties in self-supervised vision transformers (arXiv 2104.14294).

CLS of small crops and of two large views predicts what an EMA teacher says of the other large view.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from scanwise.data.image_views import color_jitter
from scanwise.data.images import ImageBatch, to_float
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.nn.heads import ClusterHead, soft_cross_entropy
from scanwise.nn.vit import ViT
from scanwise.training.images import views_of
from scanwise.training.teacher import follow, momentum


class DINO(nn.Module):
    """Self-distillation without labels; a centre that moves with the teacher's answers keeps it from collapse.

    Prototypes have length 1 (appendix C): longer ones make a teacher of temperature 0.04 so sure that it collapses.
    What is probed is the teacher, as in the paper.

    Args:
        recipe: sizes of ViT and head, momentum.

    Attributes:
        encoder: the ViT.
        head: CLS -> logits (B, K).
        teacher: the average over time of both.
        center: (K,) mean of the teacher's answers over time.
    """

    temperature, teacher_temperature, center_momentum = 0.1, 0.04, 0.9
    center: torch.Tensor

    def __init__(self, recipe: BaselineRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = ViT(recipe.vit)
        self.head = ClusterHead(
            recipe.vit.width, recipe.predictor, recipe.prototype_width, recipe.prototypes, unit=True
        )
        self.teacher = copy.deepcopy(nn.ModuleList([self.encoder, self.head])).requires_grad_(False)
        self.register_buffer("center", torch.zeros(recipe.prototypes))

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        """The loss of two views and small crops of each of a batch of whole pictures."""
        batch = views_of(batch, self.recipe, progress, second=True, small=self.recipe.crops)
        assert batch.second is not None
        large = color_jitter(to_float(torch.cat([batch.images, batch.second])))
        small = color_jitter(to_float(batch.crops.transpose(0, 1).flatten(0, 1))) if batch.crops is not None else None
        return {"loss": self.loss(large, small)}

    def loss(self, large: torch.Tensor, small: torch.Tensor | None) -> torch.Tensor:
        """Mean cross-entropy of every pair of a view and another large view.

        Args:
            large: (2 B, 3, S, S) in [0, 1], first views, then second ones.
            small: (V B, 3, s, s) in [0, 1], view by view; None = no small crops.
        """
        encoder, head = self.teacher
        with torch.no_grad():
            answers = head(encoder(large).cls).float()
            first, second = ((answers - self.center) / self.teacher_temperature).softmax(1).chunk(2)
            if self.training:
                self.center.lerp_(answers.mean(0), 1 - self.center_momentum)
        logits = self.head(self.encoder(large).cls).chunk(2)
        pairs = [(logits[0], second), (logits[1], first)]
        if small is not None:
            count = len(small) // len(first)
            for view in self.head(self.encoder(small).cls).chunk(count):
                pairs += [(view, first), (view, second)]
        return torch.stack([soft_cross_entropy(view, answer, self.temperature) for view, answer in pairs]).mean()

    def after_step(self, progress: float) -> None:
        """Moves the teacher towards the network.

        Args:
            progress: share of the run that is done, 0..1.
        """
        student = nn.ModuleList([self.encoder, self.head])
        follow(self.teacher, student, momentum(progress, self.recipe.momentum))
