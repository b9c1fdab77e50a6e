"""Normals of a cloud that came without."""

from __future__ import annotations

import numpy as np
import torch


def estimate_normals(points: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Unit normals from the plane through each point's neighbourhood; the sign is arbitrary.

    Args:
        points: (N, 3) metres.
        neighbours: (N, K) rows of `points`, K >= 2.

    Returns:
        (N, 3) float32. A neighbourhood without a plane (all one point) gives (0, 0, 1).
    """
    cloud = torch.from_numpy(np.ascontiguousarray(points, np.float32))
    normals = torch.empty_like(cloud)
    for start in range(0, len(points), 1 << 16):
        rows = slice(start, start + (1 << 16))
        around = cloud[torch.from_numpy(neighbours[rows].astype(np.int64))]
        around = around - around.mean(1, keepdim=True)
        covariance = around.transpose(1, 2) @ around
        scale = covariance.diagonal(dim1=1, dim2=2).sum(1).clamp(min=1e-20)
        _, vectors = torch.linalg.eigh(covariance / scale[:, None, None])
        normals[rows] = torch.where(scale[:, None] > 1e-19, vectors[:, :, 0], torch.tensor([0.0, 0.0, 1.0]))
    return normals.numpy()


def inwards(positions: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Normals turned to the middle of what is scanned, as a room's walls are seen.

    Args:
        positions: (M, 3) metres.
        normals: (M, 3) whose sign is not known.

    Returns:
        (M, 3) float32.
    """
    middle = (positions.min(0) + positions.max(0)) / 2
    away = ((middle - positions) * normals).sum(1) < 0
    return np.where(away[:, None], -normals, normals).astype(np.float32)
