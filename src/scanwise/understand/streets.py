"""The things that stand in a street: clusters over the ground, whose votes labels are.

A sweep has no surface that things could be cut out of, but what stands in a street stands apart: without the ground, in
the plan, cars, poles and people are clusters of their own. A small cluster votes as one; a large one (a hedge with a
car before it) by what its network calls alike. Objects are clusters of one word.

Shapes: M voxels, K texts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from scanwise.data.surface import Surface
from scanwise.geometry.components import connected_points
from scanwise.geometry.ground import Ground
from scanwise.geometry.voxels import voxelize
from scanwise.understand.shapes import Shapes

LOW = 0.2  # metres above the ground where things begin
GAP = 0.4  # metres: points in touching squares of the plan of this edge belong to one thing
SMALL = (6.5, 3.5)  # metres: longest side in the plan, and height, of a cluster that is one thing
FEWEST = 12  # points of an object
_GROUPS = (
    ("car", "truck", "other-vehicle"),
    ("person", "bicycle", "motorcycle", "bicyclist", "motorcyclist"),
    ("pole", "traffic-sign"), ("trunk",), ("vegetation",), ("building",), ("fence",),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class StreetThings:
    """Clusters over the ground; has the methods of `understand.things.Things`, whose parts are voxels here.

    Attributes:
        of_voxel: (M,) int32, 0..M-1.
        plan: (M, 2) float32 metres.
        high: (M,) bool, whether a voxel is over the ground.
        cluster: (M,) int32 whose voxels vote together, 0..; a voxel on the ground is alone.
        model_hashes: none: no weights are behind it.
    """

    of_voxel: np.ndarray
    plan: np.ndarray
    high: np.ndarray
    cluster: np.ndarray
    model_hashes: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.of_voxel)

    def means(self, values: torch.Tensor) -> torch.Tensor:
        """(M, C): values (M, C) as they are."""
        return values

    def votes(self, probabilities: torch.Tensor) -> torch.Tensor:
        """(M, K): what a voxel says, and what its cluster says together, which counts twice.

        Args:
            probabilities: (M, K), rows sum to 1.
        """
        rows = torch.from_numpy(self.cluster.astype(np.int64))
        count = int(rows.max()) + 1
        sums = torch.zeros(count, probabilities.shape[1]).index_add_(0, rows, probabilities)
        means = sums / torch.bincount(rows, minlength=count)[:, None]
        return (probabilities + 2 * means[rows]) / 3

    def objects(self, labels: np.ndarray) -> np.ndarray:
        """(M,) int32 object of each voxel: clusters of one word over the ground; -1 = none.

        Args:
            labels: (M,) of the voxels, -1 = none.
        """
        result, count = np.full(len(labels), -1, np.int32), 0
        for label in np.unique(labels[labels >= 0]):
            own = labels == label
            rows = np.flatnonzero(own & self.high)
            if 2 * len(rows) < own.sum():  # a word for the ground
                continue
            parts = clusters(self.plan[rows])
            sizes = np.bincount(parts)
            number = np.full(len(sizes), -1, np.int32)
            number[sizes >= FEWEST] = count + np.arange((sizes >= FEWEST).sum())
            result[rows] = number[parts]
            count += int((sizes >= FEWEST).sum())
        return result


def clusters(plan: np.ndarray) -> np.ndarray:
    """(n,) int32 cluster of each place of a plan (n, 2), 0.. ."""
    if not len(plan):
        return np.zeros(0, np.int32)
    return connected_points(np.column_stack([plan, np.zeros(len(plan), plan.dtype)]), GAP)


def street_things(surface: Surface, shapes: Shapes) -> StreetThings:
    """The clusters of a surface.

    Args:
        surface: of a scene.
        shapes: what a 3D network makes of it.
    """
    centers = surface.centers
    above = centers[:, 2] - Ground.under(voxelize(centers, 0.2).mean(centers)).at(centers)
    group_of = np.array(
        [next((number for number, group in enumerate(_GROUPS) if name in group), -1) for name in shapes.classes]
    )
    group = group_of[np.asarray(shapes.probabilities).argmax(1)]
    cluster = np.arange(len(centers), dtype=np.int32)
    standing = np.flatnonzero(above > LOW)
    apart = clusters(centers[standing, :2])
    whole = _small(centers[standing], apart)
    cluster[standing[whole]] = len(centers) + apart[whole]
    first = int(cluster.max(initial=0)) + 1
    for number in range(len(_GROUPS)):
        rows = standing[~whole & (group[standing] == number)]
        cluster[rows] = first + clusters(centers[rows, :2])
        first = int(cluster.max(initial=0)) + 1
    cluster = np.unique(cluster, return_inverse=True)[1].astype(np.int32)
    every = np.arange(len(centers), dtype=np.int32)
    return StreetThings(every, centers[:, :2].astype(np.float32), above > LOW, cluster)


def _small(points: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """(n,) bool, points (n, 3) of clusters (n,) no larger than a thing."""
    if not len(points):
        return np.zeros(0, bool)
    order = np.argsort(apart, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(apart))[:-1]])
    span = np.maximum.reduceat(points[order], starts) - np.minimum.reduceat(points[order], starts)
    return ((span[:, :2].max(1) <= SMALL[0]) & (span[:, 2] <= SMALL[1]))[apart]
