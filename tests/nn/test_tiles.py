import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from scanwise.data.clouds import Cloud, sample_of
from scanwise.nn.tiles import OVERLAP, sum_over_tiles, tiles
from tests.scenes import labelled_scene


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), most=st.integers(20, 400), overlap=st.floats(0, 3))
def test_tiles_cover_every_row(seed, most, overlap):
    positions = np.random.default_rng(seed).uniform(0, [10, 4, 2], (500, 3))
    parts = tiles(positions, most, overlap)
    assert np.array_equal(np.unique(np.concatenate(parts)), np.arange(500))
    assert max(map(len, parts)) <= most


def test_tiles_overlap_and_a_small_cloud_is_one():
    positions = np.random.default_rng(0).uniform(0, [10, 4, 2], (500, 3))
    assert len(tiles(positions, 500, 1.0)) == 1
    parts = tiles(positions, 300, 1.0)
    assert sum(map(len, parts)) > 500


def test_a_tile_is_no_wider_than_coordinates_have_bits_for():
    room = np.random.default_rng(0).uniform(0, 3, (100, 3))
    positions = np.concatenate([room, [[900, 0, 0], [0, 0, 0], [0, 700, 0]]])
    parts = tiles(positions, 500, 1.0, widest=50)
    assert np.array_equal(np.unique(np.concatenate(parts)), np.arange(103))
    assert max(np.ptp(positions[part, :2], axis=0).max() for part in parts) <= 50


def test_points_at_one_place_end_in_a_tile():
    assert sum(map(len, tiles(np.zeros((50, 3)), 20, 1.0))) == 50


class Mode(nn.Module):
    """Says of each voxel its features, and whether the network is in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, batch):
        return torch.cat([batch.feats, torch.full((len(batch.feats), 1), float(not self.training))], 1)


def test_outputs_of_tiles_are_summed_where_they_overlap():
    sample = sample_of(Cloud.of(labelled_scene(3, 3000)), 0.1, ("coord",))
    network = Mode().train()
    total, times = sum_over_tiles(network, sample, len(sample) // 2, network)
    parts = tiles(sample.centers, len(sample) // 2, OVERLAP)
    assert len(parts) > 1
    np.testing.assert_array_equal(times[:, 0], np.bincount(np.concatenate(parts)))
    np.testing.assert_allclose(total[:, :3], times * sample.feats, rtol=1e-6)
    np.testing.assert_array_equal(total[:, 3:], times)  # in evaluation mode meanwhile
    assert network.training


def test_a_small_scene_is_taken_at_once():
    sample = sample_of(Cloud.of(labelled_scene(3)), 0.1, ("color",))
    network = Mode().eval()
    total, times = sum_over_tiles(network, sample, 10**6, network)
    np.testing.assert_array_equal(total[:, :3], sample.feats)
    assert (times == 1).all()
    assert not network.training
