"""Colours in a space where distance means difference. What range a file's colours have, `scanwise.ranges` decides."""

from __future__ import annotations

import numpy as np

_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_D65 = np.array([0.95047, 1.0, 1.08883], np.float32)


def srgb_to_lab(colors: np.ndarray) -> np.ndarray:
    """SRGB to CIE L*a*b* (D65).

    Args:
        colors: (N, 3) in 0..255.

    Returns:
        (N, 3) float32; L in 0..100, a and b about -110..110.
    """
    linear = np.asarray(colors, np.float32) / 255
    linear = np.where(linear > 0.04045, ((linear + 0.055) / 1.055) ** 2.4, linear / 12.92)
    xyz = linear @ _RGB_TO_XYZ.T / _D65
    cube = np.where(xyz > 216 / 24389, np.cbrt(xyz), (xyz * 24389 / 27 + 16) / 116)
    lightness = 116 * cube[:, 1] - 16
    return np.stack([lightness, 500 * (cube[:, 0] - cube[:, 1]), 200 * (cube[:, 1] - cube[:, 2])], 1).astype(np.float32)
