"""Normals of a cloud that came without, and colours in a space where distance means difference."""

from __future__ import annotations

import numpy as np
import torch


def estimate_normals(points: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Unit normals from the plane through each point's neighbourhood; the sign is arbitrary.

    Args:
        points: (N, 3) metres. neighbours: (N, K) rows of `points`, K >= 2.

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


def inwards(places: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(M, 3) normals whose sign is not known, turned to the middle of what is scanned, as a room's walls are seen."""
    middle = (places.min(0) + places.max(0)) / 2
    away = ((middle - places) * normals).sum(1) < 0
    return np.where(away[:, None], -normals, normals).astype(np.float32)


def srgb_to_lab(colors: np.ndarray) -> np.ndarray:
    """sRGB (N, 3) in 0..255 -> CIE L*a*b* (D65) (N, 3) float32; L in 0..100, a and b about -110..110."""
    linear = np.asarray(colors, np.float32) / 255
    linear = np.where(linear > 0.04045, ((linear + 0.055) / 1.055) ** 2.4, linear / 12.92)
    xyz = linear @ _RGB_TO_XYZ.T / _D65
    cube = np.where(xyz > 216 / 24389, np.cbrt(xyz), (xyz * 24389 / 27 + 16) / 116)
    lightness = 116 * cube[:, 1] - 16
    return np.stack([lightness, 500 * (cube[:, 0] - cube[:, 1]), 200 * (cube[:, 1] - cube[:, 2])], 1).astype(np.float32)


_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_D65 = np.array([0.95047, 1.0, 1.08883], np.float32)
