"""Scenes as GeoPurify's student learns from them: crops of voxels, and what a frozen teacher sees there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from scanwise.data.datasets import Draw, SceneDataset, Source, read_source
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.methods.geopurify.features import projected_features
from scanwise.methods.geopurify.model import Student
from scanwise.nn.frozen import Frozen
from scanwise.progress import Progress, silent
from scanwise.vision import Vision

FEWEST_TEACHER_VOXELS = 4


@dataclass(frozen=True, eq=False)
class TrainingScene:
    """A scene as the student and the teacher see it.

    Attributes:
        name: of the scene.
        coords: (M, 3) int32 voxels.
        inputs: (M, F) float16 of the student.
        neighbours: (M, K) int32.
        teacher: (m, D) float16 features of the teacher's voxels.
        teacher_voxel: (M,) which of those each voxel lies in.

    Raises:
        InputError: it spans too few of the teacher's voxels.
    """

    name: str
    coords: np.ndarray
    inputs: np.ndarray
    neighbours: np.ndarray
    teacher: np.ndarray
    teacher_voxel: np.ndarray

    def __post_init__(self) -> None:
        if len(np.unique(self.teacher_voxel)) < FEWEST_TEACHER_VOXELS:
            raise InputError(
                f"{self.name}: spans fewer than {FEWEST_TEACHER_VOXELS} of the teacher's voxels; too small a scene"
            )


def training_scene(
    source: Source,
    student: Student,
    teacher: Frozen,
    vision: Vision,
    *,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> TrainingScene:
    """A scene as both see it; what was lifted is kept in the cache.

    Args:
        source: of the scene; it needs no labels.
        student: that is to be trained.
        teacher: a frozen 3D backbone.
        vision: 2D model whose features the student is given, if it is given any.
        device: that features are lifted on.
        progress: told the share of the lifting that is done.

    Raises:
        InputError: too small a scene, or no picture sees it.
    """
    scene = read_source(source)
    surface = Surface(scene)
    reduced = torch.zeros(len(surface), 0)
    if student.config.lifted:
        basis = student.basis.cpu()
        projected = projected_features(surface, vision, basis, device=device, progress=progress)
        reduced = student.centred(torch.from_numpy(np.array(projected)))
    inputs = student.inputs(reduced, surface.colors, surface.normals)
    voxels, feats = teacher.encode(scene)
    teacher_voxel = voxels.of_point[surface.voxels.first]
    return TrainingScene(
        scene.name, surface.coords, inputs.half().numpy(), surface.neighbours, feats.astype(np.float16), teacher_voxel
    )


@dataclass(frozen=True, eq=False)
class Sample:
    """A crop of a scene, n voxels, rows of which are meant below.

    Attributes:
        name: of the scene.
        coords: (n, 3).
        inputs: (n, F).
        neighbours: (n, K), -1 = outside the crop.
        teacher: (n, D).
        candidates: (m,) one voxel of each voxel of the teacher, drawn anew each time.
        anchors: (A,) of those, all of whose neighbours are within the crop.
    """

    name: str
    coords: torch.Tensor
    inputs: torch.Tensor
    neighbours: torch.Tensor
    teacher: torch.Tensor
    candidates: torch.Tensor
    anchors: torch.Tensor

    def __len__(self) -> int:
        return len(self.coords)


def make_sample(scene: TrainingScene, crop: int, anchors: int, generator: np.random.Generator) -> Sample:
    """A sample of a scene.

    Args:
        scene: to draw from.
        crop: most voxels: those nearest, in plan, to one drawn at random; 0 = all.
        anchors: at most.
        generator: of random numbers.
    """
    rows = _crop(scene.coords, crop, generator)
    row_in_crop = np.full(len(scene.coords), -1)
    row_in_crop[rows] = np.arange(len(rows))
    neighbours = row_in_crop[scene.neighbours[rows]]
    whole = (neighbours >= 0).all(1)
    order = generator.permutation(len(rows))
    # so that of each teacher voxel one that has all its neighbours is taken, if there is one
    order = order[np.argsort(~whole[order], kind="stable")]
    teacher_voxel = scene.teacher_voxel[rows]
    candidates = order[np.unique(teacher_voxel[order], return_index=True)[1]]
    able = candidates[whole[candidates]]
    chosen = able[np.sort(generator.permutation(len(able))[:anchors])]
    return Sample(
        scene.name,
        torch.from_numpy(scene.coords[rows]),
        torch.from_numpy(scene.inputs[rows].astype(np.float32)),
        torch.from_numpy(neighbours),
        torch.from_numpy(scene.teacher[teacher_voxel].astype(np.float32)),
        torch.from_numpy(candidates),
        torch.from_numpy(chosen),
    )


def _crop(coords: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    if not most or len(coords) <= most:
        return np.arange(len(coords))
    middle = coords[generator.integers(len(coords)), :2]
    distance = np.square(coords[:, :2] - middle).sum(1)
    return np.sort(np.argpartition(distance, most)[:most])


class SampleDataset(SceneDataset):
    """Samples of scenes that are held in memory; `dataset[draw]` takes a Draw, as `Loader` deals them out.

    Args:
        scenes: to draw from.
        crop: as of `make_sample`.
        anchors: as of `make_sample`.
    """

    def __init__(self, scenes: Sequence[TrainingScene], crop: int, anchors: int) -> None:
        self.scenes, self.crop, self.anchors = list(scenes), crop, anchors

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, draw: Draw) -> Sample:
        return make_sample(self.scenes[draw.index], self.crop, self.anchors, draw.generator())


@dataclass(frozen=True, eq=False)
class SampleBatch:
    """Some samples, and their voxels one after the other.

    Attributes:
        coords: (N, 3).
        inputs: (N, F).
        batch: (N,) number of the sample.
        samples: themselves.
    """

    coords: torch.Tensor
    inputs: torch.Tensor
    batch: torch.Tensor
    samples: list[Sample]

    def to(self, device: torch.device | str) -> SampleBatch:
        """All tensors on a device."""
        return replace(_moved(self, device), samples=[_moved(sample, device) for sample in self.samples])


def collate(samples: Sequence[Sample]) -> SampleBatch:
    """One flat batch."""
    counts = torch.tensor([len(sample) for sample in samples])
    return SampleBatch(
        torch.cat([sample.coords for sample in samples]),
        torch.cat([sample.inputs for sample in samples]),
        torch.repeat_interleave(torch.arange(len(samples)), counts),
        list(samples),
    )


def _moved(thing: Any, device: torch.device | str) -> Any:
    columns = {entry.name: getattr(thing, entry.name) for entry in fields(thing)}
    tensors = {name: value for name, value in columns.items() if isinstance(value, torch.Tensor)}
    return replace(thing, **{name: value.to(device, non_blocking=True) for name, value in tensors.items()})
