"""How GeoPurify is trained: scenes are chosen, seen by the teacher once, and then drawn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from scanwise.data.classes import with_joined_classes
from scanwise.data.datasets import Draw, Source, read_source, scene_paths
from scanwise.data.label_sets import with_labels
from scanwise.data.surface import Surface
from scanwise.files import replacing
from scanwise.methods.geopurify.data import SampleDataset, TrainingScene, collate, training_scene
from scanwise.methods.geopurify.evaluate import LabelledScene, confusion_of, labelled_scene
from scanwise.methods.geopurify.features import lifted_features
from scanwise.methods.geopurify.model import GeoPurify, Student, StudentConfig
from scanwise.methods.geopurify.recipe import GeoPurifyRecipe
from scanwise.methods.geopurify.selection import choose_scenes
from scanwise.nn.frozen import Frozen
from scanwise.progress import Progress
from scanwise.training.loop import parameter_groups
from scanwise.training.run import Run
from scanwise.vision import Vision

BASIS_SCENES, BASIS_VOXELS = 4, 4000


def train(
    recipe: GeoPurifyRecipe, out: Path, fabric: Fabric, *, teacher: Frozen, vision: Vision, **options: Any
) -> dict[str, float]:
    """Trains on the chosen `train` scenes, whose names go to `scenes.json` in `out`, beside `best.ckpt`.

    Where scenes of `val` have labels, the best is that with the highest mIoU of their class names over `val_scenes`
    of them; else that with the lowest InfoNCE on their anchors.

    Args:
        recipe: what is trained, and how.
        out: folder of the run.
        fabric: the device, or one of several processes.
        teacher: as the recipe names it.
        vision: as the recipe names it.
        options: `progress` and `say` of `training.run.Run`.

    Returns:
        The metrics of the best validation.

    Raises:
        InputError: too few scenes, or one that is too small.
        TrainingError: the loss is no number.
        OutputError: `out` cannot be written.
    """
    run = Run(recipe, out, fabric, **options)
    sources = choose_scenes(
        scene_paths(recipe.data, "train", recipe.share), teacher, recipe.scenes, how=recipe.choose, seed=recipe.seed,
        progress=run.progress,
    )  # fmt: skip
    model = run.build(lambda: GeoPurify(recipe, student_config(recipe, vision)))
    student = model.student
    if student.config.lifted:
        fit_basis(student, sources, vision, device=run.device, progress=run.progress)
    names = [str(source) for source in sources]
    if fabric.is_global_zero:
        with replacing(out / "scenes.json") as temporary:
            temporary.write_text(json.dumps({"scenes": names}, indent=1) + "\n", encoding="utf-8")

    def dataset(sources: Sequence[Source]) -> SampleDataset:
        scenes: list[TrainingScene] = [
            training_scene(source, student, teacher, vision, device=run.device, progress=run.progress)
            for source in sources
        ]
        return SampleDataset(scenes, recipe.crop, recipe.anchors)

    loader = run.loader(dataset(sources), collate)
    shown = with_labels(scene_paths(recipe.data, "val")[: recipe.val_scenes], recipe.labels)
    validation, _ = with_joined_classes(shown)
    labelled = [
        labelled_scene(scene, student, vision, device=run.device, progress=run.progress)
        for scene in map(read_source, validation)
        if scene.labels is not None and scene.classes is not None
    ]
    validate = _by_labels(labelled) if labelled else _by_loss(dataset(validation))
    facts = {"scenes": names, **student.facts()}
    return run.fit("geopurify", model, loader, groups=layer_groups(student, recipe), validate=validate, facts=facts)


def student_config(recipe: GeoPurifyRecipe, vision: Vision) -> StudentConfig:
    """The student that a recipe asks for, for the features of a 2D model."""
    lifted = vision.dim if recipe.reduced else 0
    name = vision.name if recipe.reduced else ""
    reduced = min(recipe.reduced, lifted)
    return StudentConfig(name, lifted, reduced, recipe.hidden, recipe.channels, recipe.blocks)


def fit_basis(
    student: Student, sources: Sequence[Source], vision: Vision, *, device: str | torch.device, progress: Progress
) -> None:
    """Gives a student the mean and the main directions of lifted features, scaled so that the first has deviation 1.

    Args:
        student: whose `mean` and `basis` are set.
        sources: scenes, of which the first four are lifted.
        vision: the 2D model.
        device: that features are lifted on.
        progress: told the share of the lifting that is done.
    """
    drawn = []
    for number, source in enumerate(sources[:BASIS_SCENES]):
        features = lifted_features(Surface(read_source(source)), vision, device=device, progress=progress).features
        rows = np.random.default_rng(number).permutation(len(features))[:BASIS_VOXELS]
        drawn.append(torch.from_numpy(features[np.sort(rows)].astype(np.float32)))
    values = torch.cat(drawn).double()
    mean = values.mean(0)
    variance, directions = torch.linalg.eigh((values - mean).T @ (values - mean) / len(values))
    main = directions[:, -student.config.reduced :].flip(1) / variance[-1].clamp(min=1e-20).sqrt()
    student.mean.copy_(mean.float())
    student.basis.copy_(main.float())


def layer_groups(student: Student, recipe: GeoPurifyRecipe) -> list[dict[str, Any]]:
    """Parameters of the input layer, the blocks and the output layer, each with its share of the learning rate."""
    network = student.network
    layers = (nn.ModuleList([network.stem, network.norm]), network.blocks, network.head)
    return [
        group | {"scale": scale}
        for layer, scale in zip(layers, recipe.rates, strict=True)
        for group in parameter_groups(layer, recipe.weight_decay)
    ]


def _by_labels(scenes: Sequence[LabelledScene]) -> Callable[[nn.Module], dict[str, float]]:
    """Validates by mIoU of class names with the student's pooling; `off` and `geometry` for comparison."""
    others = {"off": confusion_of(scenes, "off"), "geometry": confusion_of(scenes, "geometry")}
    baselines = {pooling: confusion.metrics()["miou"] for pooling, confusion in others.items()}

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, GeoPurify)
        miou = confusion_of(scenes, "learned", module.student).metrics()["miou"]
        return {"score": miou, "miou": miou, **baselines}

    return validate


def _by_loss(dataset: SampleDataset) -> Callable[[nn.Module], dict[str, float]]:
    """Validates by InfoNCE on the same anchors each time."""
    batches = [collate([dataset[Draw(index, (0, 0, index))]]) for index in range(len(dataset))]

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, GeoPurify)
        device = next(module.parameters()).device
        found = [module.training_step(batch.to(device), 1.0) for batch in batches]
        means = {name: float(torch.stack([each[name] for each in found]).mean()) for name in ("loss", "found")}
        return {"score": -means["loss"], "val_loss": means["loss"], "val_found": means["found"]}

    return validate
