"""A trained LESS: where to get one, what it answers, and how well."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scanwise.data.clouds import Cloud, collate
from scanwise.data.datasets import Source
from scanwise.data.referring import of_points, plural
from scanwise.data.surface import Surface
from scanwise.evaluation.referring import Evaluation, Prediction, evaluate_sentences
from scanwise.methods.less.data import voxels_of
from scanwise.methods.less.model import LESS, Reply
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.nn.sparse import SparseTensor
from scanwise.scene import Scene
from scanwise.training.checkpoints import Checkpoint, load_model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_SECOND = 0.5  # weight of a query that is meant as well, over the greatest, where several things are asked for
_MOST_VOXELS = 400_000  # of a batch of sentences about one scene


def load_trained(path: Path) -> LESS:
    """A trained model, in evaluation mode.

    Args:
        path: a checkpoint, a run's folder, or the name of shipped weights.

    Raises:
        InputError: no such file, damaged, or of something else.
    """

    def build(checkpoint: Checkpoint) -> LESS:
        recipe = LESSRecipe.model_validate(checkpoint.facts["recipe"])
        return LESS(recipe, recipe.encoder(checkpoint.facts["vocabulary"]))

    return load_model(path, "less", build, made_by="train less", called="LESS")


def predict(
    model: LESS, scene: Scene, texts: Sequence[str], *, explain: bool = False, surface: Surface | None = None
) -> list[Prediction]:
    """Asks a scene several sentences at once: its voxels and their tables are made once.

    Where words reach the voxels (`fusion: levels`), as many sentences go through together as keep the batch below
    400 000 voxels. Where the network wants normals and the scene has none, they are estimated.

    Args:
        model: in evaluation mode.
        scene: a scene with a finite point.
        texts: sentences, none of them empty.
        explain: say which words were attended to.
        surface: of the scene, where it is there already.

    Returns:
        One prediction a sentence.
    """
    recipe = model.recipe
    if "normal" in recipe.features and scene.normals is None:
        scene = (surface or Surface(scene)).with_normals()
    sample = voxels_of(Cloud.of(scene), recipe, scene.name)
    batch = collate([sample]).to(next(model.parameters()).device)
    voxels = SparseTensor(batch.coords, batch.feats, batch.batch)
    together = len(texts)
    if recipe.fusion == "levels":
        together = 1 if recipe.official else max(1, _MOST_VOXELS // len(sample))

    def scores(logits: torch.Tensor) -> np.ndarray:
        return of_points(logits.float().sigmoid().cpu().numpy(), sample, len(scene))

    result = []
    for start in range(0, len(texts), together):
        some = texts[start : start + together]
        with torch.no_grad():
            words = model.text(some)
            replies = model(voxels, words, explain=explain)
        for text, reply, names in zip(some, replies, words.texts, strict=True):
            shares = [] if reply.words is None else reply.words.tolist()
            named = list(zip(names, shares, strict=True)) if shares else []
            several = scores(merged(reply)) if plural(text) else None
            result.append(Prediction(scores(reply.logits), float(reply.presence.float().sigmoid()), named, several))
    return result


def merged(reply: Reply) -> torch.Tensor:
    """(n,) logits of everything that the queries mean whose weight is at least half the greatest."""
    chosen = reply.proposals.masks[reply.weights >= _SECOND * reply.weights.max()]
    return torch.maximum(reply.logits, chosen.amax(0))


def evaluate(model: LESS, paths: Sequence[Source], fabric: Fabric | None = None, **options: Any) -> Evaluation:
    """How well it answers the sentences of scenes; arguments as of `evaluate_sentences`."""
    return evaluate_sentences(partial(predict, model), paths, fabric, voxel=model.recipe.voxel, **options)
