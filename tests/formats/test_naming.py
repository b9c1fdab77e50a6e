"""Columns without names, told by their values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from scanwise.errors import ScanwiseWarning
from scanwise.formats.naming import column_names

RNG = np.random.default_rng(0)
N = 1500
XYZ = RNG.uniform(0, 5, (N, 3))
LABEL = (XYZ[:, :1] // 1.7).astype(int) + 2
INSTANCE = 3 * LABEL + (XYZ[:, 1:2] // 1.7).astype(int)
GREY = RNG.integers(30, 220, (N, 1))
RGB = np.clip(GREY + RNG.integers(-25, 25, (N, 3)), 0, 255)
PALETTE = RNG.integers(0, 256, (40, 3))[LABEL[:, 0]]
NORMAL = RNG.normal(size=(N, 3)) / 1.0
NORMAL /= np.linalg.norm(NORMAL, axis=1, keepdims=True)
UP = np.tile([0.0, 0.0, 1.0], (N, 1))
STRENGTH = RNG.integers(0, 256, (N, 1))
SHARE = (XYZ - XYZ.min(0)) / np.ptp(XYZ, axis=0)

R, NRM = ["red", "green", "blue"], ["nx", "ny", "nz"]


def names(*parts: np.ndarray, form: str = "") -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScanwiseWarning)
        found = column_names(np.hstack([XYZ, *parts]), None, "a.txt", form)
    assert found[:3] == ["x", "y", "z"]
    return found[3:]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([RGB], R),
        ([RGB / 255], R),
        ([RGB / 127.5 - 1], R),
        ([RGB * 257], R),
        ([PALETTE], R),
        ([RNG.integers(0, 256, (N, 3))], R),
        ([RNG.random((N, 3))], R),
        ([NORMAL], NRM),
        ([UP], NRM),
        ([RGB, LABEL], [*R, "label"]),
        ([RGB, LABEL, INSTANCE], [*R, "label", "instance"]),
        ([RGB, INSTANCE, LABEL], [*R, "instance", "label"]),
        ([RGB, LABEL, np.arange(N)[:, None] % 9], [*R, "label", "instance"]),
        ([PALETTE, LABEL], [*R, "label"]),
        ([LABEL], ["label"]),
        ([LABEL, RGB], ["label", *R]),
        ([LABEL, RGB / 255], ["label", *R]),
        ([STRENGTH], ["intensity"]),
        ([STRENGTH * 16 - 2048], ["intensity"]),
        ([STRENGTH / 255, LABEL], ["intensity", "label"]),
        ([STRENGTH, RGB], ["intensity", *R]),
        ([RGB, STRENGTH], [*R, "intensity"]),
        ([RGB, STRENGTH / 255], [*R, "intensity"]),
        ([RGB, NORMAL], [*R, *NRM]),
        ([NORMAL, RGB], [*NRM, *R]),
        ([RGB, NORMAL, LABEL], [*R, *NRM, "label"]),
        ([RGB, SHARE], [*R, "column_7", "column_8", "column_9"]),
        ([RGB / 255, SHARE, LABEL], [*R, "column_7", "column_8", "column_9", "label"]),
        ([np.ones((N, 1))], ["column_4"]),
        ([RGB, 1.6e9 + RNG.random((N, 1))], [*R, "column_7"]),
        ([RNG.normal(size=(N, 3)) * 50], ["column_4", "column_5", "column_6"]),
    ],
)
def test_readings(parts, expected):
    assert names(*parts) == expected


def test_the_suffix_has_a_say():
    axes = np.eye(3)[RNG.integers(0, 3, N)]
    assert names(axes) == NRM
    assert names(axes, form="xyzrgb") == R
    assert names(GREY, RGB, form="pts") == ["intensity", *R]


def test_rows_that_are_numbered():
    with pytest.warns(ScanwiseWarning, match="taken for id, x, y, z, red, green, blue, label; `columns`"):
        found = column_names(np.hstack([np.arange(1, N + 1)[:, None], XYZ, RGB, LABEL]), None, "a.txt")
    assert found[:4] == ["id", "x", "y", "z"]


def test_gaps_do_not_change_what_a_column_is():
    holes = np.where(RNG.random((N, 1)) < 0.1, np.nan, LABEL)
    assert names(RGB, holes) == [*R, "label"]
    assert names(np.where(RNG.random((N, 1)) < 0.1, np.nan, RGB / 255)) == R


def test_a_bare_cloud_needs_no_note():
    assert column_names(XYZ, None, "a.txt") == ["x", "y", "z"]
    assert column_names(XYZ[:, :2], None, "a.txt") == ["x", "y"]
