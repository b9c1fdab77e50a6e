"""Boxes, and scenes made of arrays of any type."""

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.scene import Box, Scene


def test_a_box_around_points_is_as_tight_as_they_are():
    points = np.array([[1, 5, -2], [3, 4, 0], [2, 4.5, -1]], np.float32)
    box = Box.around(points, 7, "lamp")
    assert box == Box(7, "lamp", (2.0, 4.5, -1.0), (2.0, 1.0, 2.0))
    assert all(type(number) is float for number in (*box.center, *box.size))
    assert Box.around(points[:1], 0, "dot").size == (0, 0, 0)


def test_colours_and_intensities_of_any_range_are_brought_to_ours():
    scene = Scene(np.eye(3), colors=np.eye(3), intensity=np.array([0, 51, 255], np.uint8))
    assert scene.colors.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert np.allclose(scene.intensity, [0, 0.2, 1])
    bytes_ = np.full((3, 3), 1, np.uint8)
    assert Scene(np.eye(3), colors=bytes_).colors is bytes_


def test_coordinates_of_a_national_grid_keep_their_precision():
    points = np.array([[412345.123, 5412345.678, 201.25], [412346.5, 5412345.0625, 200.5], [np.nan] * 3])
    scene = Scene(points)
    assert np.abs(scene.points[:2]).max() < 10
    assert scene.points_in_source() is points
    assert np.allclose(scene.points[:2].astype(float) + scene.to_source[:3, 3], points[:2], atol=1e-6)
    assert Scene(points - points[0]).source_points is None
    placed = Scene(points.astype(np.float32), to_source=scene.to_source)
    assert placed.source_points is None


def test_points_must_be_a_table():
    with pytest.raises(InputError, match=r"points must be \(N, 3\)"):
        Scene(np.zeros(3))
