"""Clouds on their way into a network: features, voxels, and flat batches of clouds of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch

from scanwise.errors import InputError
from scanwise.geometry.ground import Ground
from scanwise.geometry.voxels import Voxels, voxelize
from scanwise.scene import Scene

Feature = Literal["coord", "color", "normal", "intensity", "height"]
FEATURES: dict[str, int] = {"coord": 3, "color": 3, "normal": 3, "intensity": 1, "height": 1}
"""What a network can be given of each voxel, and how many channels it takes: metres from the cloud's middle on its
floor, colours -1..1, normals of length 1, intensity 0..1, or metres above the ground (`geometry.ground`)."""


def channels_of(features: Sequence[str]) -> int:
    """Channels that these features of a voxel take together."""
    return sum(FEATURES[feature] for feature in features)


@dataclass(frozen=True, eq=False)
class Cloud:
    """The per-point part of a scene.

    Attributes:
        points: (n, 3) float32 metres.
        colors: (n, 3) uint8.
        normals: (n, 3) float32, of length 1.
        intensity: (n,) float32 0..1.
        labels: (n,) int32, -1 = none.
        instances: (n,) int32, -1 = none.
        row: (n,) int64 row of each point in the scene it came from; None = the same row.
    """

    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    intensity: np.ndarray | None = None
    labels: np.ndarray | None = None
    instances: np.ndarray | None = None
    row: np.ndarray | None = None

    @classmethod
    def of(cls, scene: Scene) -> Cloud:
        """The finite points of a scene.

        Raises:
            InputError: there are none.
        """
        cloud = cls(
            scene.points, scene.colors, scene.normals, scene.intensity, scene.labels, scene.instances,
            np.arange(len(scene)),
        )  # fmt: skip
        finite = scene.finite
        if not finite.any():
            raise InputError(f"{scene.name}: has no point with finite coordinates")
        return cloud if finite.all() else cloud.take(np.flatnonzero(finite))

    def __len__(self) -> int:
        return len(self.points)

    def take(self, rows: np.ndarray) -> Cloud:
        """Some of the points.

        Args:
            rows: (m,) indices.
        """
        columns = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return replace(self, **{name: column[rows] for name, column in columns.items() if column is not None})


@dataclass(frozen=True, eq=False)
class Sample:
    """One voxelised cloud.

    Attributes:
        coords: (m, 3) int32 from 0.
        feats: (m, C) float32.
        centers: (m, 3) float32 metres, means of the points.
        labels: (m,) int32, that of most points in the voxel, -1 = none; None for an unlabelled cloud.
        of_point: (n,) int64 voxel of each point.
        row: (n,) int64 row of each point in the scene.
        size: edge of a voxel in metres.
        name: of the scene.
        offsets: (m, 3) float32 metres to the middle of the voxel's object, NaN where it is of none; None = not made.
    """

    coords: np.ndarray
    feats: np.ndarray
    centers: np.ndarray
    labels: np.ndarray | None
    of_point: np.ndarray
    row: np.ndarray
    size: float
    name: str = ""
    offsets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.coords)


def sample_of(cloud: Cloud, size: float, features: Sequence[str], name: str = "") -> Sample:
    """Voxelises a cloud.

    Args:
        cloud: with a point at least.
        size: edge of a voxel in metres.
        features: of `FEATURES`, in this order; what the cloud lacks is zero.
        name: of the scene, for errors.

    Raises:
        InputError: it is wider than 2^20 voxels.
    """
    try:
        voxels = voxelize(cloud.points, size)
    except ValueError as error:
        raise InputError(f"{name}: {error}; is it in metres?") from error
    coords = voxels.coords(cloud.points)
    centers = voxels.mean(cloud.points)
    columns = [_feature(cloud, feature, voxels, centers) for feature in features]
    labels = None if cloud.labels is None else _majority(cloud.labels, voxels.of_point, len(voxels))
    row = np.arange(len(cloud)) if cloud.row is None else cloud.row
    return Sample(coords, np.concatenate(columns, 1), centers, labels, voxels.of_point, row, size, name)


def sample_with_objects(
    cloud: Cloud, size: float, features: Sequence[str], name: str = ""
) -> tuple[Sample, np.ndarray]:
    """Voxelises a cloud of objects: also (m,) int32 the object of each voxel, -1 = none; the sample has `offsets`.

    The middle of an object is the mean of its voxels' centres.

    Args:
        cloud: with labels and instances.
        size: as of `sample_of`.
        features: as of `sample_of`.
        name: as of `sample_of`.

    Raises:
        InputError: as of `sample_of`.
    """
    assert cloud.labels is not None
    assert cloud.instances is not None
    base = int(cloud.labels.max(initial=-1)) + 2
    both = (cloud.instances.astype(np.int64) + 1) * base + cloud.labels + 1  # one majority vote for the pair
    sample = sample_of(replace(cloud, labels=both), size, features, name)
    assert sample.labels is not None
    instances, labels = sample.labels // base - 1, sample.labels % base - 1
    count = int(instances.max(initial=-1)) + 2  # the last is that of none
    sizes = np.maximum(np.bincount(instances % count, minlength=count), 1)
    sums = [np.bincount(instances % count, sample.centers[:, axis], count) for axis in range(3)]
    means = (np.stack(sums, 1) / sizes[:, None]).astype(np.float32)
    offsets = np.where(instances[:, None] >= 0, means[instances] - sample.centers, np.float32(np.nan))
    return replace(sample, labels=labels.astype(np.int32), offsets=offsets), instances


def _feature(cloud: Cloud, feature: str, voxels: Voxels, centers: np.ndarray) -> np.ndarray:
    """(m, C) float32: one of `FEATURES`."""
    if feature == "coord":
        low, high = centers.min(0), centers.max(0)
        return np.asarray(centers - [*((low + high) / 2)[:2], low[2]], np.float32)
    if feature == "height":
        return height_above_ground(centers, centers)
    column = {"color": cloud.colors, "normal": cloud.normals, "intensity": cloud.intensity}[feature]
    if column is None:
        return np.zeros((len(centers), FEATURES[feature]), np.float32)
    values = voxels.mean(column)
    if feature == "color":
        return np.asarray(values / 127.5 - 1, np.float32)
    if feature == "normal":
        return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)
    return np.asarray(values, np.float32)


def height_above_ground(centers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(m, 1) float32 metres above the ground, place by place.

    Args:
        centers: (m, 3) of voxels, metres.
        known: (k, 3) of voxels whose heights tell where the ground is.
    """
    return np.asarray(centers[:, 2] - Ground.under(known).at(centers), np.float32)[:, None]


