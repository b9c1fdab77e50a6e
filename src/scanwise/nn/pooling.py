"""Geometry-guided pooling (GeoPurify, arXiv 2510.02186, section 3.3).

Each voxel takes, T + 1 times over, the mean of its K nearest voxels' values, weighted by softmax(sharpness * cosine of
embeddings). The embedding is a student's (`methods/geopurify/model.py`), or one made by hand of normals and colours.

Shapes: M voxels, K neighbours of each, C columns of values, D channels of embeddings.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as F

from scanwise import cache
from scanwise.data.surface import Surface
from scanwise.geometry.colors import srgb_to_lab

SHARPNESS = 20.0
APPLICATIONS = 19  # once, and then T = 18 times more
_VERSION = "1"
COLOUR_SPREAD = 50.0  # difference in Lab at which two greys' embeddings are 45 degrees apart


def hand_made_embedding(normals: np.ndarray, colors: np.ndarray | None) -> torch.Tensor:
    """Unit embeddings from normals and colours.

    The cosine of two voxels is the mean of (n1 . n2)^2 and the cosine of (1, Lab / 50), which falls with the
    difference of colour.

    Args:
        normals: (M, 3), of any length.
        colors: (M, 3) in 0..255; None = by normals alone.

    Returns:
        (M, 10) float32; (M, 6) without colours.
    """
    plane = plane_embedding(normals)
    if colors is None:
        return plane
    lab = torch.from_numpy(srgb_to_lab(colors)) - torch.tensor([50.0, 0.0, 0.0])
    colour = F.normalize(F.pad(lab / COLOUR_SPREAD, (1, 0), value=1.0), dim=1)
    return torch.cat([plane, colour], 1) / 2**0.5


def plane_embedding(normals: np.ndarray) -> torch.Tensor:
    """Normals (M, 3) -> (M, 6) of length 1 whose inner product is (n1 . n2)^2, whatever the normals' sign."""
    x, y, z = F.normalize(torch.from_numpy(np.array(normals, np.float32)), dim=1).unbind(1)
    root = 2**0.5
    return torch.stack([x * x, y * y, z * z, root * x * y, root * y * z, root * z * x], 1)


def affinity(embedding: torch.Tensor, neighbours: np.ndarray, sharpness: float = SHARPNESS) -> torch.Tensor:
    """Pooling weights: softmax(sharpness * cosine of embeddings) over neighbours.

    Args:
        embedding: (M, D), of any length.
        neighbours: (M, K) rows.
        sharpness: the higher, the more the most alike neighbours count.

    Returns:
        (M, K), rows sum to 1.
    """
    unit = F.normalize(embedding, dim=1)
    weights = torch.empty(neighbours.shape, dtype=unit.dtype)
    for start in range(0, len(unit), 1 << 14):
        rows = slice(start, start + (1 << 14))
        table = torch.from_numpy(neighbours[rows].astype(np.int64))
        cosine = torch.einsum("mkd,md->mk", unit[table], unit[rows])
        weights[rows] = (sharpness * cosine).softmax(1)
    return weights


def geometric_weights(surface: Surface) -> np.ndarray:
    """(M, K) float32 pooling weights over a surface's neighbours, of the embedding made by hand; kept in the cache."""

    def make() -> dict[str, np.ndarray]:
        table = np.array(surface.neighbours)  # first, as normals are laid through some of them
        return {"weights": affinity(hand_made_embedding(surface.normals, surface.colors), table).numpy()}

    return cache.arrays("affinity", cache.key_of(_VERSION, surface.content, "geometry"), make)["weights"]


def chunked_matmul(features: np.ndarray, matrix: torch.Tensor) -> torch.Tensor:
    """Features times a matrix in float32, a part of the rows at a time, as a copy of all would not fit.

    Args:
        features: (M, C) of any precision.
        matrix: (C, P).

    Returns:
        (M, P) float32.
    """
    result = torch.empty(len(features), matrix.shape[1])
    for start in range(0, len(features), 1 << 14):
        rows = slice(start, start + (1 << 14))
        result[rows] = torch.from_numpy(features[rows].astype(np.float32)) @ matrix
    return result


def pool(
    values: torch.Tensor, neighbours: np.ndarray, weights: torch.Tensor, applications: int = APPLICATIONS
) -> torch.Tensor:
    """Takes the weighted mean of each voxel's neighbours, repeatedly.

    Pooling is linear: pooling features and then scoring them against texts is pooling the text scores, which
    have far fewer columns.

    Args:
        values: (M, C).
        neighbours: (M, K) int32 rows.
        weights: (M, K), rows sum to 1.
        applications: T + 1.

    Returns:
        (M, C).
    """
    if values.device.type != "cpu":  # not every device has sparse matrices
        table, weights = torch.from_numpy(np.asarray(neighbours)).to(values.device), weights.to(values.device)
        for _ in range(applications):
            values = F.embedding_bag(table, values, mode="sum", per_sample_weights=weights)
        return values
    matrix = pooling_matrix(neighbours, weights)
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
