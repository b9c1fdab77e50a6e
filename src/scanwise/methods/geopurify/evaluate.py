"""What pooling does to labels: mIoU of class names without it, by the embedding made by hand, and by a student's.

With `Noise` the 2D model is replaced by the scene's own labels as its pictures show them, spoilt in a known way
(`noise.py`), so that it is plain which faults pooling can cure.

Shapes: n finite points of a scene, M voxels, K classes, F inputs of the student, D channels of its embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from scanwise.data.classes import with_joined_classes
from scanwise.data.datasets import Source, read_source
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.geopurify.features import projected_features
from scanwise.methods.geopurify.model import Student
from scanwise.methods.geopurify.noise import SURE, Noise, shown_classes
from scanwise.nn.pooling import affinity, geometric_weights, pool
from scanwise.progress import Progress, silent
from scanwise.scene import Scene
from scanwise.vision import Vision

Pooling = Literal["off", "geometry", "learned"]
POOLINGS: tuple[Pooling, ...] = ("off", "geometry", "learned")
PROMPTS = {"otherfurniture": "other furniture"}  # what the 2D model is asked for in place of a class name


@dataclass(frozen=True, eq=False)
class LabelledScene:
    """A scene with labels and the logits of its voxels, ready to be pooled in several ways.

    Attributes:
        classes: K names.
        labels: (n,) of the finite points.
        surface: its voxels.
        scores: (M, K) logits of lifted features.
        inputs: (M, F) of the student.
    """

    classes: list[str]
    labels: np.ndarray
    surface: Surface
    scores: torch.Tensor
    inputs: torch.Tensor

    def embedding(self, student: Student) -> torch.Tensor:
        """(M, D) by a student."""
        return student.embed(self.surface.coords, self.inputs)

    def pooled(self, pooling: Pooling, student: Student | None = None) -> torch.Tensor:
        """(M, K) scores, pooled as asked; "learned" needs the student."""
        if pooling == "off":
            return self.scores
        neighbours = np.array(self.surface.neighbours)
        if pooling == "geometry":
            return pool(self.scores, neighbours, torch.from_numpy(np.array(geometric_weights(self.surface))))
        assert student is not None
        return pool(self.scores, neighbours, affinity(self.embedding(student), neighbours))

    def confusion(self, scores: torch.Tensor) -> Confusion:
        """Of the points, labelled with the highest score (M, K) of their voxel."""
        counts = Confusion(self.classes)
        counts.add(self.labels, scores.argmax(1).numpy()[self.surface.voxels.of_point])
        return counts


def labelled_scene(
    scene: Scene,
    student: Student,
    vision: Vision,
    *,
    noise: Noise | None = None,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> LabelledScene:
    """Makes a scene ready to be measured on.

    Args:
        scene: has labels, classes and views.
        student: that it is made ready for.
        vision: the 2D model that scores the class names.
        noise: in place of the 2D model; the student is then given the text embeddings of what the pictures show.
        device: that features are lifted on.
        progress: told the share of the lifting that is done.

    Raises:
        InputError: it has no labels, classes or pictures, or the student does not suit the 2D model.
    """
    if scene.labels is None or not scene.classes or not scene.views:
        raise InputError(f"{scene.name}: needs labels with class names, and pictures, to be measured")
    student.check_vision(vision.name, vision.dim, scene.name)
    surface = Surface(scene)
    texts = vision.encode_texts([PROMPTS.get(name, name) for name in scene.classes]).float()
    basis = student.basis.cpu()
    reduced: torch.Tensor
    if noise is None:
        matrix = torch.cat([basis, texts.T], 1) if student.config.lifted else texts.T.contiguous()
        found = projected_features(surface, vision, matrix, device=device, progress=progress)
        values = torch.from_numpy(np.array(found))
        reduced, scores = values[:, : basis.shape[1]], values[:, basis.shape[1] :] * vision.scale
    else:
        shown = shown_classes(surface, noise, device=device)
        reduced, scores = shown @ texts @ basis if student.config.lifted else shown[:, :0], SURE * shown
    if student.config.lifted:
        reduced = student.centred(reduced)
    inputs = student.inputs(reduced, surface.colors, surface.normals)
    return LabelledScene(list(scene.classes), scene.labels[scene.finite], surface, scores.contiguous(), inputs)


def confusion_of(scenes: Sequence[LabelledScene], pooling: Pooling, student: Student | None = None) -> Confusion:
    """Over every point of scenes of the same classes.

    Args:
        scenes: one or more.
        pooling: of their scores.
        student: for "learned".
    """
    total = Confusion(scenes[0].classes)
    for scene in scenes:
        total.matrix += scene.confusion(scene.pooled(pooling, student)).matrix
    return total


def evaluate(
    sources: Sequence[Source],
    student: Student,
    vision: Vision,
    *,
    noise: Noise | None = None,
    progress: Progress = silent,
) -> dict[Pooling, Confusion]:
    """Labels scenes without pooling, by geometry and by the student.

    Args:
        sources: labelled scenes with pictures; where they list different classes, those of all of them.
        student: runs on the device that it is on.
        vision: the 2D model.
        noise: as of `labelled_scene`.
        progress: told the share of the scenes that is done.

    Returns:
        A confusion for each of `POOLINGS`.

    Raises:
        InputError: as of `labelled_scene`.
    """
    totals: dict[Pooling, Confusion] = {}
    sources, _ = with_joined_classes(sources)
    for number, source in enumerate(sources):
        progress("scenes", number / len(sources))
        where = next(student.parameters()).device
        scene = labelled_scene(read_source(source), student, vision, noise=noise, device=where)
        for pooling in POOLINGS:
            found = confusion_of([scene], pooling, student)
            totals.setdefault(pooling, Confusion(scene.classes)).matrix += found.matrix
    progress("scenes", 1.0)
    return totals


def comparison_table(confusions: Mapping[Pooling, Confusion]) -> str:
    """A Markdown table: a row a class that the truth has, a column of IoU for each way of pooling."""
    ious = np.stack([confusion.iou for confusion in confusions.values()], 1)
    classes = next(iter(confusions.values())).classes
    lines = [f"| class | {' | '.join(confusions)} |", "|---" * (1 + len(confusions)) + "|"]
    for name, row in zip(classes, ious, strict=True):
        if not np.isnan(row).any():
            lines.append(f"| {name} | {' | '.join(f'{100 * iou:.1f}' for iou in row)} |")
    means = [f"**{100 * confusion.metrics()['miou']:.1f}**" for confusion in confusions.values()]
    return "\n".join([*lines, f"| **mean** | {' | '.join(means)} |"]) + "\n"
