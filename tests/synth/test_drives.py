"""Drives: labels, boxes and poses of the sweeps that a car records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scanwise.formats import folder
from scanwise.scene import Box, Scene
from scanwise.synth.drives import drive
from scanwise.synth.lidar import HDL32, HDL64
from scanwise.synth.mesh import box as block
from scanwise.synth.mesh import rectangle, standing
from scanwise.synth.street_parts import Course
from scanwise.synth.street_things import Actor
from scanwise.synth.streets import Street, make_street
from scanwise.synth.world import SEMANTIC_KITTI_19, Body, World

from .test_streets import Blocks

SPEED = 10.0


def plain_street(speed: float = SPEED) -> Street:
    """Flat ground, a wall 8 m to the right, a parked car, and one that comes at 15 m/s 3 m to the left."""
    course = Course((0.0, 0.0), 0.0)
    parked = Box(0, "car", (12.0, -5.0, 0.75), (4.0, 2.0, 1.5), model="a#1", velocity=(0.0, 0.0))
    moving = replace(parked, instance=1, center=(40.0, 3.0, 0.75), heading=np.pi, velocity=(-15.0, 0.0))
    car = block((-2, -1, 0), (2, 1, 1.5), (200, 200, 200))
    bodies = [
        Body("road", "road", rectangle((-100, -100, 0), (200, 0, 0), (0, 200, 0))),
        Body("wall", "building", rectangle((100, -8, 0), (-200, 0, 0), (0, 0, 6))),
        Body("car", "car", car.moved(standing(12, -5, 0, 0)), parked),
        Body("statue", "other", block((5, 5, 0), (6, 6, 2))),
    ]
    actor = Actor(Body("car", "car", car, moving), course, 40.0, 3.0, -15.0)
    return Street(World("plain", "street", bodies), [actor], course, 0.0, 0.0, speed)


@pytest.fixture(scope="module")
def sweeps() -> list[Scene]:
    model = replace(HDL64, noise=0.01, columns=1000)
    return drive(plain_street(), model, np.random.default_rng(0), sweeps=3)


def inside(points: np.ndarray, box: Box, margin: float) -> np.ndarray:
    local = (points - box.center) @ standing(0, 0, 0, box.heading)[:3, :3]
    return (np.abs(local) <= np.array(box.size) / 2 + margin).all(1)


def test_the_pose_is_that_of_the_middle_of_the_sweep(sweeps: list[Scene]) -> None:
    for number, scene in enumerate(sweeps):
        assert np.allclose(scene.to_source[:3, 3], (SPEED * (number + 0.5) / 10, 0, HDL64.height))
        world = scene.points_in_source()
        assert scene.labels is not None
        wall = scene.labels == SEMANTIC_KITTI_19.index("building")
        assert wall.sum() > 500
        assert np.abs(world[wall, 1] + 8).max() < 0.06
        assert np.abs(world[scene.labels == SEMANTIC_KITTI_19.index("road"), 2]).max() < 0.06


def test_boxes_hold_the_points_of_their_objects(sweeps: list[Scene]) -> None:
    for scene in sweeps:
        assert {box.instance for box in scene.boxes} == {0, 1}
        assert scene.instances is not None
        for box in scene.boxes:
            own = scene.points[scene.instances == box.instance]
            assert len(own) >= 5
            assert inside(own, box, 0.06 if box.instance == 0 else 0.15).all()


def test_the_moving_car_s_box_goes_with_it(sweeps: list[Scene]) -> None:
    centers = []
    for scene in sweeps:
        (box,) = (box for box in scene.boxes if box.instance == 1)
        assert box.velocity == pytest.approx((-15.0, 0.0), abs=1e-6)
        assert abs(box.heading) == pytest.approx(np.pi)
        centers.append(np.array(box.center) + scene.to_source[:3, 3])
    steps = np.diff(np.array(centers), axis=0)
    assert np.allclose(steps[:, 0], -1.5, atol=0.05)  # 15 m/s over a tenth of a second
    assert np.allclose(np.array(centers)[:, 1], 3.0, atol=1e-6)


def test_velocity_turns_with_the_sensor() -> None:
    street = plain_street(speed=0.001)
    street.course = Course((0.0, 0.0), np.pi / 2)
    street.actors[0].course = Course((0.0, 0.0), 0.0)
    (scene,) = drive(street, replace(HDL64, columns=1000), np.random.default_rng(0), sweeps=1)
    (box,) = (box for box in scene.boxes if box.instance == 1)
    assert box.velocity == pytest.approx((0.0, 15.0), abs=1e-3)  # what goes west is seen going left, facing north


def test_labels_follow_the_classes(sweeps: list[Scene]) -> None:
    scene = sweeps[0]
    assert scene.labels is not None
    assert scene.instances is not None
    assert scene.classes == list(SEMANTIC_KITTI_19)
    car = scene.labels == SEMANTIC_KITTI_19.index("car")
    assert np.array_equal(car, scene.instances >= 0)
    assert set(np.unique(scene.labels)) == {-1, *(SEMANTIC_KITTI_19.index(k) for k in ("car", "road", "building"))}
    moving = scene.attributes["moving"] == 1
    assert np.array_equal(moving, scene.instances == 1)
    assert scene.attributes["ring"].max() <= 63
    assert np.abs(scene.attributes["time"]).max() <= 0.05


def test_an_object_of_few_points_has_no_box() -> None:
    street = plain_street()
    far = replace(street.world.bodies[2].box, instance=7, center=(60.0, 20.0, 0.1), size=(0.05, 0.05, 0.2))  # type: ignore[type-var]
    street.world.bodies.append(Body("pebble", "car", block((59.97, 19.97, 0), (60.03, 20.03, 0.2)), far))
    (scene,) = drive(street, replace(HDL64, columns=1000), np.random.default_rng(0), sweeps=1)
    assert scene.instances is not None
    assert (scene.instances == 7).sum() < 5
    assert 7 not in {box.instance for box in scene.boxes}


@pytest.mark.parametrize("model", [HDL64, HDL32])
def test_a_made_street_is_driven_the_same_way_twice(model, tmp_path) -> None:  # type: ignore[no-untyped-def]
    def once() -> list[Scene]:
        generator = np.random.default_rng(11)
        street = make_street(Blocks(), generator, held_out=False, name="s")
        return drive(street, replace(model, columns=400), generator, sweeps=2)

    first, again = once(), once()
    assert [scene.digest() for scene in first] == [scene.digest() for scene in again]
    assert [scene.boxes for scene in first] == [scene.boxes for scene in again]
    for scene in first:
        assert scene.instances is not None
        assert len(scene) > 0.6 * 400 * len(model.elevations)
        counts = {box.instance: (scene.instances == box.instance).sum() for box in scene.boxes}
        assert min(counts.values()) >= 5
    folder.write(first[0], tmp_path / "sweep")
    back = folder.read(tmp_path / "sweep")
    assert back.boxes == first[0].boxes
    assert np.array_equal(back.to_source, first[0].to_source)
