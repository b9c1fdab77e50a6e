import numpy as np
import pytest

from scanwise.synth.cameras import looking, walk
from scanwise.synth.mesh import box, joined
from scanwise.synth.placing import Carrier, Footprint
from scanwise.synth.procedural import built_in_models
from scanwise.synth.rooms import KINDS, make_room
from scanwise.synth.shapes import disc
from scanwise.synth.shell import inside, parts_of, reflex_corner
from scanwise.synth.store import Store
from scanwise.synth.world import SCANNET_20


@pytest.fixture(scope="module")
def store():
    return Store(built_in_models())


@pytest.fixture(scope="module")
def rooms(store):
    return [make_room(kind, store, np.random.default_rng([7, k])) for k, kind in enumerate(KINDS)]


def things(world):
    return [body for body in world.bodies if body.box is not None]


def test_a_room_has_its_structure_and_eight_things_or_more(rooms):
    for world in rooms:
        kinds = [body.kind for body in world.bodies if body.box is None]
        assert kinds.count("floor") >= 1
        assert kinds.count("wall") >= 4
        assert 8 <= len(things(world)) <= 40
        assert any(body.name == "door" for body in world.bodies) or any(
            body.name == "floor" for body in world.bodies[4:]
        )
        assert [body.box.instance for body in things(world)] == list(range(len(things(world))))
        assert all(body.kind in SCANNET_20 or body.kind == "ceiling" for body in world.bodies)


def test_boxes_are_around_their_meshes(rooms):
    for body in (body for world in rooms for body in things(world)):
        cosine, sine = np.cos(body.box.heading), np.sin(body.box.heading)
        local = body.mesh.vertices.astype(float) - body.box.center
        local[:, :2] = local[:, :2] @ np.array([[cosine, -sine], [sine, cosine]])
        np.testing.assert_allclose(np.ptp(local, axis=0), body.box.size, atol=1e-3, err_msg=body.name)
        np.testing.assert_allclose(local.min(0) + local.max(0), 0, atol=2e-3)


def footprint(body) -> Footprint:
    box = body.box
    low = box.center[2] - box.size[2] / 2
    return Footprint(np.array(box.center[:2]), np.array(box.size[:2]) / 2, box.heading, low, low + box.size[2])


def test_furniture_does_not_collide(rooms):
    """But for chairs pushed under tables, worktops on cabinets, things with much air in their box."""
    airy = {"rug", "bath mat", "doormat", "door", "window", "shower curtain", "curtain", "kitchen counter"}
    tables = {"table", "desk", "coffee table", "kitchen island"}
    seats = {"chair", "office chair", "stool", "bar stool", "armchair"}
    for world in rooms:
        bodies = [body for body in things(world) if body.name not in airy and body.support == -1]
        for place, one in enumerate(bodies):
            for other in bodies[place + 1 :]:
                if seats & {one.name, other.name} and tables & {one.name, other.name}:
                    continue
                assert not footprint(one).meets(footprint(other), -0.02), f"{world.kind}: {one.name}, {other.name}"


def test_what_is_put_on_something_touches_it(rooms):
    by_world = [{body.box.instance: body for body in things(world)} for world in rooms]
    carried = [(body, bodies[body.support]) for bodies in by_world for body in bodies.values() if body.support >= 0]
    assert carried
    for body, support in carried:
        bottom = body.mesh.vertices[:, 2].min()
        heights = support.mesh.vertices[:, 2]
        assert heights.min() < bottom <= heights.max() + 0.02


def test_held_out_models_stand_in_test_rooms_alone(store):
    def share(held_out):
        worlds = [make_room("living room", store, np.random.default_rng([9, k]), held_out=held_out) for k in range(3)]
        return np.mean([body.box.held_out for world in worlds for body in things(world) if body.box.model])

    assert share(False) == 0
    assert 0.05 < share(True) < 0.6


def test_the_same_seed_makes_the_same_room(store):
    one, other = (make_room(None, store, np.random.default_rng(5)) for _ in range(2))
    assert [body.name for body in one.bodies] == [body.name for body in other.bodies]
    assert all(np.array_equal(a.mesh.vertices, b.mesh.vertices) for a, b in zip(one.bodies, other.bodies, strict=True))


def test_a_walk_stays_in_the_room_upright_and_sees_most_things(rooms):
    for world in rooms:
        poses = walk(world, np.random.default_rng(1), views=20)
        assert len(poses) == 20
        eyes = np.array([pose[:3, 3] for pose in poses])
        assert inside(world.floor_plan, eyes[:, :2]).mean() > 0.9
        assert ((eyes[:, 2] > 0.5) & (eyes[:, 2] < 2.1)).all()
        for pose in poses:
            np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
            assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
            assert pose[2, 1] < 0.2  # the picture's y axis points down
        seen = 0
        centers = np.array([body.box.center for body in things(world)])
        for pose in poses:
            away = centers - pose[:3, 3]
            seen = seen | (away @ pose[:3, 2] > np.cos(np.deg2rad(35)) * np.linalg.norm(away, axis=1))
        assert np.mean(seen) > 0.85


def test_looking_down_a_camera_sees_its_aim_in_the_middle():
    pose = looking(np.array([1.0, 2.0, 1.5]), np.array([3.0, 2.0, 0.5]), 0.3)
    local = np.linalg.inv(pose) @ [3.0, 2.0, 0.5, 1.0]
    np.testing.assert_allclose(local[:2], 0, atol=1e-9)
    assert local[2] == pytest.approx(np.sqrt(5))


def test_a_round_table_bears_nothing_at_its_corners():
    table = Carrier(disc(0.5, 0.0, 0.75, (90, 90, 90)))
    (top,) = table.surfaces
    assert top.z == pytest.approx(0.75)
    middle = Footprint(np.zeros(2), np.full(2, 0.1), 0.3, 0.75, 0.9)
    corner = Footprint(np.full(2, 0.38), np.full(2, 0.1), 0.3, 0.75, 0.9)
    assert table.bears(middle, top)
    assert not table.bears(corner, top)


def test_a_shelf_has_a_level_for_each_board_and_its_free_height():
    boards = [box((-0.4, -0.15, z), (0.4, 0.15, z + 0.02)) for z in (0.3, 0.6, 1.0)]
    levels = Carrier(joined(boards)).surfaces
    assert [round(level.z, 2) for level in levels] == [0.32, 0.62, 1.02]
    assert [round(level.clear, 2) for level in levels] == [0.28, 0.38, 1.5]


def test_an_l_is_two_rectangles():
    plan = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 5], [0, 5.0]])
    assert reflex_corner(plan) == 3
    area = sum(np.prod(high - low) for low, high in parts_of(plan))
    assert area == pytest.approx(4 * 2 + 2 * 3)


def test_footprints_meet_when_they_overlap_in_plan_and_height():
    one = Footprint(np.zeros(2), np.array([1.0, 0.5]), 0.0, 0.0, 1.0)
    turned = Footprint(np.array([1.3, 0.0]), np.array([0.5, 0.5]), np.pi / 4, 0.0, 1.0)
    assert one.meets(turned)
    assert not one.meets(Footprint(turned.center + np.array([0.5, 0]), turned.half, turned.angle, 0.0, 1.0))
    assert not one.meets(Footprint(turned.center, turned.half, turned.angle, 1.0, 2.0))
    assert one.meets(Footprint(turned.center + np.array([0.5, 0]), turned.half, turned.angle, 0.0, 1.0), gap=0.2)
