"""Boxes."""

import numpy as np

from scanwise.scene import Box


def test_a_box_around_points_is_as_tight_as_they_are():
    points = np.array([[1, 5, -2], [3, 4, 0], [2, 4.5, -1]], np.float32)
    box = Box.around(points, 7, "lamp")
    assert box == Box(7, "lamp", (2.0, 4.5, -1.0), (2.0, 1.0, 2.0))
    assert all(type(number) is float for number in (*box.center, *box.size))
    assert Box.around(points[:1], 0, "dot").size == (0, 0, 0)
