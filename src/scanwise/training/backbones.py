"""Backbones out of the checkpoints of runs, as they are, for whoever wants their features."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from scanwise.data.clouds import channels_of
from scanwise.errors import InputError
from scanwise.nn.backbone import Backbone, build_backbone
from scanwise.nn.frozen import Frozen
from scanwise.training.checkpoints import filled, load


def load_backbone(path: Path, *, random: bool = False) -> Frozen:
    """The backbone of a checkpoint, of DOS (the teacher's) or of another method that says what its inputs are.

    Args:
        path: as `checkpoints.locate` takes it.
        random: one like it instead, with weights that were not trained.

    Raises:
        InputError: no such file, damaged, or without a backbone.
    """
    checkpoint = load(path)
    recipe, weights = checkpoint.facts.get("recipe", {}), checkpoint.under("backbone.")
    name = recipe.get("backbone", recipe.get("size"))
    if not weights or name is None or not {"voxel", "features"} <= recipe.keys():
        raise InputError(f"{path}: holds no backbone; give the best.ckpt of `scanwise pretrain dos` or `train segment`")
    backbone = _seeded(
        name, recipe["features"], recipe.get("seed", 0), recipe.get("decoder", 0), recipe.get("masking") == "tokens"
    )
    if not random:
        filled(backbone, weights, path)
    return Frozen(backbone, recipe["voxel"], tuple(recipe["features"]))


def random_backbone(name: str, voxel: float, features: tuple[str, ...], seed: int = 0) -> Frozen:
    """A backbone that was not trained: what a teacher must be better than.

    Args:
        name: of `nn.backbone`.
        voxel: edge in metres.
        features: inputs of each voxel, of `data.clouds.FEATURES`.
        seed: of its weights.
    """
    return Frozen(_seeded(name, features, seed), voxel, features)


def _seeded(name: str, features: Sequence[str], seed: int, decoder: int = 0, mask_token: bool = False) -> Backbone:
    channels = channels_of(features)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = build_backbone(name, channels, decoder=decoder, mask_token=mask_token)
    return backbone.eval().requires_grad_(False)


def weights_digest(module: nn.Module) -> str:
    """Hex SHA-256 of a module's weights: part of the key of what is cached of its features."""
    state = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        state.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()
