"""Pixels and the points that they show."""

from dataclasses import replace

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.geometry.pixels import REACH, STEP, points_shown
from scanwise.scene import ArrayRaster
from tests.framed import framed_scene


def test_the_row_of_each_pixel_is_that_of_a_point_it_shows() -> None:
    """A camera 2.4 m above the floor, 60 pixels of focal length: what pixel (x, y) shows is known."""
    scene = framed_scene(0)
    pictures = list(points_shown(scene, scene.finite))
    assert len(pictures) == len(scene.views)
    for number, rows in enumerate(pictures):
        assert rows.shape == (24, 32)
        y, x = np.nonzero(rows >= 0)
        assert len(y) > 0.9 * rows.size
        shown = np.stack([0.1 * number + (2 * x + 1 - 31.5) * 0.04, -(2 * y + 1 - 23.5) * 0.04], 1)
        gap = np.linalg.norm(scene.points[rows[y, x], :2] - shown, axis=1)
        assert gap.max() <= 0.0142 * 1.1  # half a cell's diagonal of the floor's 2 cm grid, and a tenth


def test_no_row_without_depth_beyond_reach_or_of_a_point_that_is_not_among_them() -> None:
    scene = framed_scene(0, views=1)
    depth = scene.views[0].depth.copy()
    depth[:, :20] = 0
    depth[:, 40:] -= REACH * 1.5
    scene.views[0].depth_raster = ArrayRaster(depth)
    among = scene.points[:, 1] > 0
    rows = next(iter(points_shown(scene, among)))
    assert (rows[:, : 20 // STEP] == -1).all()
    assert (rows[:, 40 // STEP :] == -1).all()
    shown = rows[rows >= 0]
    assert shown.size
    assert among[shown].all()


def test_depth_of_another_camera_is_refused() -> None:
    scene = framed_scene(0)
    moved = replace(scene, views=[replace(scene.views[0], depth_to_world=np.eye(4))])
    with pytest.raises(InputError, match="framed-0, frame 000000: needs depth that is registered"):
        list(points_shown(moved, moved.finite))
