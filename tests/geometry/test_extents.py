"""A stray point decides no extent, keeps its row, and is written where it was."""

import numpy as np
import pytest

from scanwise.errors import ScanwiseWarning
from scanwise.geometry.extents import main_box, strays, without_strays
from scanwise.scene import Scene

ROOM = np.random.default_rng(0).uniform(0, [5, 4, 3], (2000, 3)).astype(np.float32)


@pytest.mark.parametrize("where", [[83, 0, 0], [0, -83, 0], [1, 1, 3e7], [-3e7, 3e7, 0]])
def test_a_stray_is_found_and_said(where):
    scene = Scene(np.concatenate([ROOM[:700], [where], ROOM[700:]]).astype(np.float32), name="hall")
    with pytest.warns(ScanwiseWarning, match=r"hall: 1 point lies [\d,]+ m outside all others .* its row stays"):
        found = without_strays(scene)
    assert np.flatnonzero(~found.finite).tolist() == [700]
    np.testing.assert_array_equal(found.points_in_source(), scene.points_in_source())
    assert (np.nanmax(found.points, axis=0) - np.nanmin(found.points, axis=0) < 6).all()


def test_several_are_counted():
    far = np.random.default_rng(1).uniform(100, 500, (12, 3))
    with pytest.warns(ScanwiseWarning, match="12 points lie up to .* m outside all others"):
        found = without_strays(Scene(np.concatenate([ROOM, far])))
    assert found.finite.sum() == len(ROOM)


def test_what_thins_out_with_distance_is_no_stray():
    """As a sweep does: half its points within 10 m, and the last at 120 m."""
    random = np.random.default_rng(0)
    distance = 3 + 117 * random.uniform(0, 1, 20_000) ** 3
    angle = random.uniform(0, 2 * np.pi, len(distance))
    sweep = np.stack([distance * np.cos(angle), distance * np.sin(angle), random.uniform(-2, 8, len(distance))], 1)
    scene = Scene(sweep)
    assert without_strays(scene) is scene


NOTHING = [np.zeros((0, 3)), np.full((3, 3), np.nan), np.zeros((1, 3)), [[0, 0, 0], [0, 0, 9e9]]]


@pytest.mark.parametrize("points", NOTHING)
def test_little_to_go_by_is_no_error(points):
    far, _ = strays(np.array(points, np.float32))
    assert not far.any()


def test_the_box_of_most_points():
    low, high = main_box(np.concatenate([ROOM, np.full((5, 3), 1e6)]))
    np.testing.assert_allclose(low, [0, 0, 0], atol=0.1)
    np.testing.assert_allclose(high, [5, 4, 3], atol=0.1)
