"""Scenes that are too large for a network at once: cut into overlapping tiles, whose outputs are put together."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from scanwise.data.clouds import Batch, Sample, collate
from scanwise.nn.serialize import MAX_DEPTH

OVERLAP = 1.0  # metres that a tile has of its neighbours


def sum_over_tiles(
    network: nn.Module, sample: Sample, most_voxels: int, outputs: Callable[[Batch], torch.Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """What a network says of the m voxels of a scene, summed where tiles overlap.

    Args:
        network: is in evaluation mode meanwhile, and works on its own device.
        sample: the scene's voxels.
        most_voxels: larger scenes are cut into tiles.
        outputs: what the network makes of a batch with t voxels: (t, C).

    Returns:
        (m, C) float32 sums, and (m, 1) float32 how many tiles each voxel was in.
    """
    device = next(network.parameters()).device
    total, times = np.zeros((0, 0), np.float32), np.zeros((len(sample), 1), np.float32)
    before = network.training
    network.eval()
    widest = sample.size * ((1 << MAX_DEPTH) - 2)  # so that its coordinates fit
    for rows in tiles(sample.centers, most_voxels, OVERLAP, widest=widest):
        batch = collate([_part(sample, rows)]).to(device)
        with torch.no_grad():
            found = outputs(batch).float().cpu().numpy()
        if not total.size:
            total = np.zeros((len(sample), found.shape[1]), np.float32)
        total[rows] += found
        times[rows] += 1
    network.train(before)
    return total, times


def _part(sample: Sample, rows: np.ndarray) -> Sample:
    return Sample(
        sample.coords[rows], sample.feats[rows], sample.centers[rows], None, sample.of_point[:0], sample.row[:0],
        sample.size,
    )  # fmt: skip


def tiles(positions: np.ndarray, most: int, overlap: float, *, widest: float = np.inf) -> list[np.ndarray]:
    """Cuts a cloud into pieces of at most about `most` rows, each with a strip of its neighbours.

    Args:
        positions: (N, 3) metres; cuts are across the plan's longer side.
        most: rows of a piece.
        overlap: width of the strips, metres.
        widest: side of a piece's plan, metres; a network's coordinates have so many bits.

    Returns:
        Rows of each piece; together they hold every row.
    """
    return _halved(np.arange(len(positions)), positions, most, overlap, widest)


def _halved(rows: np.ndarray, positions: np.ndarray, most: int, overlap: float, widest: float) -> list[np.ndarray]:
    if len(rows) < 2:
        return [rows]
    plan = positions[rows, :2]
    extent = np.ptp(plan, axis=0)
    if len(rows) <= most and extent.max() <= widest:
        return [rows]
    axis = int(extent.argmax())
    along = plan[:, axis]
    middle = float(np.median(along))
    below, above = rows[along <= middle + overlap], rows[along > middle - overlap]
    if max(len(below), len(above)) > 0.9 * len(rows):  # the overlap is as wide as the piece
        below, above = rows[along <= middle], rows[along > middle]
        if not len(above):
            return [rows]
    parts = (_halved(part, positions, most, overlap, widest) for part in (below, above))
    return [*itertools.chain(*parts)]
