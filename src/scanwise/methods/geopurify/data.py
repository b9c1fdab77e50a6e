"""Scenes as GeoPurify's student learns from them: crops of voxels, with what a frozen teacher says of their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from scanwise.data.datasets import Draw, SceneDataset
from scanwise.errors import InputError

FEWEST_PLACES = 4


@dataclass(frozen=True, eq=False)
class Studied:
    """A scene as the student and the teacher see it.

    Attributes:
        coords: (M, 3) int32 voxels. inputs: (M, F) float16 of the student. neighbours: (M, K) int32.
        teacher: (m, D) float16 features of the teacher's voxels. place: (M,) which of those each voxel lies in.
    """

    name: str
    coords: np.ndarray
    inputs: np.ndarray
    neighbours: np.ndarray
    teacher: np.ndarray
    place: np.ndarray

    def __post_init__(self) -> None:
        if len(np.unique(self.place)) < FEWEST_PLACES:
            raise InputError(
                f"{self.name}: spans fewer than {FEWEST_PLACES} of the teacher's voxels; too small a scene"
            )


@dataclass(frozen=True, eq=False)
class Lesson:
    """A crop of a scene, n voxels, rows of which are meant below.

    Attributes:
        coords: (n, 3). inputs: (n, F). neighbours: (n, K), -1 = outside the crop. teacher: (n, D).
        among: (m,) one voxel of each place of the teacher, drawn anew each time. anchors: (A,) of those, all of whose
            neighbours are within the crop.
    """

    name: str
    coords: torch.Tensor
    inputs: torch.Tensor
    neighbours: torch.Tensor
    teacher: torch.Tensor
    among: torch.Tensor
    anchors: torch.Tensor

    def __len__(self) -> int:
        return len(self.coords)


def make_lesson(studied: Studied, most: int, anchors: int, generator: np.random.Generator) -> Lesson:
    """A lesson of a scene.

    Args:
        most: voxels: those nearest, in plan, to one drawn at random; 0 = all. anchors: at most.
    """
    rows = _crop(studied.coords, most, generator)
    position = np.full(len(studied.coords), -1)
    position[rows] = np.arange(len(rows))
    neighbours = position[studied.neighbours[rows]]
    whole = (neighbours >= 0).all(1)
    order = generator.permutation(len(rows))
    order = order[
        np.argsort(~whole[order], kind="stable")
    ]  # of each place, a voxel with its neighbours if there is one
    place = studied.place[rows]
    among = order[np.unique(place[order], return_index=True)[1]]
    able = among[whole[among]]
    chosen = able[np.sort(generator.permutation(len(able))[:anchors])]
    return Lesson(
        studied.name,
        torch.from_numpy(studied.coords[rows]),
        torch.from_numpy(studied.inputs[rows].astype(np.float32)),
        torch.from_numpy(neighbours),
        torch.from_numpy(studied.teacher[place].astype(np.float32)),
        torch.from_numpy(among),
        torch.from_numpy(chosen),
    )


def _crop(coords: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    if not most or len(coords) <= most:
        return np.arange(len(coords))
    middle = coords[generator.integers(len(coords)), :2]
    distance = np.square(coords[:, :2] - middle).sum(1)
    return np.sort(np.argpartition(distance, most)[:most])


class Lessons(SceneDataset):
    """Lessons of scenes that are held in memory; `lessons[draw]` takes a Draw, as `Loader` deals them out."""

    def __init__(self, studied: Sequence[Studied], most: int, anchors: int) -> None:
        self.studied, self.most, self.anchors = list(studied), most, anchors

    def __len__(self) -> int:
        return len(self.studied)

    def __getitem__(self, draw: Draw) -> Lesson:
        return make_lesson(self.studied[draw.index], self.most, self.anchors, draw.generator())


@dataclass(frozen=True, eq=False)
class LessonBatch:
    """Some lessons, and their voxels one after the other: coords (N, 3), inputs (N, F), batch (N,)."""

    coords: torch.Tensor
    inputs: torch.Tensor
    batch: torch.Tensor
    samples: list[Lesson]

    def to(self, device: torch.device | str) -> LessonBatch:
        """All tensors on a device."""
        return replace(_moved(self, device), samples=[_moved(lesson, device) for lesson in self.samples])


def collate_lessons(lessons: Sequence[Lesson]) -> LessonBatch:
    """One flat batch."""
    counts = torch.tensor([len(lesson) for lesson in lessons])
    return LessonBatch(
        torch.cat([lesson.coords for lesson in lessons]),
        torch.cat([lesson.inputs for lesson in lessons]),
        torch.repeat_interleave(torch.arange(len(lessons)), counts),
        list(lessons),
    )


def _moved(thing: Any, device: torch.device | str) -> Any:
    columns = {entry.name: getattr(thing, entry.name) for entry in fields(thing)}
    tensors = {name: value for name, value in columns.items() if isinstance(value, torch.Tensor)}
    return replace(thing, **{name: value.to(device, non_blocking=True) for name, value in tensors.items()})
