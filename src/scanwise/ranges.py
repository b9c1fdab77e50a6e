"""What range the numbers of colours and intensities have: one rule for every reader, and for `Scene` itself.

No single value decides: a share of a hundredth or a thousandth may lie outside, and is clipped.
"""

from __future__ import annotations

import warnings

import numpy as np

from scanwise.errors import ScanwiseWarning

_FEW = 0.01
"""Share of values that may lie beyond a range before the next one is taken."""
_ROUNDING = 1.004
"""How far beyond its range a number may be rounded, interpolated or sharpened: 256 is still one of 8 bits."""


def color_bytes(values: np.ndarray, where: str | None = None) -> np.ndarray:
    """Colours of any range as bytes.

    uint8 as they are, int8 bit by bit. Others are, in this order: fractions of 0..1 (or -1..1, as networks take
    them), 8 bits (or -128..127), and 10, 12 or 16 bits, by the values alone. Numbers that are not finite are 0.

    Args:
        values: (N, 3), any type.
        where: what a note begins with when the range is unusual; None = no note.

    Returns:
        (N, 3) uint8.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.int8:
        return np.ascontiguousarray(values).view(np.uint8)
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    values, low, high = _finite(values)
    if _is_signed(values, low):
        low, high, said = _signed(low, high)
    else:
        low, high, said = 0.0, *_unsigned(values, high)
    if said and where is not None:
        warnings.warn(f"{where}: {said}", ScanwiseWarning, stacklevel=3)
    if (low, high) != (0.0, 255.0):
        values = (values - low) * (255 / (high - low))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def intensity_fractions(values: np.ndarray, where: str | None = None) -> np.ndarray:
    """Intensities of any range as fractions.

    Fractions as they are; else 8, 12 or 16 bits, by the values (LAS often holds 8 bits in its 16), -2048..2047 (Leica),
    and anything else between its lowest and its largest. Numbers that are not finite are 0.

    Args:
        values: (N,), any type.
        where: what a note begins with when the range is unusual; None = no note.

    Returns:
        (N,) float32 in 0..1.
    """
    kind = values.dtype
    if kind == np.float32 and values.size and values.min() >= 0 and values.max() <= 1:
        return values
    values, low, high = _finite(values)
    if kind == np.uint8:
        high = 255.0
    elif _is_signed(values, low):
        leica = low >= -2048 and high <= 2047 and high - low > 255
        low, high = (-2048.0, 2047.0) if leica else (low, high)
        if where is not None and not leica:
            text = f"{where}: intensity of {low:g} to {high:g} is stretched to 0 to 1"
            warnings.warn(text, ScanwiseWarning, stacklevel=3)
    else:
        low, high = 0.0, next((top for top in (1.0, 255.0, 4095.0, 65535.0) if _within(values, high, top)), high)
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)


def _finite(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """float64 without what is not finite, the lowest and the largest."""
    values = values.astype(np.float64)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        np.nan_to_num(values, copy=False, nan=0, posinf=0, neginf=0)
        low, high = float(values.min()), float(values.max())
    return values, low, high


def _within(values: np.ndarray, high: float, top: float) -> bool:
    """Whether values that are not 0 lie at or below `top`, but for a few."""
    if high <= top * _ROUNDING:
        return True
    beyond = np.count_nonzero(values > top * _ROUNDING)
    return bool(beyond <= _FEW * np.count_nonzero(values))


def _is_signed(values: np.ndarray, low: float) -> bool:
    """Whether numbers below 0 belong to the range; a few do not, nor one value that marks what is missing."""
    if low >= 0:
        return False
    negative = values[values < -0.001]
    return bool(len(negative) > _FEW * values.size and float(negative.max()) != low)


def _unsigned(values: np.ndarray, high: float) -> tuple[float, str]:
    """What stands for white, and what to say of it."""
    if high <= _ROUNDING or _are_fractions(values):
        return 1.0, ""
    if _within(values, high, 255.0):
        return 255.0, ""
    if high < 4096 and (values % 256).any() and (values % 257).any():  # bytes are spread to 16 bits by either
        bits = 10 if high < 1024 else 12
        return float(2**bits - 1), f"colours up to {high:g} are taken for {bits} bits"
    if high <= 65535 * _ROUNDING:
        return 65535.0, ""
    return high, f"colours up to {high:g} are of no known range; the largest is taken for white"


def _are_fractions(values: np.ndarray) -> bool:
    """Whether most numbers that are not 0 are parts of 1, though some are beyond it."""
    some = values[values > 0]
    inside = some[some <= _ROUNDING]
    return bool(len(inside) > 0.75 * len(some) and np.count_nonzero(inside < 0.999) > 0.5 * len(inside))


def _signed(low: float, high: float) -> tuple[float, float, str]:
    """What stands for black and for white where many numbers are negative, and what to say of it."""
    if max(-low, high) <= _ROUNDING:
        return -1.0, 1.0, "colours of -1 to 1 are taken for black to white"
    if low >= -128 and high <= 127 and high - low > 16:
        return -128.0, 127.0, "colours of -128 to 127 are taken for black to white"
    return low, high, f"colours of {low:g} to {high:g} are of no known range; they are stretched from black to white"
