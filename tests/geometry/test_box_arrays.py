import numpy as np
import pytest

from scanwise.data.augment import rotation
from scanwise.geometry.box_arrays import Boxes
from scanwise.scene import Box

BOX = Box(0, "car", (1.0, 2.0, 0.5), (4.0, 2.0, 1.0), np.pi / 2, (0.0, 3.0))


def test_corners_of_a_turned_box():
    corners = Boxes.of([BOX], [0]).corners()[0]
    assert corners[0] == pytest.approx((0, 4, 0))  # front left: ahead is y, left is -x
    assert corners[2] == pytest.approx((2, 0, 0))
    assert corners[4] == pytest.approx((0, 4, 1))


def test_points_inside():
    points = np.array([[1, 3.9, 0.5], [1.9, 2, 0.9], [2.1, 2, 0.5], [1, 4.1, 0.5], [1, 2, 1.2], [np.nan, 2, 0.5]])
    boxes = Boxes.of([BOX, BOX], [0, 0])
    assert [rows.tolist() for rows in boxes.rows_inside(points)] == [[0, 1]] * 2
    assert boxes.rows_inside(points, 0.25)[0].tolist() == [0, 1, 2, 3, 4]


def test_a_linear_map_moves_points_and_boxes_alike():
    random = np.random.default_rng(0)
    points = random.uniform(-4, 6, (4000, 3))
    mirrored = np.diag([1.0, -1, 1]) @ rotation(2, 0.7) * 1.3
    boxes = Boxes.of([BOX], [0])
    before = boxes.rows_inside(points)[0]
    after = boxes.linear(mirrored)
    assert len(before) > 10
    assert after.rows_inside(points @ mirrored.T)[0].tolist() == before.tolist()
    assert after.velocities[0] == pytest.approx((mirrored @ (0, 3, 0))[:2])
    assert np.stack([np.cos(after.headings), np.sin(after.headings)])[:, 0] == pytest.approx(
        after.velocities[0] / np.linalg.norm(after.velocities[0])
    )


def test_there_and_back():
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation(2, 2.0), (5, -3, 1)
    boxes = Boxes.of([BOX], [0])
    back = boxes.moved(pose).moved(np.linalg.inv(pose))
    for name in ("centers", "sizes", "headings", "velocities"):
        assert getattr(back, name) == pytest.approx(getattr(boxes, name))


def test_no_boxes():
    none = Boxes.none()
    assert len(none) == 0
    assert none.corners().shape == (0, 8, 3)
    assert none.rows_inside(np.zeros((3, 3))) == []
    assert np.isnan(Boxes.of([Box(0, "car", (0, 0, 0), (1, 1, 1))], [0]).velocities).all()
