"""Bare rooms in any turn are stood up; what stands, and what does not tell, is left as it is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from scanwise.errors import ScanwiseWarning
from scanwise.geometry.inside import brought_inside
from scanwise.geometry.upright import AXES, found_up, stand_up
from scanwise.geometry.vertical import square_axes, squareness
from scanwise.scene import Scene
from tests.geometry.rooms import furnished_room
from tests.geometry.test_upright import cameras, turned

ROOM = furnished_room()


def lying(scene: Scene, rotation: np.ndarray) -> Scene:
    return replace(scene, points=scene.points @ rotation.T.astype(np.float32))


@pytest.mark.parametrize("axis", ["x", "y", "-z"])
def test_a_room_on_its_side_is_stood_up_and_it_is_said(axis):
    rotation = Rotation.align_vectors([AXES[axis]], [[0, 0, 1]])[0].as_matrix()
    scene = lying(ROOM, rotation)
    with pytest.warns(ScanwiseWarning, match=rf"room: its {axis} axis \(up={axis}\) was taken for up"):
        found = stand_up(scene)
    np.testing.assert_allclose(found.points[:, 2], ROOM.points[:, 2], atol=0.05)
    np.testing.assert_array_equal(found.points_in_source(), scene.points)


@pytest.mark.parametrize("seed", range(3))
def test_a_room_in_any_turn_is_stood_up(seed):
    rotation = Rotation.random(random_state=seed).as_matrix()
    up = found_up(lying(ROOM, rotation))
    assert up @ rotation[:, 2] > np.cos(np.radians(2))


@pytest.mark.parametrize("tilt", [0, 3])
def test_what_stands_is_left_alone(tilt):
    scene = lying(ROOM, Rotation.from_euler("x", tilt, degrees=True).as_matrix())
    assert stand_up(scene) is scene


def test_a_corner_that_does_not_tell_is_left_alone():
    """Three planes square to each other, and nothing in between."""
    points = np.random.default_rng(0).uniform(0, 2, (9000, 3))
    points[np.arange(9000), np.repeat([0, 1, 2], 3000)] = 0
    assert found_up(Scene(points)) is None


HEAP = np.random.default_rng(0).normal(size=(4000, 3))


@pytest.mark.parametrize("points", [HEAP[:0], 0 * HEAP[:40], HEAP])
def test_heaps_and_nothing_are_left_alone(points):
    assert found_up(Scene(points)) is None


def test_cameras_are_asked_where_surfaces_say_little():
    world = Rotation.from_euler("x", -90, degrees=True).as_matrix()  # y up, as phones have it
    scene = Scene(np.random.default_rng(0).normal(size=(4000, 3)), views=turned(cameras(), world))
    np.testing.assert_allclose(found_up(scene), [0, 1, 0], atol=1e-6)
    assert found_up(replace(scene, views=cameras())) is None


def test_a_wide_scan_lies_on_the_ground():
    random = np.random.default_rng(0)
    ground = np.column_stack([random.uniform(-60, 60, (20_000, 2)), random.normal(0, 0.1, 20_000)])
    walls = np.column_stack([random.uniform(-60, 60, 3000), np.full(3000, 30.0), random.uniform(0, 9, 3000)])
    scene = Scene(np.concatenate([ground, walls]))
    assert found_up(scene) is None
    np.testing.assert_allclose(found_up(replace(scene, points=scene.points[:, [0, 2, 1]])), [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found_up(replace(scene, points=scene.points[:, [0, 2, 1]] * [1, -1, 1])), [0, -1, 0])


def test_the_axes_of_normals_are_square():
    rotation = Rotation.random(random_state=3).as_matrix()
    normals = np.repeat(rotation.T, [500, 300, 200], axis=0) + np.random.default_rng(0).normal(0, 0.02, (1000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    frame = square_axes(normals)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.abs(frame @ rotation).max(1), 1, atol=0.01)
    assert squareness(normals) > 0.99


def test_all_at_once_comes_in_and_goes_back():
    """Millimetres, y up, and a stray."""
    points = np.concatenate([ROOM.points[:, [1, 2, 0]] * 1000, [[9e7, 0, 0]]])
    with pytest.warns(ScanwiseWarning):
        found = brought_inside(Scene(points, name="room"), unit="mm")
    heights = found.points[:-1, 2] - found.points[:-1, 2].min()
    np.testing.assert_allclose(heights, ROOM.points[:, 2] - ROOM.points[:, 2].min(), atol=0.05)
    assert not found.finite[-1]
    np.testing.assert_array_equal(found.points_in_source(), Scene(points).points_in_source())
    back = found.points[:-1].astype(float) @ found.to_source[:3, :3].T + found.to_source[:3, 3]
    np.testing.assert_allclose(back, points[:-1], atol=1)
