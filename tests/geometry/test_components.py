"""What hangs together, and the numbers it gets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scanwise.geometry.components import connected, connected_points


def test_components_by_hand() -> None:
    pairs = np.array([[4, 1], [1, 4], [5, 2], [2, 0]])
    assert connected(6, pairs).tolist() == [0, 1, 0, 2, 1, 0]
    assert connected(3, np.zeros((0, 2), int)).tolist() == [0, 1, 2]


def test_touching_cells_are_one_component() -> None:
    """A diagonal of touching cells, and a cell with an empty one between."""
    points = np.array([[0.05, 0.05, 0.05], [0.15, 0.15, 0.15], [0.22, 0.28, 0.22], [0.45, 0.25, 0.25], [0.06, 0, 0]])
    assert connected_points(points, 0.1).tolist() == [0, 0, 0, 1, 0]


@given(st.integers(0, 10_000))
def test_components_of_a_cloud_are_those_of_its_cells(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 2, (60, 3)).astype(np.float32)
    cells = np.floor((points - points.min(0)) / 0.25).astype(int)
    found = np.arange(60)
    for _ in range(60):  # the smallest number among all that touch, until nothing changes
        touching = (np.abs(cells[:, None] - cells[None]) <= 1).all(2)
        found = np.where(touching, found[None], 60).min(1)
    labels = connected_points(points, 0.25)
    assert np.array_equal(labels[:, None] == labels[None], found[:, None] == found[None])
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
