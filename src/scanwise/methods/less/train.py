"""A run of LESS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from scanwise.data.datasets import SceneDataset
from scanwise.methods.less.data import MakeReferSample, collate_refer
from scanwise.methods.less.evaluate import evaluate, load_trained
from scanwise.methods.less.model import LESS
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.training.referring import fit, sources, vocabulary
from scanwise.training.run import Run


def train(recipe: LESSRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` scenes and validates on `val`.

    Args:
        recipe: what is trained, and how.
        out: folder of the run; gets `best.ckpt`.
        fabric: the device, or one of several processes.
        options: of `Run`.

    Returns:
        The metrics of the best validation.
    """
    run = Run(recipe, out, fabric, **options)
    paths, validation = sources(recipe)
    words = vocabulary(recipe, paths)
    model = run.build(lambda: LESS(recipe, recipe.encoder(words)))
    loader = run.loader(SceneDataset(paths, MakeReferSample(recipe, paths)), collate_refer)
    return fit(run, "less", model, loader, validation, evaluate, {"vocabulary": words})


def recipe_to_go_on(weights: Path) -> dict[str, Any]:
    """The recipe that weights were made by, shorter and gentler, for going on with sentences of one's own.

    Args:
        weights: of LESS, as `load_trained` takes them.

    Returns:
        Keys and values of a recipe, in which `annotations` and `init` are still to be given.

    Raises:
        InputError: they are of something else.
    """
    made = load_trained(weights).recipe.model_dump(mode="json")
    kept = {key: value for key, value in made.items() if key not in ("data", "share", "annotations", "init")}
    short = {"batch": 1, "steps": 300, "validate_every": 100, "checkpoint_every": 50}
    return kept | short | {"learning_rate": made["learning_rate"] / 3}
