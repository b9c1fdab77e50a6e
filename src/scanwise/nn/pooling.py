"""Geometry-guided pooling (GeoPurify, arXiv 2510.02186, section 3.3): each voxel takes, T + 1 times over, the mean of
its K nearest voxels' values, weighted by softmax(sharpness * cosine of embeddings).

The embedding is a student's (`nn/student.py`), or one made by hand of normals and colours.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as F

from scanwise.geometry.normals import srgb_to_lab

NEIGHBOURS = 96
SHARPNESS = 20.0
APPLICATIONS = 19  # once, and then T = 18 times more
COLOUR_SPREAD = 50.0  # difference in Lab at which two greys' embeddings are 45 degrees apart


def neighbour_table(points: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """(M, 3) distinct points -> (M, k) int32 nearest other points, nearest first.

    Clouds of no more than k points give (M, M), every point and itself: two points that only exchanged their
    values would never agree.
    """
    from scipy.spatial import cKDTree

    count = len(points)
    if count <= k:
        return cKDTree(points).query(points, k=[*range(1, count + 1)])[1].astype(np.int32)
    _, table = cKDTree(points).query(points, k=k + 1, workers=-1)
    return _without_self(table).astype(np.int32)


def _without_self(table: np.ndarray) -> np.ndarray:
    """Drops each row's own number (the farthest entry where ties kept it out) from an (M, k + 1) table."""
    own = table == np.arange(len(table))[:, None]
    own[~own.any(1), -1] = True
    return table[~own].reshape(len(table), -1)


def hand_made_embedding(normals: np.ndarray, colors: np.ndarray | None) -> torch.Tensor:
    """Unit embeddings (M, 6 or 10) from normals (M, 3) and colours (M, 3) in 0..255.

    The cosine of two voxels is the mean of (n1 . n2)^2 and the cosine of (1, Lab / 50), which falls with the
    difference of colour.
    """
    plane = plane_of(normals)
    if colors is None:
        return plane
    lab = torch.from_numpy(srgb_to_lab(colors)) - torch.tensor([50.0, 0.0, 0.0])
    colour = F.normalize(F.pad(lab / COLOUR_SPREAD, (1, 0), value=1.0), dim=1)
    return torch.cat([plane, colour], 1) / 2**0.5


def plane_of(normals: np.ndarray) -> torch.Tensor:
    """Normals (M, 3) -> (M, 6) of length 1 whose inner product is (n1 . n2)^2, whatever the normals' sign."""
    x, y, z = F.normalize(torch.from_numpy(np.array(normals, np.float32)), dim=1).unbind(1)
    root = 2**0.5
    return torch.stack([x * x, y * y, z * z, root * x * y, root * y * z, root * z * x], 1)


def affinity(embedding: torch.Tensor, neighbours: np.ndarray, sharpness: float = SHARPNESS) -> torch.Tensor:
    """Pooling weights (M, K), rows sum to 1: softmax(sharpness * cosine of embeddings (M, D)) over neighbours."""
    unit = F.normalize(embedding, dim=1)
    table = torch.from_numpy(neighbours)
    weights = torch.empty(table.shape, dtype=unit.dtype)
    for start in range(0, len(unit), 1 << 14):
        rows = slice(start, start + (1 << 14))
        cosine = torch.einsum("mkd,md->mk", unit[table[rows].long()], unit[rows])
        weights[rows] = (sharpness * cosine).softmax(1)
    return weights


def times(features: np.ndarray, matrix: torch.Tensor) -> torch.Tensor:
    """Features (M, C) of any precision times a matrix (C, P), in float32, a part of the rows at a time."""
    result = torch.empty(len(features), matrix.shape[1])
    for start in range(0, len(features), 1 << 14):
        rows = slice(start, start + (1 << 14))
        result[rows] = torch.from_numpy(features[rows].astype(np.float32)) @ matrix
    return result


def pool(
    values: torch.Tensor, neighbours: np.ndarray, weights: torch.Tensor, applications: int = APPLICATIONS
) -> torch.Tensor:
    """Applies the row-stochastic sparse matrix (neighbours (M, K), weights (M, K)) to values (M, C), repeatedly.

    Pooling is linear: pooling features and then scoring them against texts is pooling the text scores, which
    have far fewer columns.
    """
    matrix = pooling_matrix(neighbours, weights).to(values.device)
    for _ in range(applications):
        values = matrix @ values
    return values


def pooling_matrix(neighbours: np.ndarray, weights: torch.Tensor) -> torch.Tensor:
    """The sparse CSR matrix (M, M) of neighbours and weights, both (M, K); 32-bit indices are five times faster."""
    count, k = weights.shape
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")
        return torch.sparse_csr_tensor(
            torch.arange(0, count * k + 1, k, dtype=torch.int32),
            torch.from_numpy(neighbours.reshape(-1)),
            weights.reshape(-1),
            size=(count, count),
            check_invariants=False,
        )
