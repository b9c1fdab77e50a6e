"""Trains the 2D encoder on the frames of labelled scenes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from scanwise.data.datasets import scene_paths
from scanwise.data.frames import FrameDataset
from scanwise.methods.vision.data import Crops, Vocabulary, collate
from scanwise.methods.vision.evaluate import evaluate, whole
from scanwise.methods.vision.model import RoomsVision
from scanwise.methods.vision.recipe import RoomsVisionRecipe
from scanwise.training.checkpoints import load
from scanwise.training.loop import parameter_groups
from scanwise.training.run import Run
from scanwise.vision.rooms import KIND, save_weights


def train(recipe: RoomsVisionRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes' images and validates on some of `val`.

    It leaves `best.ckpt` and the weights that `vision rooms:PATH` reads, `rooms-vision.safetensors`, in `out`.

    Args:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        options: `progress` and `say`, as of `Run`.

    Returns:
        The best metrics.

    Raises:
        InputError: no scenes are there, or without labels, or `trunk` is no STELLAR network.
    """
    run = Run(recipe, out, fabric, **options)
    frames = FrameDataset(scene_paths(recipe.data, "train", recipe.share), Crops(recipe.crop))
    model = run.build(lambda: RoomsVision(recipe, Vocabulary(frames.names, frames.classes)))
    loader = run.loader(frames, collate)
    validation = FrameDataset(scene_paths(recipe.data, "val"), whole, frames.names)
    validation.frames = validation.frames[:: max(1, len(validation) // recipe.validation_frames)]

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, RoomsVision)
        return evaluate(module.encoder, validation, module.vocabulary)

    facts: dict[str, Any] = {"names": frames.names, "classes": frames.classes}
    if recipe.trunk:
        facts |= {"network": asdict(model.encoder.trunk.config), "fusion": {"rooms": 1.0, "conse": 0.0}}
    metrics = run.fit(KIND, model, loader, groups=_groups(model), validate=validate, score="miou", facts=facts)
    if fabric.is_global_zero:
        export(out / "best.ckpt", out / "rooms-vision.safetensors")
    return metrics


def _groups(model: RoomsVision) -> list[dict[str, Any]]:
    """Weight decay for the new layers' matrices; the trunk, slow and held by its teacher, decays to nothing else."""
    encoder, recipe = model.encoder, model.recipe
    slow = [parameter for parameter in encoder.trunk.parameters() if parameter.requires_grad]
    new = nn.ModuleList([part for name, part in encoder.named_children() if name != "trunk"])
    return [
        *parameter_groups(new, recipe.weight_decay),
        {"params": [encoder.log_scale], "weight_decay": 0.0},
        *([{"params": slow, "weight_decay": 0.0, "scale": recipe.trunk_rate}] if slow else []),
    ]


def export(checkpoint: Path, path: Path) -> None:
    """Writes a run's checkpoint as weights for `vision rooms:PATH`.

    Args:
        checkpoint: of a run.
        path: of the weights.

    Raises:
        InputError: no such checkpoint, or damaged.
        OutputError: the place cannot be written.
    """
    state = load(checkpoint)
    card: dict[str, Any] = {
        key: state.facts[key] for key in ("kind", "recipe", "names", "classes", "metrics", "network", "fusion")
        if key in state.facts
    }  # fmt: skip
    save_weights(state.under("encoder."), card, path)
