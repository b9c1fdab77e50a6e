"""Objects proposed by a network that knows classes and offsets: points shifted to their centres, clustered by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from scanwise.geometry.components import connected_points
from scanwise.nn.offsets import offset_head

_COVERED = 0.25  # IoU from which a proposal stands for a true object


@dataclass(frozen=True, eq=False)
class Instances:
    """P objects of one cloud of n voxels.

    Attributes:
        of_voxel: (n,) int64 object of each voxel, -1 = none.
        centers: (P, 3) float32 metres, middles of the boxes around the voxels' centres.
        sizes: (P, 3) float32 metres, of those boxes.
        classes: (P,) int64.
    """

    of_voxel: np.ndarray
    centers: np.ndarray
    sizes: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.classes)


class ProposalHead(nn.Module):
    """Of each voxel logits of its class and the way to the middle of its object.

    Args:
        in_channels: of a voxel.
        classes: how many.
        hidden: channels between.
    """

    def __init__(self, in_channels: int, classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.classes = nn.Linear(in_channels, classes)
        self.offsets = offset_head(in_channels, hidden)

    def forward(self, feats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits (N, K) and offsets (N, 3) in metres of voxels (N, C)."""
        return self.classes(feats), self.offsets(feats)


def clustered(
    centers: np.ndarray, offsets: np.ndarray, classes: np.ndarray, things: np.ndarray, *, reach: float, fewest: int
) -> Instances:
    """Objects: voxels of one class that lie together once shifted.

    Args:
        centers: (n, 3) metres.
        offsets: (n, 3) metres.
        classes: (n,) int64.
        things: (K,) bool, classes that have objects.
        reach: metres; shifted voxels in touching cells of this edge belong together.
        fewest: voxels of an object.
    """
    rows = np.flatnonzero(things[classes])
    of_voxel = np.full(len(centers), -1, np.int64)
    if not len(rows):
        return instances_of(centers, of_voxel, classes)
    shifted = centers[rows] + offsets[rows]
    apart = 10.0 + np.ptp(shifted[:, 0])
    shifted[:, 0] += classes[rows] * apart  # classes lie side by side, out of each other's reach
    component = connected_points(shifted, reach)
    large = np.bincount(component) >= fewest
    of_voxel[rows] = np.where(large, np.cumsum(large) - 1, -1)[component]
    return instances_of(centers, of_voxel, classes)


def instances_of(centers: np.ndarray, of_voxel: np.ndarray, classes: np.ndarray) -> Instances:
    """Objects from the object of each voxel, numbered from 0 without a gap, -1 = none.

    Args:
        centers: (n, 3) metres.
        of_voxel: (n,) int64.
        classes: (n,) of the voxels; an object has that of most of them.
    """
    count = int(of_voxel.max(initial=-1)) + 1
    middles, sizes = np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32)
    kinds = np.zeros(count, np.int64)
    order = np.argsort(of_voxel, kind="stable")
    starts = np.searchsorted(of_voxel[order], np.arange(count + 1))
    for number in range(count):
        rows = order[starts[number] : starts[number + 1]]
        low, high = centers[rows].min(0), centers[rows].max(0)
        middles[number], sizes[number] = (low + high) / 2, high - low
        kinds[number] = np.bincount(np.maximum(classes[rows], 0)).argmax()
    return Instances(of_voxel, middles, sizes, kinds)


def overlaps(instances: Instances, target: np.ndarray) -> np.ndarray:
    """(P,) IoU of each object with a target (n,) bool."""
    inside = instances.of_voxel >= 0
    sizes = np.bincount(instances.of_voxel[inside], minlength=len(instances))
    shared = np.bincount(instances.of_voxel[inside & target], minlength=len(instances))
    return shared / np.maximum(sizes + target.sum() - shared, 1)


def with_missing(instances: Instances, truth: np.ndarray, centers: np.ndarray, labels: np.ndarray) -> Instances:
    """With the true objects that no proposal covers (IoU below 0.25), which take their voxels for themselves.

    Args:
        instances: what was proposed.
        truth: (n,) true object of each voxel, -1 = none.
        centers: (n, 3) metres.
        labels: (n,) true classes.
    """
    of_voxel, added = instances.of_voxel.copy(), int(instances.of_voxel.max(initial=-1)) + 1
    for number in np.unique(truth[truth >= 0]):
        target = truth == number
        if not len(instances) or overlaps(instances, target).max() < _COVERED:
            of_voxel[target] = added
            added += 1
    kept = np.unique(of_voxel[of_voxel >= 0])
    of_voxel[of_voxel >= 0] = np.searchsorted(kept, of_voxel[of_voxel >= 0])
    return instances_of(centers, of_voxel, labels)
