"""Lenses that bend: the camera models of OpenCV and COLMAP, and pictures as a pinhole would have taken them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scanwise.errors import InputError
from scanwise.geometry.cameras import pixel_rays

_STRAIGHT = 0.5  # pixels: a lens that moves no pixel by more is a pinhole
_GRID = 33  # pixels of a row and a column that are looked at for that
_PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
_RADIAL = ("SIMPLE_RADIAL", "RADIAL", "OPENCV")
_FISHEYES = ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "FISHEYE")
_RATIONAL = ("FULL_OPENCV",)


@dataclass(frozen=True)
class Lens:
    """How a lens bends rays.

    Attributes:
        radial: k1, k2, ...: the radius r becomes r (1 + k1 r^2 + k2 r^4 + ...).
        tangential: p1, p2 of OpenCV.
        divisor: of the rational model, k4, k5, k6: the radius is divided by 1 + k4 r^2 + k5 r^4 + ...
        fisheye: r is the angle from the optical axis and not its tangent; nothing is tangential then.
    """

    radial: tuple[float, ...] = ()
    tangential: tuple[float, float] = (0.0, 0.0)
    divisor: tuple[float, ...] = ()
    fisheye: bool = False

    def bend(self, rays: np.ndarray) -> np.ndarray:
        """Where the lens has directions.

        Args:
            rays: (..., 2) x / z and y / z.

        Returns:
            (..., 2) on the plane at depth 1, before the camera matrix.
        """
        x, y = rays[..., 0], rays[..., 1]
        squared = x * x + y * y
        if self.fisheye:
            radius = np.sqrt(squared)
            angle = np.arctan(radius)
            scale = np.where(radius > 1e-8, angle / np.maximum(radius, 1e-8), 1.0)
            return rays * (scale * _series(self.radial, angle * angle))[..., None]
        factor = _series(self.radial, squared) / _series(self.divisor, squared)
        p1, p2 = self.tangential
        across = x * factor + 2 * p1 * x * y + p2 * (squared + 2 * x * x)
        down = y * factor + p1 * (squared + 2 * y * y) + 2 * p2 * x * y
        return np.stack([across, down], -1)


def _series(coefficients: tuple[float, ...], squared: np.ndarray) -> np.ndarray:
    """1 + k1 s + k2 s^2 + ..."""
    total = np.zeros_like(squared)
    for coefficient in reversed(coefficients):
        total = (total + coefficient) * squared
    return 1 + total


def lens_of(model: str, given: Mapping[str, float], where: object) -> Lens | None:
    """The lens of a camera model, None where it does not bend.

    Args:
        model: name as COLMAP and Nerfstudio write it; "" = whatever the coefficients are of.
        given: k1, k2, ..., p1, p2 of those that are known.
        where: what an error begins with.

    Raises:
        InputError: the model cannot be turned into a pinhole's picture.
    """
    model = model.upper().replace("PERSPECTIVE_", "")
    k = [float(given.get(f"k{number}", 0)) for number in range(1, 7)]
    tangential = float(given.get("p1", 0)), float(given.get("p2", 0))
    if model in _PINHOLES:
        return None
    if model in _FISHEYES:
        return Lens(tuple(k[:4]), fisheye=True)
    if model in _RATIONAL:
        lens = Lens(tuple(k[:3]), tangential, tuple(k[3:]))
    elif model in _RADIAL or model == "":
        lens = Lens(tuple(k[:4]), tangential)
    else:
        known = ", ".join([*_PINHOLES[:2], *_RADIAL, *_RATIONAL, *_FISHEYES[:3]])
        raise InputError(
            f"{where}: pictures of the camera model {model} are not understood; known are {known}. Undistort them first"
        )
    return lens if any((*lens.radial, *lens.tangential, *lens.divisor)) else None


@functools.lru_cache(maxsize=8)
def _sources(lens: Lens, camera: tuple[float, ...], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (H, W) float32 at which a pinhole picture's pixels lie in the bent one."""
    matrix = np.array(camera).reshape(3, 3)
    rows, columns = np.indices(size, np.float64)
    rays = pixel_rays(np.stack([columns, rows], -1), matrix)[..., :2]
    bent = lens.bend(rays) @ matrix[:2, :2].T + matrix[:2, 2]
    # Far outside the picture the series turn back: what would come from there by a fold is nothing.
    bent[_folded(lens, rays)] = np.nan
    return bent[..., 0].astype(np.float32), bent[..., 1].astype(np.float32)


def _folded(lens: Lens, rays: np.ndarray) -> np.ndarray:
    """(H, W) bool: rays beyond the radius at which the lens's radius stops growing."""
    radius = np.linalg.norm(rays, axis=-1)
    steps = np.linspace(0, float(radius.max()), 512)
    radial = Lens(lens.radial, (0.0, 0.0), lens.divisor, lens.fisheye)
    grown = radial.bend(np.stack([steps, np.zeros_like(steps)], -1))[:, 0]
    turning = np.flatnonzero(np.diff(grown) <= 0)
    return radius > steps[turning[0]] if len(turning) else np.zeros(radius.shape, bool)


def bends(lens: Lens, intrinsics: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether the lens moves a pixel of a picture (H, W) by more than half of one; a grid of 33 x 33 is looked at."""
    columns, rows = np.meshgrid(np.linspace(0, size[1] - 1, _GRID), np.linspace(0, size[0] - 1, _GRID))
    rays = pixel_rays(np.stack([columns, rows], -1), intrinsics)[..., :2]
    moved = (lens.bend(rays) - rays) @ intrinsics[:2, :2].T
    return bool(np.abs(moved).max() > _STRAIGHT)


def straightened(pixels: np.ndarray, lens: Lens, intrinsics: np.ndarray, *, smooth: bool) -> np.ndarray:
    """A picture as a pinhole with the same camera matrix would have taken it.

    Args:
        pixels: (H, W) or (H, W, C).
        lens: that took it.
        intrinsics: (3, 3) of it.
        smooth: mixes neighbouring pixels, and repeats the border outside the picture (colours); else the nearest
            pixel is taken, and what lies outside is 0 (depth).

    Returns:
        The same shape and type.
    """
    height, width = pixels.shape[:2]
    columns, rows = _sources(lens, tuple(np.ravel(intrinsics).tolist()), (height, width))
    known = np.isfinite(columns)
    columns, rows = np.where(known, columns, -1), np.where(known, rows, -1)
    if not smooth:
        column, row = np.rint(columns).astype(np.int64), np.rint(rows).astype(np.int64)
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        result = pixels[row.clip(0, height - 1), column.clip(0, width - 1)]
        result[~inside] = 0
        return result
    columns, rows = columns.clip(0, width - 1), rows.clip(0, height - 1)
    left, top = columns.astype(np.int64), rows.astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    shape = (height, width) + (1,) * (pixels.ndim - 2)
    across, down = (columns - left).reshape(shape), (rows - top).reshape(shape)
    upper = pixels[top, left] * (1 - across) + pixels[top, right] * across
    lower = pixels[bottom, left] * (1 - across) + pixels[bottom, right] * across
    return np.rint(upper * (1 - down) + lower * down).astype(pixels.dtype)
