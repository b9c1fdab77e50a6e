"""The encoders that the baselines leave, and what is measured of them."""

from __future__ import annotations

from pathlib import Path

import torch

from scanwise.errors import InputError
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.nn.vit import ViT
from scanwise.training.checkpoints import filled, load

PROBED = {"mae": "encoder", "dino": "teacher.0", "supervised": "encoder"}
"""Name of the ViT, in each baseline's model, that is measured and used: DINO's is the teacher, as in its paper."""


def image_features(encoder: ViT, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """One vector (B, D) an image: "cls", and the mean of the "dense" ones."""
    encoded = encoder(images)
    return {"cls": encoded.cls, "dense": encoded.dense.mean(1)}


def load_encoder(path: Path) -> ViT:
    """The ViT of a run of one of the baselines, in evaluation mode; of DINO, the teacher's.

    Args:
        path: checkpoint, or folder of a run.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") not in PROBED:
        raise InputError(f"{path}: holds none of mae, dino, supervised; give the best.ckpt of such a run")
    encoder = ViT(BaselineRecipe.model_validate(checkpoint.facts["recipe"]).vit)
    return filled(encoder, checkpoint.under(f"{PROBED[checkpoint.facts['kind']]}."), path)
