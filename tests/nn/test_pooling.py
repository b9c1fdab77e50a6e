"""Geometry-guided pooling: parity with the official code, exactness of pooling text scores, properties."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.spatial import cKDTree

from scanwise.geometry.neighbours import neighbour_table
from scanwise.nn.pooling import affinity, hand_made_embedding, pool

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "geopurify_inference.safetensors")


def test_neighbours_are_the_official_distances_on_a_grid_full_of_ties():
    voxels = GOLDEN["in.voxel_coords"].numpy()
    table = neighbour_table(voxels, 96)
    squared = ((voxels[:, None] - voxels[table]) ** 2).sum(2)
    assert np.array_equal(np.sort(squared, 1), GOLDEN["eval.knn_sqdist_sorted"].numpy())


def test_weights_and_pooling_equal_the_official_ones():
    table = GOLDEN["eval.knn"].int().numpy()
    weights = affinity(GOLDEN["eval.embedding"], table)
    torch.testing.assert_close(weights, GOLDEN["eval.weights"], rtol=1e-4, atol=1e-6)
    for times in (1, 19):
        expected = GOLDEN[f"eval.pooled_{times}"]
        pooled = pool(GOLDEN["eval.voxel_input"], table, weights, times)
        torch.testing.assert_close(pooled, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_labels_from_pooled_text_scores_equal_those_from_pooled_features():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(800, 3, generator=generator).numpy()
    features = torch.randn(800, 256, generator=generator, dtype=torch.float64)
    texts = torch.randn(7, 256, generator=generator, dtype=torch.float64)
    table = neighbour_table(points, 24)
    weights = affinity(torch.randn(800, 8, generator=generator, dtype=torch.float64), table)
    pooled_features = pool(features, table, weights)
    by_features = torch.nn.functional.normalize(pooled_features, dim=1) @ texts.T
    by_scores = pool(features @ texts.T, table, weights)
    assert torch.equal(by_features.argmax(1), by_scores.argmax(1))
    torch.testing.assert_close(by_scores / pooled_features.norm(dim=1, keepdim=True), by_features)


@pytest.mark.parametrize("count", [97, 200])
def test_neighbours_leave_out_the_point_itself(count):
    points = np.random.default_rng(count).random((count, 3))
    table = neighbour_table(points, 96)
    assert table.shape == (count, 96)
    assert not (table == np.arange(count)[:, None]).any()
    expected, _ = cKDTree(points).query(points, k=97)
    found = np.linalg.norm(points[:, None] - points[table], axis=2)
    np.testing.assert_allclose(found, expected[:, 1:])


@pytest.mark.parametrize("count", [1, 2, 5, 96])
def test_in_small_clouds_everything_is_a_neighbour(count):
    table = neighbour_table(np.random.default_rng(count).random((count, 3)), 96)
    np.testing.assert_array_equal(np.sort(table, 1), np.tile(np.arange(count), (count, 1)))


def test_pooling_keeps_constants_and_stays_within_bounds():
    points = np.random.default_rng(1).random((300, 3))
    table = neighbour_table(points, 16)
    weights = affinity(torch.randn(300, 5, generator=torch.Generator().manual_seed(1)), table)
    torch.testing.assert_close(weights.sum(1), torch.ones(300))
    torch.testing.assert_close(pool(torch.full((300, 2), 3.0), table, weights), torch.full((300, 2), 3.0))
    values = torch.rand(300, 4, generator=torch.Generator().manual_seed(2))
    pooled = pool(values, table, weights)
    assert (pooled.amin(0) >= values.amin(0)).all()
    assert (pooled.amax(0) <= values.amax(0)).all()


def test_embedding_cosine_is_half_plane_half_colour():
    normals = np.array([[0, 0, 1], [0, 0, -2], [1, 0, 0]], np.float32)
    grey = np.full((3, 3), 119)  # L* = 50.03: the origin of the colour part
    unit = hand_made_embedding(normals, grey)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(3))
    assert unit[0] @ unit[1] == pytest.approx(1.0)
    assert unit[0] @ unit[2] == pytest.approx(0.5, abs=1e-3)
    black_white = hand_made_embedding(normals[[0, 0]], np.array([[0, 0, 0], [255, 255, 255]]))
    assert black_white[0] @ black_white[1] == pytest.approx(0.5, abs=1e-3)  # (1, -1) against (1, 1)
    without = hand_made_embedding(normals, None)
    assert without[0] @ without[2] == pytest.approx(0.0, abs=1e-6)
