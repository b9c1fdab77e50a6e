"""What a segmenter says of scenes, and how right it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from scanwise.data.clouds import Cloud, sample_of
from scanwise.data.datasets import Source, check_classes, read_source
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.segment.model import Segmenter
from scanwise.nn.processes import all_sum
from scanwise.nn.tiles import sum_over_tiles
from scanwise.scene import Scene

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def predict(model: Segmenter, scene: Scene) -> np.ndarray:
    """The class of each point of a scene, (N,) int32; -1 for points that are not finite."""
    return np.where(scene.finite, class_probabilities(model, scene).argmax(1), -1).astype(np.int32)


def class_probabilities(model: Segmenter, scene: Scene) -> np.ndarray:
    """Probabilities (N, K) float32 of the classes for each point of a scene; 0 for points that are not finite."""
    recipe = model.recipe
    sample = sample_of(Cloud.of(scene), recipe.voxel, recipe.features, scene.name)
    scores, _ = sum_over_tiles(model, sample, recipe.most_voxels, lambda batch: model(batch).float().softmax(1))
    scores /= scores.sum(1, keepdims=True)
    result = np.zeros((len(scene), len(model.classes)), np.float32)
    result[sample.row] = scores[sample.of_point]
    return result


def evaluate(model: Segmenter, paths: Sequence[Source], fabric: Fabric | None = None) -> Mapping[str, Confusion]:
    """Predicts scenes, shared out among the processes.

    Args:
        model: in evaluation mode.
        paths: labelled scenes.
        fabric: this process and the others; None = this one alone.

    Returns:
        Confusion over all points; "seen" over those of objects whose model training had; "unseen" over those of
        held-out models.

    Raises:
        InputError: a scene has no labels, or those of other classes.
    """
    counts = {name: Confusion(model.classes) for name in ("all", "seen", "unseen")}
    rank, world = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
    for path in paths[rank::world]:
        scene = read_source(path)
        if scene.labels is None:
            raise InputError(f"{scene.name}: has no labels to measure against")
        check_classes(scene, model.classes)
        predicted = predict(model, scene)
        counts["all"].add(scene.labels, predicted)
        if scene.instances is None:
            continue
        held_out = [box.instance for box in scene.boxes if box.held_out]
        others = [box.instance for box in scene.boxes if not box.held_out]
        for name, chosen in (("unseen", held_out), ("seen", others)):
            rows = np.isin(scene.instances, chosen)
            counts[name].add(scene.labels[rows], predicted[rows])

    device = next(model.parameters()).device

    def summed(matrix: np.ndarray) -> np.ndarray:
        return all_sum(torch.from_numpy(matrix).to(device)).cpu().numpy()

    return {name: confusion.reduced(summed) for name, confusion in counts.items()}
