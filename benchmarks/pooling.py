"""Pooling the scores of the texts against pooling every feature channel, on the surfaces of a room.

    python benchmarks/pooling.py --json docs/results/data/pooling.json

200 000 voxels, K = 96 neighbours, 19 applications, 10 texts, 512 channels. The reference is the same sparse
matrix applied to the 512 channels with `torch.sparse.mm`, a few applications timed and scaled to 19.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from rows import Rows, machine, median_seconds

from scanwise.geometry.neighbours import neighbour_table
from scanwise.geometry.voxels import voxelize
from scanwise.nn.pooling import (
    APPLICATIONS,
    affinity,
    hand_made_embedding,
    pool,
    pooling_matrix,
)

VOXELS, TEXTS, CHANNELS, REFERENCE_APPLICATIONS = 200_000, 10, 512, 2


def main() -> None:
    rows = Rows(__doc__ or "")
    torch.set_num_threads(2)
    centres, normals, colors = room()
    params = {"voxels": len(centres), "k": 96, "threads": 2, "machine": machine()}

    started = time.perf_counter()
    neighbours = neighbour_table(centres, 96)
    rows.add("neighbour table", time.perf_counter() - started, "s", **params)
    started = time.perf_counter()
    weights = affinity(hand_made_embedding(normals, colors), neighbours)
    rows.add("affinity", time.perf_counter() - started, "s", **params)

    features = torch.randn(len(centres), CHANNELS, generator=torch.Generator().manual_seed(0))
    scores = features @ torch.randn(CHANNELS, TEXTS, generator=torch.Generator().manual_seed(1))
    full = full_route(features, neighbours, weights)
    shortcut = median_seconds(lambda: pool(scores, neighbours, weights))
    rows.add("pool 10 text scores", shortcut, "s", full, texts=TEXTS, channels=CHANNELS, **params)
    rows.write()


def full_route(features: torch.Tensor, neighbours: np.ndarray, weights: torch.Tensor) -> float:
    """Seconds for all applications to every channel with torch.sparse.mm."""
    matrix = pooling_matrix(neighbours, weights)
    torch.sparse.mm(matrix, features[:, :8].contiguous())
    started = time.perf_counter()
    for _ in range(REFERENCE_APPLICATIONS):
        features = torch.sparse.mm(matrix, features)
    return (time.perf_counter() - started) / REFERENCE_APPLICATIONS * APPLICATIONS


def room() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel centres (M, 3), normals and colours of the six sides of a box, with a little noise."""
    generator = np.random.default_rng(0)
    side = int((VOXELS / 6) ** 0.5) + 2
    u, v = (axis.reshape(-1) for axis in np.meshgrid(np.arange(side), np.arange(side)))
    points, normals = [], []
    for axis in range(3):
        for end in (0, side):
            face = np.zeros((len(u), 3))
            face[:, axis], face[:, axis - 1], face[:, axis - 2] = end, u, v
            points.append(face)
            normals.append(np.tile(np.eye(3)[axis], (len(u), 1)))
    cloud = np.concatenate(points) * 0.02 + generator.uniform(0, 0.004, (6 * len(u), 3))
    voxels = voxelize(cloud, 0.02)
    colors = generator.uniform(0, 255, (len(cloud), 3))
    return voxels.mean(cloud)[:VOXELS], voxels.mean(np.concatenate(normals))[:VOXELS], voxels.mean(colors)[:VOXELS]


if __name__ == "__main__":
    main()
