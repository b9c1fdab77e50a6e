"""Trains a baseline on the same images and the same loop as STELLAR."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from scanwise.data.images import collate
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import knn_accuracy
from scanwise.methods.image_baselines.dino import DINO
from scanwise.methods.image_baselines.evaluate import PROBED, image_features
from scanwise.methods.image_baselines.mae import MAE
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.methods.image_baselines.supervised import Supervised
from scanwise.nn.vit import ViT
from scanwise.training.images import training_images, validation_images
from scanwise.training.run import Run


def train(recipe: BaselineRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` images but for some held out, by whose kNN the weights in `best.ckpt` are chosen.

    `test` images are not looked at. DINO is validated by its teacher.

    Args:
        recipe: which baseline, and how it is trained.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        options: `progress` and `say`, as of `Run`.

    Returns:
        The best metrics.

    Raises:
        InputError: no images are there, or supervised, and they have no classes.
    """
    run = Run(recipe, out, fabric, **options)
    known, asked = validation_images(recipe)
    classes = known.classes
    if recipe.method == "supervised" and (recipe.also or not classes):
        raise InputError(f"{recipe.also or recipe.data}: pictures without classes cannot be trained on with labels")
    makers: dict[str, Callable[[], nn.Module]] = {
        "mae": lambda: MAE(recipe), "dino": lambda: DINO(recipe), "supervised": lambda: Supervised(recipe, len(classes))
    }  # fmt: skip
    model = run.build(makers[recipe.method])
    loader = run.loader(training_images(recipe), collate)

    def validate(module: nn.Module) -> dict[str, float]:
        encoder = module.get_submodule(PROBED[recipe.method])
        assert isinstance(encoder, ViT)
        return knn_accuracy(lambda images: image_features(encoder, images), known, asked, recipe.image, run.device)

    score = "knn_dense" if recipe.method == "mae" else "knn_cls"
    return run.fit(recipe.method, model, loader, validate=validate if classes else None, score=score)
