"""A run that teaches which parts belong together: scenes are looked at once, and then drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from scanwise.data.datasets import read_source, scene_paths
from scanwise.errors import InputError
from scanwise.methods.things.data import Look, PairDataset, collate, scene_pairs
from scanwise.methods.things.model import PairNet
from scanwise.methods.things.recipe import ThingsRecipe
from scanwise.training.run import Run


def train(
    recipe: ThingsRecipe, out: Path, fabric: Fabric, *, look: Look, classes: list[str], **options: Any
) -> dict[str, float]:
    """Trains on scenes with instances, and leaves `best.ckpt` in `out`.

    Args:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        look: the 3D network that the recipe names.
        classes: that it knows.
        **options: `progress` and `say` of `Run`.

    Returns:
        The metrics of the best validation: the loss and the share of right answers on scenes that are held out.

    Raises:
        InputError: fewer than two scenes, or one without labels and instances.
    """
    run = Run(recipe, out, fabric, **options)
    paths = scene_paths(recipe.data, recipe.split, recipe.share)
    if len(paths) < 2:
        raise InputError(f"{recipe.data}: one scene is learned from and another held out, so there must be two")
    scenes = []
    for number, path in enumerate(paths):
        run.progress("parts", number / len(paths))
        scenes.append(scene_pairs(read_source(path), look, len(classes)))
    run.progress("parts", 1.0)
    held_out = scenes[:: recipe.held_out]
    taught = [scene for number, scene in enumerate(scenes) if number % recipe.held_out]
    model = run.build(lambda: PairNet(recipe, classes))
    model.scale_by(torch.cat([scene.facts for scene in taught]))
    loader = run.loader(PairDataset(taught, recipe.blind), collate)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, PairNet)
        with torch.inference_mode():
            found = module.training_step(collate(held_out).to(module.mean.device), 1.0)
        return {"score": -float(found["loss"]), "val_loss": float(found["loss"]), "right": float(found["right"])}

    return run.fit("things", model, loader, validate=validate, facts={"classes": classes})
