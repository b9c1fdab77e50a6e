"""A run of the detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from torch import nn

from scanwise.data.datasets import SceneDataset, Source, read_source, scene_paths
from scanwise.errors import InputError
from scanwise.methods.detect.data import MakeSample, collate_boxes
from scanwise.methods.detect.evaluate import evaluate, truth_of
from scanwise.methods.detect.model import Detector
from scanwise.methods.detect.recipe import DetectRecipe
from scanwise.training.checkpoints import start_from
from scanwise.training.loop import parameter_groups
from scanwise.training.run import Run


def train(recipe: DetectRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`; leaves `best.ckpt` in `out`.

    Args:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        **options: `progress` and `say` of `Run`.

    Returns:
        The metrics of the best validation, those of `Detections.metrics`.

    Raises:
        InputError: there are no scenes, or no boxes in the first of them.
    """
    run = Run(recipe, out, fabric, **options)
    sources = scene_paths(recipe.data, "train", recipe.share)
    _check_boxes(sources, recipe)
    model = run.build(lambda: Detector(recipe))
    if recipe.init:
        start_from(model, Path(recipe.init), kind="" if recipe.freeze else "detect")
    loader = run.loader(SceneDataset(sources, MakeSample(recipe)), collate_boxes)
    validation = spread(scene_paths(recipe.data, "val"), recipe.val_scenes)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, Detector)
        return evaluate(module, validation, fabric).metrics()

    facts = {"classes": list(recipe.classes)}
    return run.fit("detect", model, loader, groups=_groups(model), validate=validate, score="nds", facts=facts)


def spread(sources: list[Source], count: int) -> list[Source]:
    """So many of the scenes, evenly spread; all of them for 0, or where there are fewer."""
    if not count or count >= len(sources):
        return sources
    return [sources[index] for index in np.linspace(0, len(sources) - 1, count).round().astype(int).tolist()]


def _check_boxes(sources: list[Source], recipe: DetectRecipe) -> None:
    looked_at = spread(sources, 10)
    if not any((truth_of(read_source(source), recipe.classes).classes >= 0).any() for source in looked_at):
        raise InputError(
            f"{recipe.data}: no boxes of {', '.join(recipe.classes)} in {len(looked_at)} of its training scenes; "
            "`scanwise synth streets` makes scenes with boxes"
        )


def _groups(model: Detector) -> list[dict[str, Any]]:
    recipe = model.recipe
    scale = recipe.init_rate if recipe.init else 1.0
    backbone = [group | {"scale": scale} for group in parameter_groups(model.backbone, recipe.weight_decay)]
    rest = nn.ModuleList([model.norm, model.into_map, model.map, model.heat, model.values])
    return backbone + parameter_groups(rest, recipe.weight_decay)
