"""One camera model: there and back again, in numpy and in torch, and what hides what."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scanwise.geometry.cameras import (
    back_project,
    nearest_pixels,
    occlusion_tolerance,
    pixel_rays,
    project,
    transform_points,
    visible,
)

K = np.array([[50.0, 0, 31.5], [0, 40.0, 23.5], [0, 0, 1]])


def random_pose(random: np.random.Generator) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = np.linalg.qr(random.normal(size=(3, 3)))[0]
    pose[:3, 3] = random.normal(size=3)
    return pose


def test_a_point_by_hand() -> None:
    """0.5 m right, 1 m down and 2 m ahead of a camera at (1, 0, 0) that looks along z."""
    pose = np.eye(4)
    pose[0, 3] = 1.0
    pixels, z = project(np.array([[1.5, 1.0, 2.0]]), K, np.linalg.inv(pose))
    np.testing.assert_allclose(pixels, [[31.5 + 12.5, 23.5 + 20]])
    np.testing.assert_allclose(z, [2.0])
    np.testing.assert_allclose(transform_points(np.array([[0.5, 1, 2]]), pose), [[1.5, 1, 2]])
    np.testing.assert_allclose(pixel_rays(np.array([[44.0, 43.5]]), K), [[0.25, 0.5, 1]])
    np.testing.assert_allclose(pixel_rays(np.array([[44, 43]]), K), [[0.25, 0.4875, 1]])  # whole numbers as well


@given(st.integers(0, 10_000))
def test_back_projection_undoes_projection(seed: int) -> None:
    random = np.random.default_rng(seed)
    pose, pixels, depth = random_pose(random), random.uniform(0, 60, (4, 5, 2)), random.uniform(0.3, 8, (4, 5))
    points = back_project(pixels, depth, K, pose)
    assert points.shape == (4, 5, 3)
    found, z = project(points.reshape(-1, 3), K, np.linalg.inv(pose))
    np.testing.assert_allclose(found, pixels.reshape(-1, 2), atol=1e-6)
    np.testing.assert_allclose(z, depth.reshape(-1), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_and_torch_give_the_same_in_the_type_of_the_points(dtype: type) -> None:
    random = np.random.default_rng(0)
    points, to_camera = random.normal(size=(200, 3)).astype(dtype), random_pose(random)
    depth = random.uniform(0, 3, (48, 64)).astype(np.float32)
    pixels, z = project(points, K, to_camera)
    assert pixels.dtype == z.dtype == dtype
    same, away = project(torch.from_numpy(points), K, to_camera)
    np.testing.assert_allclose(same, pixels, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(away, z, rtol=1e-5, atol=1e-6)
    assert same.dtype == away.dtype == torch.from_numpy(points).dtype
    for one, other in zip(
        nearest_pixels(pixels, (48, 64)), nearest_pixels(torch.from_numpy(pixels), (48, 64)), strict=True
    ):
        assert np.array_equal(one, other)
    seen = visible(depth, pixels, z)
    assert 0 < seen.sum() < len(points)
    assert np.array_equal(seen, visible(torch.from_numpy(depth), torch.from_numpy(pixels), torch.from_numpy(z)))


def test_the_nearest_pixel_is_in_the_raster_and_known_to_be_outside_where_it_is() -> None:
    pixels = np.array([[0.4, 1.6], [-0.6, 0], [2.4, 0], [2.6, 0], [0, 9]])
    row, column, inside = nearest_pixels(pixels, (3, 3))
    assert inside.tolist() == [True, False, True, False, False]
    assert row.tolist() == [2, 0, 0, 0, 2]
    assert column.tolist() == [0, 0, 2, 2, 0]


def test_the_tolerance_grows_with_the_square_of_the_depth() -> None:
    np.testing.assert_allclose(occlusion_tolerance(np.array([0.0, 1, 4])), [0.05, 0.06, 0.21])


def test_what_a_depth_map_shows() -> None:
    """A wall 2 m ahead, 9 cm of tolerance; one reading is missing."""
    depth = np.full((48, 64), 2.0, np.float32)
    depth[0, 0] = 0
    z = np.array([2.0, 2.08, 1.92, 2.1, 1.9, 2.0, 2.0, -2.0])
    pixels = np.array([[10.0, 10]] * 5 + [[0, 0], [64, 10], [10, 10]])
    assert visible(depth, pixels, z).tolist() == [True, True, True, False, False, False, False, False]


def test_what_is_behind_the_camera_is_not_seen_by_a_short_reading() -> None:
    assert not visible(np.full((3, 3), 0.03, np.float32), np.array([[1.0, 1]]), np.array([-0.01])).any()
