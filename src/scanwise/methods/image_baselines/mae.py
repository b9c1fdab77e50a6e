"""MAE: masked autoencoders are scalable vision learners (arXiv 2111.06377).

A small decoder guesses the pixels of the three patches in four that the encoder did not see.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from scanwise.data.images import ImageBatch, to_float
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.nn import masks
from scanwise.nn.sparse_tokens import PatchDecoder
from scanwise.nn.vit import ViT
from scanwise.training.images import views_of


class MAE(nn.Module):
    """Masked autoencoder; what is guessed are the pixels of a patch brought to mean 0 and deviation 1.

    Args:
        recipe: sizes of ViT and decoder, share of patches that are hidden.

    Attributes:
        encoder: the ViT.
        unseen: (D,) what the decoder gets in place of a hidden patch.
        decoder: a vector a patch -> pixels.
    """

    def __init__(self, recipe: BaselineRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = ViT(recipe.vit)
        self.unseen = nn.Parameter(torch.zeros(recipe.vit.width))
        self.decoder = PatchDecoder(
            recipe.vit.width, recipe.decoder_width, recipe.decoder_depth, recipe.decoder_heads,
            4 * recipe.decoder_width, patch=recipe.patch,
        )  # fmt: skip

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        """The loss of a batch under new masks."""
        images = to_float(views_of(batch, self.recipe, progress).images)
        grid = (images.shape[2] // self.recipe.patch, images.shape[3] // self.recipe.patch)
        keep = masks.draw(len(images), grid, self.recipe.drop, focal=0.0, blocks=0.0, device=images.device)
        return {"loss": self.loss(images, keep)}

    def loss(self, images: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Mean squared error over the hidden patches.

        Args:
            images: (B, 3, S, S) in [0, 1].
            keep: (B, k) int64 patches that are not hidden, counted row by row.
        """
        seen = self.encoder(images, keep=keep).dense
        kept = keep[:, :, None].expand_as(seen)
        truth = patches(images, self.recipe.patch)
        everything = self.unseen.expand(*truth.shape[:2], -1).to(seen.dtype)
        grid = (images.shape[2] // self.recipe.patch, images.shape[3] // self.recipe.patch)
        guessed = patches(self.decoder(everything.scatter(1, kept, seen), grid), self.recipe.patch)
        truth = (truth - truth.mean(2, keepdim=True)) / (truth.var(2, keepdim=True) + 1e-6).sqrt()
        errors = (guessed.float() - truth).square().mean(2)
        hidden = torch.ones_like(errors).scatter(1, keep, 0.0)
        return (errors * hidden).sum() / hidden.sum()


def patches(images: torch.Tensor, patch: int) -> torch.Tensor:
    """(B, 3, H, W) -> (B, n, 3 patch^2), row by row."""
    return functional.unfold(images, patch, stride=patch).transpose(1, 2)
