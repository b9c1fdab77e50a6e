"""Solids against volumes and areas worked out by hand: closed, facing outwards, fitted."""

import numpy as np
import pytest

from scanwise.synth import shapes
from scanwise.synth.drawing import Finish
from scanwise.synth.mesh import Mesh, face_normals

GREY = (128, 128, 128)


def corners_of(mesh: Mesh) -> np.ndarray:
    return mesh.vertices.astype(np.float64)[mesh.faces]


def volume(mesh: Mesh) -> float:
    """Signed: negative when faces look inwards."""
    a, b, c = np.moveaxis(corners_of(mesh), 1, 0)
    return float((a * np.cross(b, c)).sum() / 6)


def area(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(corners_of(mesh), 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def is_closed(mesh: Mesh) -> bool:
    """Whether each edge is walked once in each direction; corners in one place are one corner."""
    _, merged = np.unique(corners_of(mesh).reshape(-1, 3).round(5), axis=0, return_inverse=True)
    faces = merged.reshape(-1, 3)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    there = {(int(a), int(b)) for a, b in edges}
    return len(there) == len(edges) and there == {(b, a) for a, b in there}


def polygon(sides: int) -> float:
    """Area of a regular polygon in the unit circle."""
    return sides / 2 * float(np.sin(2 * np.pi / sides))


SOLIDS = {
    "block": (shapes.block((-1, 0, 2), (1, 3, 2.5), GREY), 3.0),
    "disc": (shapes.disc(0.5, 1, 3, GREY, at=(4, 5, 6), sides=12), polygon(12) * 0.25 * 2),
    "cone": (shapes.lathe([(0, 0), (2, 0), (0, 3)], GREY, sides=16), polygon(16) * 4 * 3 / 3),
    "vessel": (
        shapes.lathe([(0, 0), (1, 0), (1, 2), (0.5, 2), (0.5, 1), (0, 1)], GREY, sides=16),
        polygon(16) * (2 - 0.25),
    ),
    "rod": (shapes.rod((1, 1, 1), (1, 4, 5), 0.2, GREY, sides=8), polygon(8) * 0.04 * 5),
    "tapered rod": (
        shapes.rod((0, 0, 0), (0, 0, 3), 2, GREY, sides=8, tip=1),
        polygon(8) * 3 / 3 * (4 + 2 + 1),
    ),
    "prism": (shapes.prism([(0, 0), (3, 0), (0, 4)], -1, 1, GREY), 12.0),
    "cushion": (Finish(GREY).cushion((0, 0, 0), (2, 3, 1), 0.93), None),
    "soft cushion": (Finish(GREY).cushion((0, 0, 0), (2, 3, 1), 0.3), None),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_is_closed_and_has_its_volume(name):
    mesh, expected = SOLIDS[name]
    assert is_closed(mesh)
    if expected is not None:
        assert volume(mesh) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_look_outwards(name):
    mesh, _ = SOLIDS[name]
    outward = face_normals(mesh.vertices, mesh.faces)
    assert volume(mesh) > 0
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=2), 1, atol=1e-5)
    assert (np.einsum("fcx,fx->fc", mesh.normals, outward) > 0).mean() > 0.97
    assert (mesh.colors == GREY).all()


def test_an_open_surface_is_not_closed():
    assert not is_closed(shapes.sheet(np.array([[[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [1, 1, 0.0]]]), GREY))


def test_areas():
    assert area(shapes.block((0, 0, 0), (1, 2, 3), GREY)) == pytest.approx(22)
    prism = shapes.prism([(0, 0), (3, 0), (0, 4)], 0, 2, GREY)
    assert area(prism) == pytest.approx(2 * 6 + 2 * (3 + 4 + 5))


def test_many_blocks_are_so_many_boxes_each_in_its_colour():
    low = np.array([[0, 0, 0], [2, 0, 0]])
    mesh = shapes.blocks(low, low + np.array([[1, 1, 1], [1, 2, 3]]), np.array([[255, 0, 0], [0, 0, 255]]))
    assert volume(mesh) == pytest.approx(1 + 6)
    assert is_closed(mesh)
    assert [tuple(color) for color in mesh.colors[[0, -1]]] == [(255, 0, 0), (0, 0, 255)]
    assert np.bincount(mesh.colors[:, 0] // 255).tolist() == [12, 12]


def test_a_ball_approaches_an_ellipsoid_and_is_smooth():
    mesh = shapes.ball((1, 2, 3), GREY, at=(5, 6, 7), sides=64)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 6, rel=0.01)
    assert is_closed(mesh)
    gradient = (corners_of(mesh) - (5, 6, 7)) / np.array([1, 4, 9])
    gradient /= np.linalg.norm(gradient, axis=2, keepdims=True)
    np.testing.assert_allclose(mesh.normals, gradient, atol=1e-4)


def test_a_cylinder_is_smooth_around_and_flat_at_its_ends():
    mesh = shapes.disc(1, 0, 2, GREY, sides=12)
    wall = np.abs(face_normals(mesh.vertices, mesh.faces)[:, 2]) < 0.5
    around = corners_of(mesh)[wall] * (1, 1, 0)
    np.testing.assert_allclose(mesh.normals[wall], around, atol=1e-5)
    np.testing.assert_allclose(np.abs(mesh.normals[~wall][..., 2]), 1, atol=1e-5)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_prism_runs_along_its_axis(axis):
    mesh = Finish(GREY).prism([(0, 0), (2, 0), (2, 1), (0, 1)], 3, 7, axis)
    size = mesh.bounds[1] - mesh.bounds[0]
    assert size["xyz".index(axis)] == 4
    assert sorted(size.tolist()) == [1, 2, 4]
    assert volume(mesh) == pytest.approx(8)


def test_a_sheet_goes_through_its_points_with_smooth_normals():
    x, y = np.meshgrid(np.linspace(-0.3, 0.3, 13), np.linspace(-0.3, 0.3, 13))
    mesh = shapes.sheet(np.stack([x, y, np.sqrt(1 - x**2 - y**2)], axis=2), GREY)
    assert len(mesh.faces) == 2 * 12 * 12
    inside = np.abs(corners_of(mesh)[..., :2]).max(2) < 0.29
    np.testing.assert_allclose(mesh.normals[inside], corners_of(mesh)[inside], atol=0.02)


def test_a_texture_is_as_wide_as_said_and_upright():
    picture = np.zeros((20, 10, 3), np.uint8)
    mesh = shapes.textured(shapes.block((0, 0, 0), (1, 1, 3), GREY), picture, 0.5)
    front = face_normals(mesh.vertices, mesh.faces)[:, 1] < -0.5
    spread = np.ptp(mesh.uv[front].reshape(-1, 2), axis=0)
    np.testing.assert_allclose(spread, [1 / 0.5, 3 / 1.0])
    assert mesh.textures[0].shape == (20, 10, 4)
    assert (mesh.texture == 0).all()


def test_fitted_fills_the_size_on_the_floor():
    mesh = shapes.fitted(shapes.ball((1, 2, 3), GREY, at=(9, 9, 9)), (0.5, 0.6, 0.7))
    np.testing.assert_allclose(mesh.bounds, [[-0.25, -0.3, 0], [0.25, 0.3, 0.7]], atol=1e-6)
