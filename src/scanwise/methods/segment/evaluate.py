"""What a segmenter says of scenes, and how right it is."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from scanwise.data.clouds import Cloud, sample_of
from scanwise.data.datasets import Source, read_source
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.class_names import left_out_text, translated
from scanwise.evaluation.metrics import gathered, summed
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.segment.model import Segmenter
from scanwise.nn.tiles import sum_over_tiles
from scanwise.scene import Scene

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def predict(model: Segmenter, scene: Scene) -> np.ndarray:
    """The class of each point of a scene, (N,) int32; -1 for points that are not finite."""
    return np.where(scene.finite, class_probabilities(model, scene).argmax(1), -1).astype(np.int32)


def class_probabilities(model: Segmenter, scene: Scene) -> np.ndarray:
    """Probabilities (N, K) float32 of the classes for each point of a scene; 0 for points that are not finite."""
    return outputs(model, scene)[0]


def outputs(model: Segmenter, scene: Scene) -> tuple[np.ndarray, np.ndarray | None]:
    """What a segmenter says of each point of a scene; 0 for points that are not finite.

    Returns:
        Probabilities (N, K) float32 of the classes; (N, 3) float32 metres to the middle of the point's thing, None
        where the model was not taught them.
    """
    recipe, classes = model.recipe, len(model.classes)
    sample = sample_of(Cloud.of(scene), recipe.voxel, recipe.features, scene.name)
    values, _ = sum_over_tiles(model, sample, recipe.most_voxels, lambda batch: torch.cat(model.heads(batch), 1))
    values /= values[:, :classes].sum(1, keepdims=True)  # in how many tiles a voxel is
    result = np.zeros((len(scene), values.shape[1]), np.float32)
    result[sample.row] = values[sample.of_point]
    return result[:, :classes], result[:, classes:] if model.offsets is not None else None


def features(model: Segmenter, scene: Scene) -> np.ndarray:
    """What a segmenter's heads are given of each point of a scene, (N, C) float32; 0 for points that are not finite."""
    recipe = model.recipe
    sample = sample_of(Cloud.of(scene), recipe.voxel, recipe.features, scene.name)
    values, times = sum_over_tiles(model, sample, recipe.most_voxels, model.features)
    result = np.zeros((len(scene), values.shape[1]), np.float32)
    result[sample.row] = (values / times)[sample.of_point]
    return result


def evaluate(model: Segmenter, paths: Sequence[Source], fabric: Fabric | None = None) -> Mapping[str, Confusion]:
    """Predicts scenes, shared out among the processes.

    Classes of scenes and model are matched by name (`evaluation.class_names`); points of classes that the model does
    not know count as unlabelled, and a warning says how many they are. So do points that are not finite.

    Args:
        model: in evaluation mode.
        paths: labelled scenes.
        fabric: this process and the others; None = this one alone.

    Returns:
        Confusion over all points; "seen" over those of objects whose model training had; "unseen" over those of
        held-out models. `left_out` of the first is of all scenes.

    Raises:
        InputError: a scene has no labels, or no class in common with the model; or no point is of such a class.
    """
    counts = {name: Confusion(model.classes) for name in ("all", "seen", "unseen")}
    left_out: Counter[str] = Counter()
    rank, world = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
    for path in paths[rank::world]:
        scene, others = translated(read_source(path), model.classes)
        left_out.update(others)
        assert scene.labels is not None
        predicted = predict(model, scene)
        truth = np.where(predicted >= 0, scene.labels, -1)
        counts["all"].add(truth, predicted)
        if scene.instances is None:
            continue
        held_out = [box.instance for box in scene.boxes if box.held_out]
        seen = [box.instance for box in scene.boxes if not box.held_out]
        for name, chosen in (("unseen", held_out), ("seen", seen)):
            rows = np.isin(scene.instances, chosen)
            counts[name].add(truth[rows], predicted[rows])

    device = next(model.parameters()).device
    result = {name: confusion.reduced(lambda matrix: summed(matrix, device)) for name, confusion in counts.items()}
    result["all"].left_out = dict(sum(gathered(left_out), Counter()))
    text = left_out_text(result["all"].left_out)
    if not result["all"].matrix.any():
        said = f"none of the {len(paths)} scenes has a labelled point of a class of the weights"
        raise InputError(f"{said}; {text}" if text else said)
    if text and rank == 0:
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
    return result
