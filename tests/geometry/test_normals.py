import numpy as np

from scanwise.geometry.neighbours import neighbour_table
from scanwise.geometry.normals import estimate_normals


def test_normals_of_a_tilted_plane_and_a_sphere():
    generator = np.random.default_rng(0)
    plane = np.zeros((400, 3))
    plane[:, :2] = generator.random((400, 2))
    normal = np.array([0.6, 0.0, 0.8])
    plane[:, 2] = -plane[:, 0] * normal[0] / normal[2]
    found = estimate_normals(plane, neighbour_table(plane, 16))
    np.testing.assert_allclose(np.abs(found @ normal), 1, atol=1e-5)

    sphere = generator.normal(size=(4000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    found = estimate_normals(sphere, neighbour_table(sphere, 16))
    assert np.abs((found * sphere).sum(1)).min() > 0.97


def test_a_neighbourhood_without_extent_points_up():
    points = np.zeros((3, 3))
    found = estimate_normals(points, np.array([[1, 2], [0, 2], [0, 1]]))
    np.testing.assert_array_equal(found, [[0, 0, 1]] * 3)
