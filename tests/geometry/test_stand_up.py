"""A scan that lies on its side is stood up, the tilt of the camera that saw it taken out, and goes back as it came."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import scanwise
from scanwise.errors import InputError
from scanwise.geometry.upright import AXES
from scanwise.scene import Scene
from tests.worlds import corner_scene


def room(count: int = 6000) -> Scene:
    """The floor and two walls of a room, z up."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 4, count), rng.uniform(0, 4, count)
    zero = np.zeros(count)
    return Scene(np.concatenate([np.stack(part, 1) for part in ((a, b, zero), (zero, a, b / 2), (a, zero, b / 2))]))


def lying(scene: Scene, axis: str, tilt: float) -> Scene:
    """As a file has it whose `axis` points up but for a tilt in degrees."""
    side = Rotation.align_vectors([AXES[axis]], [[0, 0, 1]])[0] * Rotation.from_euler("x", tilt, degrees=True)
    normals = None if scene.normals is None else side.apply(scene.normals)
    return replace(scene, points=side.apply(scene.points).astype(np.float32), normals=normals, views=[])


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("tilt", [0, 25])
def test_floors_lie_and_walls_stand(axis, tilt):
    scene = lying(room(), axis, tilt)
    found = scanwise.stand_up(scene, axis)
    floor, walls = found.points[:6000], found.points[6000:]
    assert np.ptp(floor[:, 2]) < 0.1
    assert walls[:, 2].min() > floor[:, 2].mean() - 0.1  # and not on its head
    np.testing.assert_allclose(found.points_in_source(), scene.points, atol=1e-5)
    np.testing.assert_allclose(found.to_source[:3, :3] @ found.points[5], scene.points[5], atol=1e-4)


def test_views_and_normals_go_with_it():
    scene = corner_scene()
    found = scanwise.stand_up(scene, "z")
    turn = np.linalg.inv(found.to_source)
    np.testing.assert_allclose(found.views[0].camera_to_world, turn @ scene.views[0].camera_to_world, atol=1e-9)
    if scene.normals is not None:
        np.testing.assert_allclose(found.normals_in_source(), scene.normals, atol=1e-3)


def test_a_handful_of_points_and_holes_in_them():
    scene = Scene(np.array([[0, 0, 0], [np.nan, 0, 0], [0, 1, 0]], np.float32))
    found = scanwise.stand_up(scene, "y")
    np.testing.assert_allclose(found.points[2], [0, 0, 1], atol=1e-6)
    assert np.isnan(found.points[1]).any()


def test_no_such_axis():
    with pytest.raises(InputError, match="choose auto or one of x, y, z"):
        scanwise.stand_up(room(10), "up")
