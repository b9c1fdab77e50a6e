import math

import numpy as np
import pytest

from scanwise.geometry.boxes import oriented_box


def test_box_of_a_turned_block() -> None:
    x, y, z = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-0.25, 0.25, 5), np.linspace(0, 0.7, 3))
    block = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    angle = math.radians(30)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    center, size, heading = oriented_box(block @ turn.T + [3, 4, 0])
    assert np.allclose(center, [3, 4, 0.35], atol=1e-6)
    assert np.allclose(size, [2, 0.5, 0.7], atol=1e-6)
    assert heading == pytest.approx(angle)
