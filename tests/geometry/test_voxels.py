import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanwise.geometry.voxels import morton, voxel_size_for, voxelize


@given(st.integers(1, 400), st.floats(0.05, 2.0), st.integers(0, 2**32 - 1))
def test_points_of_a_voxel_share_it_and_others_do_not(count, size, seed):
    points = np.random.default_rng(seed).uniform(-5, 5, (count, 3))
    voxels = voxelize(points, size)
    cells = np.floor((points - points.min(0)) / size).astype(int)
    same_cell = (cells[:, None] == cells[None]).all(2)
    assert np.array_equal(same_cell, voxels.of_point[:, None] == voxels.of_point[None])
    assert voxels.counts.sum() == count
    assert np.array_equal(np.bincount(voxels.of_point), voxels.counts)


def test_mean_by_hand():
    points = np.array([[0.0, 0, 0], [0.01, 0, 0], [1.0, 0, 0]])
    voxels = voxelize(points, 0.1)
    values = voxels.mean(np.array([[2.0, 0], [4, 0], [9, 1]]))
    assert len(voxels) == 2
    np.testing.assert_array_equal(values[voxels.of_point], [[3, 0], [3, 0], [9, 1]])


def test_coords_are_the_cells_of_the_points():
    points = np.random.default_rng(0).uniform(-5, 5, (300, 3)).astype(np.float32)
    voxels = voxelize(points, 0.7)
    cells = np.floor((points - points.min(0)) / 0.7)
    np.testing.assert_array_equal(voxels.coords(points)[voxels.of_point], cells)


@given(st.lists(st.tuples(*[st.integers(0, 2**20 - 1)] * 3), min_size=1, max_size=20))
def test_morton_interleaves_bits(triples):
    for triple, code in zip(triples, morton(np.array(triples)).tolist(), strict=True):
        bits = [f"{value:020b}" for value in triple]
        assert code == int("".join("".join(three) for three in zip(*bits, strict=True)), 2)


def test_too_fine_a_grid_is_refused_and_the_chosen_size_is_not():
    points = np.array([[0.0, 0, 0], [1e6, 0, 0]])
    with pytest.raises(ValueError, match="spans more"):
        voxelize(points, 0.02)
    size = voxel_size_for(points, 0.02, 10)
    assert len(voxelize(points, size)) == 2


def test_voxel_size_doubles_until_few_enough():
    points = np.random.default_rng(0).random((5000, 3))
    size = voxel_size_for(points, 0.02, 500)
    assert len(voxelize(points, size)) <= 500 < len(voxelize(points, size / 2))
