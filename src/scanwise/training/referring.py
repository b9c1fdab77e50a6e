"""What trainings with sentences have in common: the scenes, the words, the start and the validation of a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from scanwise.data.annotations import annotated_scenes
from scanwise.data.datasets import Loader, Source, read_source, scene_paths, shared
from scanwise.data.spoken import Spoken, spoken_scenes
from scanwise.data.surface import Surface
from scanwise.errors import ScanwiseWarning
from scanwise.evaluation.referring import Evaluation, best_threshold, metrics
from scanwise.nn.sentence import words_of
from scanwise.scene import Scene
from scanwise.training.checkpoints import start_from
from scanwise.training.loop import parameter_groups
from scanwise.training.run import Run
from scanwise.training.sentence_recipe import SentenceRecipe

R = TypeVar("R", bound=SentenceRecipe)
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class WithNormals:
    """A scene, with estimated normals where it has none of its own, as LESS estimates them where it is asked.

    Attributes:
        source: the scene.
    """

    source: Source

    def read(self) -> Scene:
        """The scene, read and completed."""
        scene = read_source(self.source)
        return scene if scene.normals is not None else Surface(scene).with_normals()


def sources(recipe: SentenceRecipe) -> tuple[list[Source], list[Source]]:
    """Scenes to train on, and to validate on. Without `data` both are the annotated ones, which is warned of."""
    own: list[Source] = [*annotated_scenes(Path(recipe.annotations))] if recipe.annotations else []
    if "normal" in recipe.features:
        own = [WithNormals(each) for each in own]
    if not recipe.has_data:
        text = f"{recipe.annotations}: validation is on what is trained on, as no `data` is given"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
        return own, own
    if recipe.spoken:
        each = recipe.sentences if recipe.epoch == "sentences" else 0
        found = spoken_scenes(recipe.data, Path(recipe.spoken), "train", each=each)
        trained = shared(found, recipe.share)
        validation = spoken_scenes(recipe.data, Path(recipe.spoken), "val")
    else:
        trained, validation = scene_paths(recipe.data, "train", recipe.share), scene_paths(recipe.data, "val")
    return own + trained, validation[: recipe.validate_scenes or None]


def vocabulary(recipe: SentenceRecipe, paths: Sequence[Source]) -> list[str]:
    """The words of a GRU; other encoders have words of their own."""
    if recipe.text != "gru":
        return []
    told = (path.referrals if isinstance(path, Spoken) else read_source(path).sentences for path in paths)
    return sorted({word for some in told for each in some for word in words_of(each.text)})


def fit(
    run: Run[R], kind: str, model: M, loader: Loader, validation: Sequence[Source],
    evaluate: Callable[..., Evaluation], facts: Mapping[str, Any],
) -> dict[str, float]:  # fmt: skip
    """Starts the model from `init`, trains it, and calibrates its `threshold` at each validation.

    Args:
        run: recipe, folder and device.
        kind: of the checkpoints.
        model: has a `backbone`, a `text` encoder, and a `threshold` of presence.
        loader: of its batches.
        validation: scenes.
        evaluate: (model, scenes, fabric) -> how it answers their sentences.
        facts: kept in the checkpoints.

    Returns:
        The metrics of the best validation.
    """
    recipe = run.recipe
    if recipe.init:
        start_from(model, Path(recipe.init), kind)

    def validate(module: Any) -> dict[str, float]:
        results = evaluate(module, validation, run.fabric).sentences
        module.threshold.fill_(best_threshold(results))
        return metrics(results, float(module.threshold))

    scales = {"backbone": recipe.init_rate if recipe.init else 1.0, "text": recipe.text_rate}
    groups = [
        group | {"scale": scales.get(name, 1.0)}
        for name, part in model.named_children()
        for group in parameter_groups(part, recipe.weight_decay)
    ]
    return run.fit(kind, model, loader, groups=groups, validate=validate, score="miou", facts=facts)
