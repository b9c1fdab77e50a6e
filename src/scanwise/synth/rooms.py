"""Rooms of homes and offices: a shell with openings, furnished, lit."""

from __future__ import annotations

import numpy as np

from scanwise.synth.appearance import ceiling_lights, draw_look, floor_material, wall_material, window_light
from scanwise.synth.furnish import furnish
from scanwise.synth.mesh import Mesh, joined, standing
from scanwise.synth.openings import door_mesh, outward, room_beyond, skirting, window_mesh, with_openings
from scanwise.synth.placing import Footprint, Room, turned_to
from scanwise.synth.render import AreaLight
from scanwise.synth.shell import SIDES, Opening, Wall, floor_plan, parts_of, slab, wall_mesh, walls_of
from scanwise.synth.world import Body, Model, Supply, World

KINDS = tuple(SIDES)
SHARES = (0.24, 0.2, 0.2, 0.12, 0.16, 0.08)
THICKNESS = 0.16
FROM_CATALOGUE = 0.4
"""Share of the doors and windows that are models of the supply, where it has any."""
DOOR_SWING = 0.85


def make_room(
    kind: str | None, supply: Supply, generator: np.random.Generator, *, held_out: bool = False, name: str = "room"
) -> World:
    """A furnished room.

    Args:
        kind: of KINDS; None draws one.
        supply: models to furnish it with.
        generator: of random numbers.
        held_out: also with the models that training never sees.
        name: of the world.

    Returns:
        A world whose bodies are the floor, the ceiling, one for each wall, doors, windows and 8 to 40 things; every
        one but the first three sorts has a box, with instances numbered from 0.
    """
    kind = kind or KINDS[int(generator.choice(len(KINDS), p=SHARES))]
    plan = floor_plan(kind, generator)
    height = float(generator.uniform(2.35, 3.0))
    walls = with_openings(walls_of(plan), kind, height, generator)
    look = draw_look(kind, len(walls), generator)
    room = Room(kind, plan, walls, height, look, supply, generator, held_out)
    structure = _shell(room)
    for wall in walls:
        for opening in wall.openings:
            _fill_opening(room, wall, opening, structure)
            _keep_free(room, wall, opening)
    furnish(room)
    return World(name, kind, [*structure, *room.bodies], _lights(room), plan)


def _shell(room: Room) -> list[Body]:
    look = room.look
    bodies = [
        Body("floor", "floor", slab(room.plan, 0.0, look.floor, up=True)),
        Body("ceiling", "ceiling", slab(room.plan, room.height, look.ceiling, up=False)),  # none of ScanNet's classes
    ]
    boards = room.chance(0.6)
    for wall, paint in zip(room.walls, look.walls, strict=True):
        parts = [wall_mesh(wall, room.height, THICKNESS, paint)]
        if boards:
            parts += skirting(wall, look.trim)
        bodies.append(Body("wall", "wall", joined(parts)))
    return bodies


def _fill_opening(room: Room, wall: Wall, opening: Opening, structure: list[Body]) -> None:
    """A door or a window in its hole; behind a plain opening, a piece of the next room."""
    size = opening.width, opening.top - opening.bottom
    if opening.what == "opening":
        floor, paint = floor_material("living room", room.generator), wall_material("living room", room.generator)
        depth = float(room.generator.uniform(1.0, 2.5))
        ground, sides = room_beyond(wall, opening, THICKNESS, room.height, floor, paint, depth)
        structure += [Body("floor", "floor", ground), Body("wall", "wall", sides)]
        return
    model = _catalogue_model(room, opening)
    if model is not None:
        mesh = _stretched(model.load(room.generator), (size[0], min(THICKNESS, model.size[1]), size[1]))
    elif opening.what == "door":
        mesh = door_mesh(*size, THICKNESS, room.look.trim, room.generator)
    else:
        mesh = window_mesh(*size, THICKNESS, room.look.trim, room.generator, frosted=room.kind == "bathroom")
    middle, _ = outward(wall, opening, THICKNESS)
    angle = turned_to(wall.inward)
    pose = standing(float(middle[0]), float(middle[1]), opening.bottom, angle)
    _add_fixture(room, opening.what, mesh, pose, angle, model)


def _catalogue_model(room: Room, opening: Opening) -> Model | None:
    if not room.chance(FROM_CATALOGUE):
        return None
    if opening.what == "door":
        return room.model("double door" if opening.width > 1.15 else "door")
    return room.model("French window" if opening.bottom < 0.3 else "window")


def _stretched(mesh: Mesh, size: tuple[float, float, float]) -> Mesh:
    low, high = mesh.bounds.astype(float)
    pose = np.diag([*(np.array(size) / np.maximum(high - low, 1e-6)), 1.0])
    return mesh.moved(pose)


def _add_fixture(room: Room, name: str, mesh: Mesh, pose: np.ndarray, angle: float, model: Model | None) -> None:
    """A door or window as an object; it takes no room on the floor, as it is in the wall."""
    thing = room.add_mesh(name, mesh, pose[0, 3], pose[1, 3], angle, z=float(pose[2, 3]), model=model, at_wall=True)
    thing.foot = Footprint(thing.foot.center, thing.foot.half, angle, -2.0, -1.0)


def _keep_free(room: Room, wall: Wall, opening: Opening) -> None:
    """Nothing before a door, nothing high before a window."""
    depth = 0.3 if opening.what == "window" else DOOR_SWING
    center = wall.at((opening.left + opening.right) / 2, depth / 2)
    half = np.array([opening.width / 2, depth / 2])
    low = opening.bottom + 0.05 if opening.what == "window" else 0.03
    room.kept_free.append(Footprint(center, half, turned_to(wall.inward), low, opening.top))


def _lights(room: Room) -> list[AreaLight]:
    lights = []
    for low, high in parts_of(room.plan):
        lights += ceiling_lights(low, high, room.height, room.generator)
    for wall in room.walls:
        for opening in wall.openings:
            if opening.what == "window" and room.chance(0.8):
                across = np.array([*(opening.width * wall.along), 0.0])
                up = np.array([0.0, 0.0, opening.top - opening.bottom])
                corner = np.array([*wall.at(opening.right, 0.01), opening.bottom])
                lights.append(window_light(corner, -across, up, room.generator))
    return lights