def _majority(labels: np.ndarray, of_point: np.ndarray, count: int) -> np.ndarray:
    """(count,) int32: the label that most labelled points of each voxel have, -1 where none has one."""
    known = labels >= 0
    if not known.any():
        return np.full(count, -1, np.int32)
    classes = int(labels.max()) + 1
    keys, votes = np.unique(of_point[known] * classes + labels[known], return_counts=True)
    order = np.lexsort((votes, keys // classes))  # the last of each voxel's has the most votes
    result = np.full(count, -1, np.int32)
    result[keys[order] // classes] = keys[order] % classes
    return result


@dataclass(eq=False)
class Batch:
    """Voxels of some clouds, one cloud after the other.

    Attributes:
        coords: (N, 3) int32, from 0 in each cloud.
        feats: (N, C) float32.
        batch: (N,) int64 cloud of each voxel.
        labels: (N,) int64, -1 = none; None where a cloud is unlabelled.
        centers: (N, 3) float32 metres.
        samples: what it was made of.
        offsets: (N, 3) float32 metres, as of `Sample`; None where a cloud has none.
    """

    coords: torch.Tensor
    feats: torch.Tensor
    batch: torch.Tensor
    labels: torch.Tensor | None
    centers: torch.Tensor
    samples: list[Sample]
    offsets: torch.Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The tensors on a device."""
        tensors = {
            entry.name: getattr(self, entry.name).to(device, non_blocking=True)
            for entry in fields(self)
            if isinstance(getattr(self, entry.name), torch.Tensor)
        }
        return replace(self, **tensors)


def collate(samples: Sequence[Sample]) -> Batch:
    """One flat batch of clouds of any size."""
    labels, offsets = ([getattr(sample, name) for sample in samples] for name in ("labels", "offsets"))
    counts = torch.tensor([len(sample) for sample in samples])
    return Batch(
        torch.from_numpy(np.concatenate([sample.coords for sample in samples])),
        torch.from_numpy(np.concatenate([sample.feats for sample in samples])),
        torch.repeat_interleave(torch.arange(len(samples)), counts),
        None if any(each is None for each in labels) else torch.from_numpy(np.concatenate(labels)).long(),
        torch.from_numpy(np.concatenate([sample.centers for sample in samples])),
        list(samples),
        None if any(each is None for each in offsets) else torch.from_numpy(np.concatenate(offsets)),
    )
