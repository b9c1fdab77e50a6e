"""The camera, against numbers worked out by hand."""

import numpy as np
import pytest

from scanwise.synth.mesh import box, rectangle
from scanwise.synth.render import (
    AreaLight,
    Quality,
    Renderer,
    look_at,
    sample_texture,
    smoothed,
    to_linear,
    to_srgb,
)

SIZE = (60, 80)
CAMERA = np.array([[100.0, 0, 40], [0, 100.0, 30], [0, 0, 1]])
FORWARD = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""At the origin, looking along +y with z up."""


def panel(**kwargs):
    """A wall of 2 m x 2 m at y = 2, seen from the origin."""
    return rectangle((-1, 2, -1), (2, 0, 0), (0, 0, 2), **kwargs)


def test_cube_at_known_distance_gives_exact_depth_and_instance():
    near = box((-0.2, 2, -0.1), (0.2, 2.5, 0.3))
    far = box((-5, 4, -5), (5, 5, 5))
    _, depth, instance = Renderer([(far, np.eye(4)), (near, np.eye(4))]).render(CAMERA, FORWARD, SIZE)
    columns = (np.arange(80) - 40) / 100 * 2
    heights = -(np.arange(60) - 30) / 100 * 2
    inside = (np.abs(columns) < 0.19)[None] & ((heights > -0.09) & (heights < 0.29))[:, None]
    outside = (np.abs(columns) > 0.21)[None] | ((heights < -0.11) | (heights > 0.31))[:, None]
    assert inside.sum() == 19 * 19
    np.testing.assert_allclose(depth[inside], 2, rtol=1e-6)
    np.testing.assert_allclose(depth[outside], 4, rtol=1e-6)
    assert (instance[inside] == 1).all()
    assert (instance[outside] == 0).all()
    assert depth.dtype == np.float32
    assert instance.dtype == np.int32


def test_nothing_there_is_depth_zero_instance_minus_one_and_background():
    renderer = Renderer([(box((-0.1, -3, -0.1), (0.1, -2, 0.1)), np.eye(4))], background=(0, 0, 0))
    image, depth, instance = renderer.render(CAMERA, FORWARD, SIZE)
    assert (depth == 0).all()
    assert (instance == -1).all()
    assert (image == 0).all()


def test_pose_of_a_body_moves_it():
    pose = np.eye(4)
    pose[:3, 3] = (0, 3, 0)
    _, depth, _ = Renderer([(box((-1, 0, -1), (1, 1, 1)), pose)]).render(CAMERA, FORWARD, SIZE)
    assert depth[30, 40] == pytest.approx(3)


def test_texture_stands_upright_and_is_not_mirrored():
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[0, 0], texture[0, 1] = (255, 0, 0), (0, 255, 0)
    texture[1, 0], texture[1, 1] = (0, 0, 255), (255, 255, 255)
    texture = texture.repeat(8, axis=0).repeat(8, axis=1)
    small = rectangle((-0.5, 2, -0.5), (1, 0, 0), (0, 0, 1), texture=texture)
    image, _, _ = Renderer([(small, np.eye(4))], ambient=(0.5, 0.5, 0.5)).render(CAMERA, FORWARD, SIZE)
    half = int(to_srgb(np.array(0.5)))
    corners = {(18, 28): (half, 0, 0), (18, 52): (0, half, 0), (42, 28): (0, 0, half), (42, 52): (half,) * 3}
    for (row, column), color in corners.items():
        np.testing.assert_allclose(image[row, column], color, atol=1)


def test_sample_texture_is_bilinear_and_repeats():
    texture = np.array([[[0], [100]], [[200], [40]]], np.uint8)
    uv = np.array([[0.25, 0.75], [0.75, 0.25], [0.5, 0.75], [0.5, 0.5], [1.25, -0.25], [0.0, 0.75]])
    np.testing.assert_allclose(sample_texture(texture, uv)[:, 0], [0, 40, 50, 85, 0, 50])


def test_rays_pass_transparent_texels():
    glass = np.zeros((4, 4, 4), np.uint8)
    glass[:, :2, 3] = 255
    front = rectangle((-1, 2, -1), (2, 0, 0), (0, 0, 2), texture=glass)
    behind = rectangle((-9, 5, -9), (18, 0, 0), (0, 0, 18))
    renderer = Renderer([(front, np.eye(4)), (front, np.eye(4)), (behind, np.eye(4))])
    _, depth, instance = renderer.render(CAMERA, FORWARD, SIZE)
    assert depth[30, 20] == pytest.approx(2)
    assert depth[30, 60] == pytest.approx(5, abs=1e-3)
    assert instance[30, 60] == 2


def test_light_falls_off_as_it_must():
    """A small light of area A at distance d straight before a surface gives radiance L A / (pi d^2)."""
    light = AreaLight((-0.05, 1, -0.05), (0, 0, 0.1), (0.1, 0, 0), (60.0, 60.0, 60.0))
    image, _, _ = Renderer([(panel(color=(255, 255, 255)), np.eye(4))], [light], ambient=(0, 0, 0)).render(
        CAMERA, FORWARD, SIZE
    )
    expected = 60 * 0.01 / np.pi / 1.0**2
    assert to_linear(image[30, 40])[0] == pytest.approx(expected, rel=0.02)
    cos = 1 / np.sqrt(1 + 0.5**2)
    assert to_linear(image[30, 65])[0] == pytest.approx(expected * cos**4, rel=0.03)


def test_shadow_is_where_the_blocker_stands_and_soft_at_its_rim():
    wall = rectangle((-4, 2, -4), (8, 0, 0), (0, 0, 8), color=(255, 255, 255))
    light = AreaLight((-0.2, -2, 2.8), (0, 0, 0.4), (0.4, 0, 0), (60.0, 60.0, 60.0))
    blocker = box((-0.3, 0.3, 0.9), (0.3, 0.4, 1.5))
    bodies = [(wall, np.eye(4)), (blocker, np.eye(4))]
    image, _, instance = Renderer(bodies, [light], ambient=(0, 0, 0)).render(
        CAMERA, FORWARD, SIZE, Quality(shadow_rays=8)
    )
    assert (instance == 0).all()
    brightness = image[..., 0].astype(int)
    shadow = brightness[:, 40]
    assert shadow.min() < 3
    assert shadow.max() > 60
    assert ((shadow > 10) & (shadow < 50)).any()


def test_bounced_light_darkens_a_corner_and_carries_colour():
    floor = rectangle((-3, 0, -1), (6, 0, 0), (0, 4, 0), color=(255, 255, 255))
    red = rectangle((-3, 3, -1), (6, 0, 0), (0, 0, 4), color=(255, 0, 0))
    renderer = Renderer([(floor, np.eye(4)), (red, np.eye(4))], ambient=(0.5, 0.5, 0.5), background=(0.5, 0.5, 0.5))
    image, _, instance = renderer.render(CAMERA, look_at((0, 0.5, 1), (0, 2.6, -0.7)), SIZE, Quality(2, 0, 8))
    column = image[:, 40].astype(int)
    on_floor = np.flatnonzero(instance[:, 40] == 0)
    corner, open_floor = column[on_floor[1]], column[on_floor[-1]]
    assert corner[1] < open_floor[1] - 10
    assert corner[0] - corner[1] > open_floor[0] - open_floor[1] + 10


def test_same_seed_same_picture():
    light = AreaLight((-0.5, 0.5, 1), (0, 1, 0), (1, 0, 0), (5.0, 5.0, 5.0))
    bodies = [(panel(), np.eye(4)), (box((-0.2, 1.5, -0.2), (0.2, 1.7, 0.2)), np.eye(4))]
    quality = Quality(supersample=2, shadow_rays=1, bounce_rays=1, seed=5)
    first = Renderer(bodies, [light]).render(CAMERA, FORWARD, SIZE, quality)[0]
    again = Renderer(bodies, [light]).render(CAMERA, FORWARD, SIZE, quality)[0]
    np.testing.assert_array_equal(first, again)


def test_smoothing_stays_on_its_surface():
    light = np.zeros((40, 40, 3), np.float32)
    light[:, 20:] = 1
    rows, columns = np.mgrid[:40, :40] * 0.01
    position = np.stack([columns, rows, np.zeros((40, 40))], axis=-1).astype(np.float32)
    normal = np.zeros((40, 40, 3), np.float32)
    normal[..., 2] = 1
    assert 0.2 < smoothed(light, position, normal)[20, 19, 0] < 0.8
    position[:, 20:, 2] = 0.5
    np.testing.assert_allclose(smoothed(light, position, normal), light, atol=1e-6)
    position[:, 20:, 2] = 0
    normal[:, 20:] = (1, 0, 0)
    np.testing.assert_allclose(smoothed(light, position, normal), light, atol=1e-6)


def test_cast_measures_in_lengths_of_the_direction():
    renderer = Renderer([(panel(), np.eye(4))])
    distance, instance = renderer.cast(np.zeros((2, 3)), np.array([[0, 0.5, 0], [0, -1, 0]]))
    assert distance[0] == pytest.approx(4)
    assert np.isinf(distance[1])
    assert instance.tolist() == [0, -1]


def test_look_at_is_upright_and_rigid():
    pose = look_at((1, 2, 1.5), (4, 2, 0.5))
    np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert pose[2, 0] == pytest.approx(0)
    assert pose[2, 1] < 0
    np.testing.assert_allclose(pose[:3, 2], np.array([3, 0, -1]) / np.sqrt(10))
