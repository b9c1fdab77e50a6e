"""Backbones out of the checkpoints of runs, as they are, for whoever wants their features."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from scanwise.data.clouds import FEATURES
from scanwise.errors import InputError
from scanwise.evaluation.probes import Frozen
from scanwise.nn.backbone import build_backbone
from scanwise.training.checkpoints import load


def load_backbone(path: Path, *, random: bool = False) -> Frozen:
    """The backbone of a checkpoint, of DOS (the teacher's) or of another method that says what its inputs are.

    Args:
        random: one like it instead, with weights that were not trained.

    Raises:
        InputError: no such file, damaged, or without a backbone.
    """
    checkpoint = load(path)
    recipe, weights = checkpoint.facts.get("recipe", {}), checkpoint.under("backbone.")
    name = recipe.get("backbone", recipe.get("size"))
    if not weights or name is None or not {"voxel", "features"} <= recipe.keys():
        raise InputError(f"{path}: holds no backbone; give the best.ckpt of `scanwise pretrain dos` or `train segment`")
    channels = sum(FEATURES[feature] for feature in recipe["features"])
    tokens = recipe.get("masking") == "tokens"
    with torch.random.fork_rng():
        torch.manual_seed(recipe.get("seed", 0))
        backbone = build_backbone(name, channels, decoder=recipe.get("decoder", 0), mask_token=tokens)
    if not random:
        backbone.load_state_dict(weights)
    return Frozen(backbone.eval().requires_grad_(False), recipe["voxel"], tuple(recipe["features"]))


def random_backbone(name: str, voxel: float, features: tuple[str, ...], seed: int = 0) -> Frozen:
    """A backbone that was not trained: what a teacher must be better than."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = build_backbone(name, sum(FEATURES[feature] for feature in features))
    return Frozen(backbone.eval().requires_grad_(False), voxel, features)


def weights_digest(module: nn.Module) -> str:
    """Hex SHA-256 of a module's weights: part of the key of what is cached of its features."""
    state = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        state.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()
