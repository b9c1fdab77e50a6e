"""Objects proposed by a network that knows classes and offsets: points shifted to their centres, clustered by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scanwise.geometry.voxels import voxelize

_COVERED = 0.25  # IoU from which a proposal stands for a true object


@dataclass(frozen=True, eq=False)
class Instances:
    """P objects of one cloud of n voxels.

    Attributes:
        of_voxel: (n,) int64 object of each voxel, -1 = none. centers, sizes: (P, 3) float32 metres, of the voxels'
            centres. classes: (P,) int64.
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
        in_channels: of a voxel. classes: how many. hidden: channels between.
    """

    def __init__(self, in_channels: int, classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.classes = nn.Linear(in_channels, classes)
        self.offsets = nn.Sequential(nn.Linear(in_channels, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, feats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, classes) logits and (N, 3) metres of voxels (N, C)."""
        return self.classes(feats), self.offsets(feats)


def proposal_losses(
    logits: torch.Tensor, offsets: torch.Tensor, labels: torch.Tensor, wanted: torch.Tensor, inside: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Cross-entropy of the class; distance and direction of the offset (as PointGroup, arXiv 2004.01658).

    Args:
        logits: (N, K). offsets, wanted: (N, 3) metres. labels: (N,), -1 = unknown. inside: (N,) bool, of some object.
    """
    known = bool((labels >= 0).any())
    entropy = functional.cross_entropy(logits, labels, ignore_index=-1) if known else logits.sum() * 0
    if not bool(inside.any()):
        return {"class": entropy, "offset": offsets.sum() * 0}
    found, true = offsets[inside], wanted[inside]
    distance = (found - true).abs().sum(1).mean()
    direction = -functional.cosine_similarity(found, true, dim=1).mean()
    return {"class": entropy, "offset": distance + 0.1 * direction}


def clustered(
    centers: np.ndarray, offsets: np.ndarray, classes: np.ndarray, things: np.ndarray, *, reach: float, fewest: int
) -> Instances:
    """Objects: voxels of one class that lie together once shifted.

    Args:
        centers: (n, 3) metres. offsets: (n, 3). classes: (n,). things: (K,) bool, classes that have objects.
        reach: metres; shifted voxels in touching cells of this edge belong together. fewest: voxels of an object.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    rows = np.flatnonzero(things[classes])
    of_voxel = np.full(len(centers), -1, np.int64)
    if not len(rows):
        return instances_of(centers, of_voxel, classes)
    shifted = centers[rows] + offsets[rows]
    shifted[:, 0] += classes[rows] * (
        10.0 + np.ptp(shifted[:, 0])
    )  # classes lie side by side, out of each other's reach
    shifted -= shifted.min(0)
    cells = voxelize(shifted, reach)
    grid = np.floor(shifted[cells.first] / reach)
    pairs = cKDTree(grid).query_pairs(1.01, p=np.inf, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(grid), len(grid)))
    of_cell = connected_components(graph, directed=False)[1]
    piece = of_cell[cells.of_point]
    large = np.flatnonzero(np.bincount(piece) >= fewest)
    number = np.full(piece.max() + 1, -1)
    number[large] = np.arange(len(large))
    of_voxel[rows] = number[piece]
    return instances_of(centers, of_voxel, classes)


def instances_of(centers: np.ndarray, of_voxel: np.ndarray, classes: np.ndarray) -> Instances:
    """Objects from the object (n,) of each voxel, numbered from 0 without a gap, -1 = none.

    Args:
        centers: (n, 3). classes: (n,) of the voxels; an object has that of most of them.
    """
    count = int(of_voxel.max(initial=-1)) + 1
    middles, sizes = np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32)
    kinds = np.zeros(count, np.int64)
    order = np.argsort(of_voxel, kind="stable")
    starts = np.searchsorted(of_voxel[order], np.arange(count + 1))
    for place in range(count):
        rows = order[starts[place] : starts[place + 1]]
        low, high = centers[rows].min(0), centers[rows].max(0)
        middles[place], sizes[place] = (low + high) / 2, high - low
        kinds[place] = np.bincount(np.maximum(classes[rows], 0)).argmax()
    return Instances(of_voxel, middles, sizes, kinds)


def overlaps(instances: Instances, target: np.ndarray) -> np.ndarray:
    """(P,) IoU of each object with a target (n,) bool."""
    inside = instances.of_voxel >= 0
    sizes = np.bincount(instances.of_voxel[inside], minlength=len(instances))
    shared = np.bincount(instances.of_voxel[inside & target], minlength=len(instances))
    return shared / np.maximum(sizes + target.sum() - shared, 1)


def with_missing(instances: Instances, truth: np.ndarray, centers: np.ndarray, labels: np.ndarray) -> Instances:
    """With the true objects (n,) that no proposal covers (IoU below 0.25), which take their voxels for themselves."""
    of_voxel, added = instances.of_voxel.copy(), int(instances.of_voxel.max(initial=-1)) + 1
    for number in np.unique(truth[truth >= 0]):
        target = truth == number
        if not len(instances) or overlaps(instances, target).max() < _COVERED:
            of_voxel[target] = added
            added += 1
    kept = np.unique(of_voxel[of_voxel >= 0])
    of_voxel[of_voxel >= 0] = np.searchsorted(kept, of_voxel[of_voxel >= 0])
    return instances_of(centers, of_voxel, labels)
