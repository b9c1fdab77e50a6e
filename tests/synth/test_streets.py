"""Streets from a small supply of boxes: what stands where, and that nothing stands in anything."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from scanwise.synth import street_parts as parts
from scanwise.synth.mesh import Mesh, box, joined
from scanwise.synth.street_things import Actor
from scanwise.synth.streets import Street, make_street
from scanwise.synth.world import SEMANTIC_KITTI_19, Body

KINDS = {
    "hatchback": ("car", (1.8, 4.2, 1.5)),
    "lorry": ("truck", (2.5, 8.0, 3.4)),
    "bus": ("other-vehicle", (2.5, 11.0, 3.1)),
    "person": ("person", (0.5, 0.4, 1.75)),
    "bicycle": ("bicycle", (0.5, 1.7, 1.0)),
    "motorbike": ("motorcycle", (0.8, 2.0, 1.2)),
    "traffic cone": ("other", (0.4, 0.4, 0.7)),
    "toy car": ("car", (0.1, 0.3, 0.1)),
    "sofa": ("sofa", (2.0, 0.9, 0.8)),
}


@dataclass(frozen=True)
class Block:
    """A box with a red nose at its front, -y."""

    name: str
    kind: str
    size: tuple[float, float, float]
    held_out: bool = False

    @property
    def id(self) -> str:
        return f"block#{self.name}{'-kept' if self.held_out else ''}"

    def load(self, generator: np.random.Generator) -> Mesh:
        x, y, z = self.size
        shade = int(generator.integers(40, 250))
        body = box((-x / 2, -y / 2 + 0.05, 0), (x / 2, y / 2, z), (shade, shade, shade))
        nose = box((-x / 8, -y / 2, z / 4), (x / 8, -y / 2 + 0.05, z / 2), (255, 0, 0))
        return joined([body, nose])


class Blocks:
    def __init__(self, *names: str) -> None:
        self.chosen = sorted(names or KINDS)

    def names(self) -> list[str]:
        return self.chosen

    def models(self, name: str, *, held_out: bool) -> Sequence[Block]:
        models = [Block(name, *KINDS[name])]
        return [*models, Block(name, *KINDS[name], held_out=True)] if held_out else models


def street(seed: int, *names: str, held_out: bool = False) -> Street:
    return make_street(Blocks(*names), np.random.default_rng(seed), held_out=held_out, name=f"street-{seed}")


@pytest.fixture(scope="module")
def streets() -> list[Street]:
    return [street(seed) for seed in range(5)]


def everything(made: Street) -> list[Body]:
    return [*made.world.bodies, *(actor.body for actor in made.actors)]


def test_streets_hold_what_streets_hold(streets: list[Street]) -> None:
    kinds = {body.kind for made in streets for body in everything(made)}
    assert set(SEMANTIC_KITTI_19) - kinds <= {"other-ground", "motorcyclist", "bicyclist"}
    names = {body.name for made in streets for body in everything(made)}
    assert {"lamp post", "traffic sign", "traffic cone", "bench", "litter bin", "hedge", "bush", "tree crown"} <= names
    assert not {"toy car", "sofa"} & names


def test_straight_bent_and_crossing_streets_come_up() -> None:
    made = [street(seed, "person") for seed in range(8)]
    assert any(one.course.curvature != 0 for one in made)
    assert any(body.name == "traffic light" for one in made for body in one.world.bodies)
    lengths = [np.ptp(np.concatenate([b.mesh.vertices for b in one.world.bodies])[:, 0]) for one in made]
    assert min(lengths) > 60
    assert max(lengths) < 260


def test_instances_are_numbered_once(streets: list[Street]) -> None:
    for made in streets:
        boxes = [body.box for body in everything(made) if body.box is not None]
        assert sorted(box.instance for box in boxes) == list(range(len(boxes)))
        assert len(boxes) > 5


def test_a_thing_fills_its_box(streets: list[Street]) -> None:
    for body in (body for made in streets for body in made.world.bodies if body.box is not None):
        assert body.box is not None
        turn = parts.standing(*body.box.center, body.box.heading)
        local = (body.mesh.vertices - turn[:3, 3]) @ turn[:3, :3]
        assert np.allclose(np.abs(local).max(0), np.array(body.box.size) / 2, atol=2e-3)


def test_parked_cars_stand_beside_each_other_and_off_the_lanes(streets: list[Street]) -> None:
    for made in streets:
        cars = [body.box for body in made.world.bodies if body.kind == "car" and body.box is not None]
        for one, other in itertools.combinations(cars, 2):
            assert np.hypot(one.center[0] - other.center[0], one.center[1] - other.center[1]) > 1.7


def test_drivers_of_a_lane_never_meet(streets: list[Street]) -> None:
    vehicles = ("car", "truck", "other-vehicle")
    for made in streets:
        drivers = [actor for actor in made.actors if actor.body.kind in vehicles]
        for time in (0.0, 1.0, 2.0):
            for one, other in itertools.combinations(drivers, 2):
                if one.left == other.left:
                    assert one.body.box is not None
                    assert other.body.box is not None
                    gap = abs(one.start + one.speed * time - other.start - other.speed * time)
                    assert gap > (one.body.box.size[0] + other.body.box.size[0]) / 2
            ahead = made.ego_at(time)[:2, 3]
            assert all(np.hypot(*(one.pose_at(time)[:2, 3] - ahead)) > 2 for one in drivers)


def test_a_model_drives_nose_first() -> None:
    for seed in range(6):
        for actor in street(seed, "hatchback").actors:
            red = (actor.body.mesh.colors == (255, 0, 0)).all(1)
            nose = actor.body.mesh.vertices[actor.body.mesh.faces[red]].reshape(-1, 3).mean(0)
            assert nose[0] > 1.9
            forward = actor.pose_at(0.0)[:2, 0]
            velocity = actor.velocity_at(0.0)
            assert forward @ velocity == pytest.approx(np.hypot(*velocity), rel=1e-4)


def test_an_actor_in_a_bend_keeps_its_speed_over_ground() -> None:
    course = parts.Course((0, 0), 0.0, 1 / 50, (0.0, 40.0))
    actor = Actor(Body("car", "car", box((-1, -1, 0), (1, 1, 1))), course, 20.0, 10.0, 10.0)
    assert np.hypot(*actor.velocity_at(0.0)) == pytest.approx(8.0, rel=1e-4)  # 40 m of radius in place of 50


def test_held_out_models_stand_only_where_they_may() -> None:
    def held(made: Street) -> list[bool]:
        return [body.box.held_out for body in everything(made) if body.box is not None]

    assert not any(flag for seed in range(3) for flag in held(street(seed)))
    assert any(flag for seed in range(3) for flag in held(street(seed, held_out=True)))


def test_a_supply_without_vehicles_gives_a_street_without() -> None:
    made = street(3, "sofa")
    assert made.actors == []
    assert all(body.box is None for body in made.world.bodies)
    assert {"road", "building"} <= {body.kind for body in made.world.bodies}


def test_the_same_seed_gives_the_same_street() -> None:
    first, again, other = street(4), street(4), street(5)
    for one, two in zip(everything(first), everything(again), strict=True):
        assert one.name == two.name
        assert one.box == two.box
        assert np.array_equal(one.mesh.vertices, two.mesh.vertices)
    assert [body.box for body in everything(first)] != [body.box for body in everything(other)]


def test_a_course_goes_straight_bends_and_goes_on() -> None:
    course = parts.Course((1.0, 2.0), 0.0, np.pi / 2 / 20, (10.0, 30.0))  # a quarter turn to the left over 20 m
    radius = 40 / np.pi
    assert np.allclose(course.at(-5.0), (-4, 2))
    assert np.allclose(course.at(10.0, 3.0), (11, 5))
    assert np.allclose(course.at(30.0), (11 + radius, 2 + radius))
    assert np.allclose(course.at(35.0, 1.0), (11 + radius - 1, 2 + radius + 5))
    assert course.heading_at(99.0) == pytest.approx(np.pi / 2)
    s = np.linspace(-5, 50, 2000)
    assert np.allclose(np.linalg.norm(np.diff(course.at(s), axis=0), axis=1), s[1] - s[0], rtol=1e-4)


def test_ground_faces_up() -> None:
    course = parts.Course((0, 0), 0.3, 0.01, (0, 50))
    ribbon = parts.ribbon(course, (-10, 40), [(-3, 0), (0, 0.1), (3, 0)], (90, 90, 90))
    assert (ribbon.normals[..., 2] > 0.9).all()
    assert np.allclose(ribbon.vertices[..., 2].max(), 0.1)


@pytest.mark.parametrize("make", [parts.tree, parts.bush, parts.lamp_post, parts.bare_pole, parts.traffic_sign,
                                  parts.traffic_light, parts.bench, parts.litter_bin])  # fmt: skip
def test_parts_stand_on_the_ground(make) -> None:  # type: ignore[no-untyped-def]
    for seed in range(4):
        mesh = joined([piece[2] for piece in make(np.random.default_rng(seed))])
        assert -0.5 < mesh.bounds[0, 2] < 0.2
        assert 0.4 < mesh.bounds[1, 2] < 13
        assert np.isfinite(mesh.normals).all()


def test_a_facade_has_its_windows_behind_the_wall() -> None:
    ((_, kind, house),) = parts.building(np.random.default_rng(2), 12.0, 10.0)
    assert kind == "building"
    glass = house.vertices[house.faces[(house.colors == parts.GLASS).all(1)]].reshape(-1, 3)
    assert len(glass) > 0
    assert glass[:, 1].min() > 0.09
    assert np.abs(glass[:, 0]).max() < 6
