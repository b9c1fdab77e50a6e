"""Rooms turned any way up stand again, found from the cameras and from their floors and walls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.formats.fusion import fuse
from scanwise.geometry.upright import cameras_up, rotation_to_z, upright_rotation
from scanwise.scene import ArrayRaster, View
from tests.worlds import corner_views

Z = np.array([0.0, 0, 1])
unit = st.floats(-1, 1, allow_nan=False)
tilts = st.floats(0.1, 60)
azimuths = st.floats(0, 360)


def rotation_about(axis, degrees):
    axis, angle = np.asarray(axis, float), np.radians(degrees)
    axis = axis / np.linalg.norm(axis)
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * -cross + (1 - np.cos(angle)) * cross @ cross


def tilted(tilt, azimuth):
    axis = [np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth)), 0]
    return rotation_about(axis, tilt)


def room(seed, walls=True, floor=True):
    """Points and noisy normals of a cluttered room whose true up is z, shuffled."""
    generator = np.random.default_rng(seed)
    normals = [generator.normal(size=(2000, 3))]
    if floor:
        normals.append(np.tile(Z, (4000, 1)))
    if walls:
        normals.append(np.repeat([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0]], 2000, axis=0))
    normals = np.concatenate(normals)
    normals += generator.normal(scale=0.05, size=normals.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return generator.uniform(0, 4, normals.shape), normals


def cameras(pitch=20.0, roll=6.0):
    """Views around a circle that look down by `pitch` and are held askew by `roll`, as hands do."""
    views = []
    for azimuth in range(0, 150, 15):
        level = np.stack([[0, -1, 0], [0, 0, -1], [1, 0, 0]], 1).astype(float)
        pose = np.eye(4)
        pose[:3, :3] = rotation_about(Z, azimuth) @ level
        pose[:3, :3] = pose[:3, :3] @ rotation_about([1, 0, 0], -pitch) @ rotation_about([0, 0, 1], roll)
        views.append(View(ArrayRaster(np.zeros((2, 2, 3), np.uint8)), np.eye(3), pose))
    return views


def turned(views, rotation):
    for view in views:
        view.camera_to_world = view.camera_to_world.copy()
        view.camera_to_world[:3] = rotation @ view.camera_to_world[:3]
    return views


def angle(first, second):
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second))


@given(tilts, azimuths, st.sampled_from(["floor walls", "floor", "walls"]))
@settings(max_examples=60, deadline=None)
def test_a_tilted_room_stands_again(tilt, azimuth, seen):
    world = tilted(tilt, azimuth)
    points, normals = room(0, walls="walls" in seen, floor="floor" in seen)
    rotation = upright_rotation(points @ world.T, normals @ world.T, turned(cameras(), world))
    if rotation is None:
        rotation = np.eye(3)
        assert tilt < 3
    assert angle(rotation @ world @ Z, Z) < (1.0 if tilt > 3 else 3.0)


@given(tilts, azimuths, st.sampled_from([1.0, -1.0, 9.81, -0.01]))
@settings(max_examples=30, deadline=None)
def test_known_gravity_may_have_either_sign_and_any_length(tilt, azimuth, scale):
    world = tilted(tilt, azimuth)
    points, normals = room(1)
    rotation = upright_rotation(points, normals @ world.T, turned(cameras(), world), scale * world @ Z)
    if rotation is None:
        assert tilt < 3
    else:
        assert angle(rotation @ world @ Z, Z) < 1


def test_gravity_counts_where_the_surfaces_say_nothing_and_yields_a_little_where_they_do():
    world = tilted(40, 70)
    views = turned(cameras(pitch=50), world)
    points, normals = room(2, walls=False, floor=False)
    rotation = upright_rotation(points[:5], normals[:5], views, world @ Z)
    assert angle(rotation @ world @ Z, Z) < 1e-6

    points, normals = room(2)
    askew = rotation_about([1, 0, 0], 4) @ world @ Z
    rotation = upright_rotation(points, normals @ world.T, views, askew)
    assert angle(rotation @ world @ Z, Z) < 1


@given(st.tuples(unit, unit, unit).filter(lambda axis: np.linalg.norm(axis) > 0.01))
def test_the_rotation_is_the_smallest_one(axis):
    up = np.array(axis) / np.linalg.norm(axis)
    rotation = rotation_to_z(up)
    np.testing.assert_allclose(rotation @ up, Z, atol=1e-6)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))) == pytest.approx(angle(up, Z), abs=1e-3)


@given(azimuths)
@settings(max_examples=20, deadline=None)
def test_a_single_wall_turns_up_only_about_the_horizon_along_it(azimuth):
    """What one wall leaves open (leaning along itself) stays as the cameras have it."""
    leaning = rotation_about([np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth)), 0], 8)
    views = turned(cameras(pitch=0, roll=0), leaning)
    normals = np.tile([0.0, 1.0, 0], (1000, 1))
    rotation = upright_rotation(np.zeros((1000, 3)), normals, views)
    up = Z if rotation is None else rotation[2]
    kept = leaning @ Z * [1, 0, 1]
    assert (
        angle(up, kept / np.linalg.norm(kept)) < 1 if rotation is not None else kept[2] > 0.999 * np.linalg.norm(kept)
    )


def test_upside_down_turns_over():
    rotation = rotation_to_z(-Z)
    np.testing.assert_allclose(rotation @ -Z, Z, atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_what_is_upright_is_left_alone():
    points, normals = room(3)
    assert upright_rotation(points, normals, cameras()) is None
    almost = tilted(1.0, 30)
    assert upright_rotation(points @ almost.T, normals @ almost.T, turned(cameras(), almost)) is None


def test_little_to_go_by_is_no_error():
    """No cloud to speak of leaves the cameras; no cameras leave z; rows that are not finite are not counted."""
    world = tilted(50, 10)
    views = turned(cameras(pitch=0, roll=0), world)
    rotation = upright_rotation(np.zeros((0, 3)), np.zeros((0, 3)), views)
    assert angle(rotation @ world @ Z, Z) < 1e-6
    assert upright_rotation(np.zeros((0, 3)), np.zeros((0, 3)), []) is None
    np.testing.assert_array_equal(cameras_up([]), Z)
    points, normals = room(4)
    points, normals = points @ world.T, normals @ world.T
    points[::3] = np.nan
    normals[::3] = np.nan
    rotation = upright_rotation(points, normals, turned(cameras(), world), np.array([np.nan, 0, 0]))
    assert angle(rotation @ world @ Z, Z) < 1


def test_a_fused_corner_that_was_tilted_stands_on_its_floor():
    world = tilted(35, 200)
    points, _, normals = fuse(turned(corner_views(), world))
    rotation = upright_rotation(points, normals, turned(corner_views(), world))
    height = (points @ rotation.T)[:, 2]
    floor = (normals @ rotation.T)[:, 2] > 0.99
    assert floor.sum() > 1000
    assert np.ptp(height[floor]) < 0.1
