import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.data.clouds import Cloud, sample_of
from scanwise.geometry.ground import SHARE, WIDEST_LEVEL, Ground


def plane(width, slope=0.0, step=0.5):
    x, y = np.mgrid[-width / 2 : width / 2 : step, -width / 2 : width / 2 : step].reshape(2, -1)
    return np.stack([x, y, slope * x], 1).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(st.floats(-0.12, 0.12), st.floats(-50, 50))
def test_a_slope_is_ground_everywhere(slope, low):
    points = plane(60, slope) + np.array([0, 0, low], np.float32)
    above = points[:, 2] - Ground.under(points).at(points)
    assert np.abs(above).max() < 0.25  # half a cell at either end, where it is not smoothed from both sides
    assert np.abs(np.median(above)) < 0.13


def test_houses_crowns_and_reflections_are_no_ground():
    points = plane(60)
    roof = (np.abs(points[:, :2]) < 6).all(1)  # nothing under it was seen
    points[roof, 2] = 3.0
    crown = np.array([15, 15, 4]) + np.random.default_rng(0).uniform(-2, 2, (500, 3))
    pit = np.array([-15, -15, -4]) + np.random.default_rng(1).uniform(-0.5, 0.5, (8, 3))
    hole = (np.abs(points[:, :2] - [-15, -15]) < 2).all(1)
    cloud = np.concatenate([points[~hole], crown, pit]).astype(np.float32)
    ground = Ground.under(cloud)
    assert np.abs(ground.at(points)[~roof & ~hole]).max() < 0.6  # beside the house it rises a little
    np.testing.assert_allclose(ground.at(np.array([[0, 0, 9.0]])), 0.8, atol=0.4)  # no more than ground can
    np.testing.assert_allclose(ground.at(np.array([[15, 15, 9.0], [-15, -15, 0], [28, -28, 0]])), 0, atol=0.15)


def test_a_room_has_one_level_as_before():
    room = plane(WIDEST_LEVEL - 1)
    room[::3, 2] = np.random.default_rng(0).uniform(0, 2.5, len(room[::3]))
    sample = sample_of(Cloud(room), 0.1, ("height",))
    expected = sample.centers[:, 2] - np.quantile(sample.centers[:, 2], SHARE)
    np.testing.assert_array_equal(sample.feats[:, 0], expected.astype(np.float32))


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.array([[0, 0, 1], [90, 0, 2], [0, 90, 3.0]])])
def test_few_points(points):
    assert np.isfinite(Ground.under(points).at(points)).all()
