"""Colours and intensities of any range: no single value decides, and what is unusual is said."""

from __future__ import annotations

import numpy as np
import pytest

from scanwise.errors import ScanwiseWarning
from scanwise.ranges import color_bytes, intensity_fractions

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (2000, 3)).astype(np.uint8)
SHARES = BYTES / 255


def with_outliers(values: np.ndarray, *outliers: float) -> np.ndarray:
    values = values.copy()
    values[: len(outliers), 0] = outliers
    return values


@pytest.mark.parametrize(
    "values",
    [
        BYTES,
        BYTES.astype(np.int64),
        BYTES.view(np.int8),
        SHARES,
        SHARES.astype(np.float32),
        BYTES.astype(np.float32),
        BYTES * np.uint16(257),
        BYTES * 257.0,
        with_outliers(SHARES, 1.0000001, 1.3, np.inf, np.nan, -1e-7),
        with_outliers(SHARES, 40.0),
        with_outliers(BYTES.astype(np.float64), 256, 300, -1),
        with_outliers(BYTES.astype(np.int32), 65535, -1),
        with_outliers(BYTES * 257.0, 65536),
    ],
)
def test_colours_of_every_common_range_without_a_note(values):
    found = color_bytes(values, "a.ply")
    assert found.dtype == np.uint8
    assert np.array_equal(found[5:], BYTES[5:])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (SHARES * 2 - 1, "-1 to 1"),
        (BYTES.astype(np.int32) - 128, "-128 to 127"),
        (np.round(SHARES * 1023), "10 bits"),
        (np.round(SHARES * 4095).astype(np.uint16), "12 bits"),
        (SHARES * 5 - 2, "stretched"),
        (SHARES * 1e6, "no known range"),
    ],
)
def test_unusual_ranges_are_said(values, words):
    with pytest.warns(ScanwiseWarning, match=f"^a.ply: colours .*{words}"):
        found = color_bytes(values, "a.ply")
    assert np.abs(found.astype(int) - BYTES).max() <= 1
    assert np.array_equal(color_bytes(values), found)


def test_few_and_no_colours():
    assert color_bytes(np.empty((0, 3))).shape == (0, 3)
    assert color_bytes(np.array([[1, 0, 1]])).tolist() == [[255, 0, 255]]
    assert color_bytes(np.array([[1, 0, 2]])).tolist() == [[1, 0, 2]]
    assert color_bytes(np.array([[True, False, True]])).tolist() == [[255, 0, 255]]
    assert color_bytes(np.full((2, 3), np.nan)).tolist() == [[0] * 3] * 2
    assert color_bytes(np.zeros((2, 3), np.uint16)).tolist() == [[0] * 3] * 2


INTENSITY = RNG.integers(0, 256, 2000).astype(np.uint8)


@pytest.mark.parametrize(
    "values",
    [
        INTENSITY,
        INTENSITY.astype(np.uint16),
        INTENSITY / 255,
        (INTENSITY / 255).astype(np.float32),
        INTENSITY * np.uint16(257),
        np.append(INTENSITY[:-1], np.uint16(65535)),
        np.append(INTENSITY[:-1] / 255, 1.0000001),
        np.append(INTENSITY[:-1] / 255, np.nan),
        np.append(INTENSITY[:-1] / 255, -1),
        INTENSITY * (4095 / 255) - 2048,
    ],
)
def test_intensities_of_every_common_range_without_a_note(values):
    found = intensity_fractions(values, "a.las")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:-1], INTENSITY[:-1] / 255, atol=1e-3)


def test_other_intensities_are_stretched():
    values = np.linspace(-30, -10, 50)
    with pytest.warns(ScanwiseWarning, match="a.csv: intensity of -30 to -10 is stretched"):
        np.testing.assert_allclose(intensity_fractions(values, "a.csv"), np.linspace(0, 1, 50), atol=1e-6)
    assert intensity_fractions(np.array([0.0, 1e6])).tolist() == [0, 1]
    assert intensity_fractions(np.empty(0)).shape == (0,)
