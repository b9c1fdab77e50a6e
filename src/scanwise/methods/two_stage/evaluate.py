"""A trained two-stage baseline: where to get one, what it answers, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scanwise.data.clouds import Cloud, collate, sample_of
from scanwise.data.datasets import Source
from scanwise.data.referring import of_points
from scanwise.evaluation.referring import Evaluation, Prediction, evaluate_sentences
from scanwise.methods.two_stage.model import TwoStage
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.scene import Scene
from scanwise.training.checkpoints import Checkpoint, load_model

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def load_trained(path: Path) -> TwoStage:
    """A trained model, in evaluation mode.

    Args:
        path: a checkpoint, or a run's folder.

    Raises:
        InputError: no such file, damaged, or of something else.
    """

    def build(checkpoint: Checkpoint) -> TwoStage:
        facts = checkpoint.facts
        recipe = TwoStageRecipe.model_validate(facts["recipe"])
        return TwoStage(recipe, recipe.encoder(facts["vocabulary"]), facts["classes"], facts["things"])

    return load_model(path, "two-stage", build, made_by="train two-stage")


def predict(model: TwoStage, scene: Scene, texts: Sequence[str]) -> list[Prediction]:
    """Asks a scene several sentences at once; its objects are proposed once.

    Args:
        model: in evaluation mode.
        scene: a scene with a finite point.
        texts: sentences, none of them empty.

    Returns:
        One prediction a sentence; the points of the likeliest object have a score above 0.5, those of others below it.
    """
    sample = sample_of(Cloud.of(scene), model.recipe.voxel, model.recipe.features, scene.name)
    clouds = collate([sample]).to(next(model.parameters()).device)
    with torch.no_grad():
        feats, logits, offsets = model.encode(clouds)
        proposed = model.propose(sample.centers, logits, offsets)
        if not len(proposed):
            return [Prediction(np.zeros(len(scene), np.float32), 0.0) for _ in texts]
        probabilities = model.match(feats, logits, proposed, model.text(texts)).float().softmax(1).cpu().numpy()
    result = []
    for row in probabilities:
        of_object = np.append(0.5 * row[:-1], 0).astype(np.float32)  # the last is that of voxels of no object
        of_object[row[:-1].argmax()] += 0.501
        scores = of_points(of_object[proposed.of_voxel].clip(0, 1), sample, len(scene))
        result.append(Prediction(scores, float(1 - row[-1])))
    return result


def evaluate(model: TwoStage, paths: Sequence[Source], fabric: Fabric | None = None, **options: Any) -> Evaluation:
    """How well it answers the sentences of scenes; arguments as of `evaluate_sentences`."""
    return evaluate_sentences(partial(predict, model), paths, fabric, voxel=model.recipe.voxel, **options)
