"""A run of the two-stage baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from scanwise.data.classes import with_joined_classes
from scanwise.data.datasets import SceneDataset
from scanwise.errors import InputError
from scanwise.methods.two_stage.data import MakeTwoStageSample, collate_two_stage, thing_classes
from scanwise.methods.two_stage.evaluate import evaluate
from scanwise.methods.two_stage.model import TwoStage
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.training.referring import fit, sources, vocabulary
from scanwise.training.run import Run


def train(recipe: TwoStageRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`.

    Args:
        recipe: what is trained, and how.
        out: folder of the run; gets `best.ckpt`.
        fabric: the device, or one of several processes.
        options: of `Run`.

    Returns:
        The metrics of the best validation.

    Raises:
        InputError: the scenes lack classes or objects.
    """
    run = Run(recipe, out, fabric, **options)
    paths, validation = sources(recipe)
    paths, classes = with_joined_classes(paths, run.progress)
    if not classes:
        raise InputError(f"{recipe.data}: has no classes, which the two-stage baseline is taught with")
    things, words = thing_classes(paths, len(classes)), vocabulary(recipe, paths)
    model = run.build(lambda: TwoStage(recipe, recipe.encoder(words), classes, things))
    loader = run.loader(SceneDataset(paths, MakeTwoStageSample(recipe, len(classes))), collate_two_stage)
    facts = {"vocabulary": words, "classes": classes, "things": things}
    return fit(run, "two-stage", model, loader, validation, evaluate, facts)
