"""A supervised run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from scanwise.data.classes import with_joined_classes
from scanwise.data.clouds import collate
from scanwise.data.datasets import SceneDataset, scene_paths, shared
from scanwise.data.label_sets import with_labels
from scanwise.methods.segment.data import MakeSample, counted_classes
from scanwise.methods.segment.evaluate import evaluate
from scanwise.methods.segment.losses import root_weights
from scanwise.methods.segment.model import Segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.training.checkpoints import load, start_from
from scanwise.training.loop import parameter_groups
from scanwise.training.run import Run


def train(recipe: SegmentRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`; leaves `best.ckpt` in `out`.

    Args:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        **options: `progress` and `say` of `Run`.

    Returns:
        The metrics of the best validation, those of `Confusion.metrics`.
    """
    run = Run(recipe, out, fabric, **options)
    paths = with_labels(scene_paths(recipe.data, "train"), recipe.labels)
    paths = shared(paths, recipe.scenes / len(paths) if recipe.scenes else recipe.share)
    weighted = recipe.class_weights == "sqrt"
    classes, points = counted_classes(paths, out / "classes.json", points=weighted, progress=run.progress)
    weights = root_weights(points) if weighted else None
    paths, _ = with_joined_classes(paths, known=classes)
    model = run.build(lambda: Segmenter(recipe, classes, weights))
    if recipe.init:
        same = not recipe.freeze and load(Path(recipe.init)).facts.get("classes") == classes
        start_from(model, Path(recipe.init), kind="segment" if same else "")
    loader = run.loader(SceneDataset(paths, MakeSample(recipe)), collate)
    validation = with_labels(scene_paths(recipe.data, "val"), recipe.labels)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, Segmenter)
        return evaluate(module, validation, fabric)["all"].metrics()

    facts = {"classes": classes} | ({"class_points": points, "class_weights": weights} if weights else {})
    return run.fit("segment", model, loader, groups=_groups(model), validate=validate, score="miou", facts=facts)


def _groups(model: Segmenter) -> list[dict[str, Any]]:
    recipe = model.recipe
    scale = recipe.init_rate if recipe.init else 1.0
    backbone = [group | {"scale": scale} for group in parameter_groups(model.backbone, recipe.weight_decay)]
    heads = [model.norm, model.head] + ([] if model.offsets is None else [model.offsets])
    head = parameter_groups(nn.ModuleList(heads), recipe.weight_decay)
    return backbone + head
