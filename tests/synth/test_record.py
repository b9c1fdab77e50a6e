"""A box on a floor before a wall, recorded: geometry, labels and instances are what was put there."""

import numpy as np
import pytest

import scanwise
from scanwise.scene import Box
from scanwise.synth.mesh import box, rectangle
from scanwise.synth.record import record
from scanwise.synth.render import AreaLight, look_at
from scanwise.synth.world import SCANNET_20, Body, World

LOW, HIGH = np.array([-0.4, 1.6, 0.0]), np.array([0.4, 2.2, 0.7])


def world() -> World:
    floor = rectangle((-3, -1, 0), (6, 0, 0), (0, 5, 0), color=(150, 110, 70))
    wall = rectangle((3, 4, 0), (-6, 0, 0), (0, 0, 3), color=(200, 200, 190))
    crate = Box(7, "crate", tuple((LOW + HIGH) / 2), tuple(HIGH - LOW), color="red", model="m:1")
    hidden = Box(8, "cup", (0.0, 9.0, 0.0), (0.1, 0.1, 0.1))
    bodies = [
        Body("floor", "floor", floor),
        Body("wall", "wall", wall),
        Body("crate", "otherfurniture", box(LOW, HIGH, (200, 30, 30)), crate),
        Body("cup", "otherfurniture", box((-0.05, 8.95, -0.05), (0.05, 9.05, 0.05)), hidden),
        Body("ceiling", "", rectangle((-3, -1, 3), (0, 5, 0), (6, 0, 0))),
    ]
    return World("test-0000", "office", bodies, [AreaLight((-1, 1, 2.9), (0, 2, 0), (2, 0, 0), (3, 3, 3))])


@pytest.fixture(scope="module", params=["kinect", "phone"])
def scene(request):
    poses = [look_at((x, -0.6, 1.5), (0, 2, 0.5)) for x in (-1.0, -0.3, 0.4, 1.1)]
    return record(world(), poses, request.param, (240, 320), np.random.default_rng(5))


def test_points_lie_on_what_they_are_labelled(scene):
    points, labels = scene.points, scene.labels
    floor, wall, crate = (labels == SCANNET_20.index(name) for name in ("floor", "wall", "otherfurniture"))
    assert floor.sum() > 2000
    assert wall.sum() > 1000
    assert crate.sum() > 500
    assert np.quantile(np.abs(points[floor, 2]), 0.95) < 0.04
    assert np.quantile(np.abs(points[wall, 1] - 4), 0.95) < 0.08
    outside = np.maximum(LOW - points[crate], points[crate] - HIGH).max(1)
    assert np.quantile(outside, 0.95) < 0.04


def test_instances_and_boxes_of_what_is_seen(scene):
    assert set(np.unique(scene.instances)) == {-1, 7}
    assert [box.instance for box in scene.boxes] == [7]
    np.testing.assert_array_equal(scene.instances == 7, scene.labels == SCANNET_20.index("otherfurniture"))
    red = scene.colors[scene.instances == 7].mean(0)
    assert red[0] > 1.5 * red[1]


def test_a_recording_survives_its_folder(scene, tmp_path):
    scanwise.write_scene(scene, tmp_path / "scene")
    again = scanwise.read_scene(tmp_path / "scene")
    np.testing.assert_array_equal(again.points, scene.points)
    np.testing.assert_array_equal(again.labels, scene.labels)
    assert again.boxes == scene.boxes
    assert (tmp_path / "scene" / "images" / "000000.jpg").exists()
    for one, other in zip(scene.views, again.views, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.depth, other.depth)


def test_the_same_seed_gives_the_same_recording(scene):
    poses = [look_at((x, -0.6, 1.5), (0, 2, 0.5)) for x in (-1.0, 0.4)]
    one, two = (record(world(), poses, "kinect", (60, 80), np.random.default_rng(1)) for _ in range(2))
    assert one.digest() == two.digest()
