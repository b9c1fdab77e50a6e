"""A run of DOS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from scanwise.data.datasets import SceneDataset, scene_paths
from scanwise.data.label_sets import with_labels
from scanwise.methods.dos.data import collate_views
from scanwise.methods.dos.evaluate import draw, validation_of
from scanwise.methods.dos.model import DOS
from scanwise.methods.dos.recipe import DOSRecipe
from scanwise.training.loop import parameter_groups
from scanwise.training.run import Run


def train(recipe: DOSRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes, whose labels it does not look at; leaves `best.ckpt` in `out`.

    Where scenes of `val` have labels, the best is that with the highest mIoU of a linear probe, fitted on half of
    `probe_scenes` of them and tested on the other half; else, and with `keep: last`, it is the last.

    Args:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        **options: `progress` and `say` of `Run`.

    Returns:
        The metrics of the best validation.
    """
    run = Run(recipe, out, fabric, **options)
    paths = scene_paths(recipe.data, "train", recipe.share)
    model = run.build(lambda: DOS(recipe))
    loader = run.loader(SceneDataset(paths, recipe.views()), collate_views)
    validation = with_labels(scene_paths(recipe.data, "val"), recipe.labels)[: recipe.probe_scenes]

    def picture(module: nn.Module, folder: Path) -> None:
        assert isinstance(module, DOS)
        draw(module.frozen(), validation[0], folder / "features.png")

    groups = _groups(model, recipe.weight_decay)
    return run.fit("dos", model, loader, groups=groups, validate=validation_of(validation), picture=picture)


def _groups(model: DOS, weight_decay: float) -> list[dict[str, Any]]:
    """Without decay of prototypes, whose length is 1 anyway."""
    groups, free = parameter_groups(model, weight_decay), model.student.prototypes
    if free is None:
        return groups
    rest = [group | {"params": [each for each in group["params"] if each is not free]} for group in groups]
    return [*rest, {"params": [free], "weight_decay": 0.0}]
