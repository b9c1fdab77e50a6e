"""A kitchen's run of base cabinets with a worktop on them, and what hangs above."""

from __future__ import annotations

import numpy as np

from scanwise.synth.appearance import any_color
from scanwise.synth.mesh import Mesh
from scanwise.synth.placing import Room, Thing, turned_to
from scanwise.synth.shapes import block, textured
from scanwise.synth.textures import texture
from scanwise.synth.world import Model

DEPTH = 0.72
WORKTOP = 0.035


def kitchen_run(room: Room) -> None:
    """Cabinets side by side along the longest free wall, with a sink, a stove, and a refrigerator at one end."""
    stretches = sorted(_stretches(room), key=lambda stretch: stretch[1] - stretch[2])
    runs = 2 if len(stretches) > 1 and room.chance(0.4) else 1
    for number, (wall, left, right) in enumerate(stretches[:runs]):
        if right - left > 1.2:
            _run(room, wall, left + (0.7 if number else 0.0), right, full=number == 0)


def _stretches(room: Room) -> list[tuple[int, float, float]]:
    """(wall, from, to) between doors."""
    found = []
    for place, wall in enumerate(room.walls):
        left = 0.03
        for opening in [*wall.openings, None]:
            if opening is not None and opening.bottom > 0.95:
                continue
            right = wall.length - 0.03 if opening is None else opening.left - 0.15
            found.append((place, left, right))
            left = 0.0 if opening is None else opening.right + 0.15
    return found


def _run(room: Room, place: int, left: float, right: float, *, full: bool) -> None:
    base = room.model("kitchen cabinet", largest=(0.85, DEPTH, 1.0))
    if base is None:
        return
    things: list[Thing | None] = []
    along = left
    for model in _sequence(room, base, right - left, full=full):
        things.append(_module(room, place, along + model.size[0] / 2, model))
        along += model.size[0] + 0.005
    top = _WorktopMaterial(room)
    stretch: list[Thing] = []
    for thing in [*things, None]:
        if thing is not None and thing.foot.high < 0.95 and thing.name in ("kitchen cabinet", "washing machine"):
            stretch.append(thing)
            continue
        if stretch:
            _worktop(room, place, stretch, top)
        stretch = []
    for thing in things:
        if thing is not None and thing.foot.high < 1.3:
            _above(room, place, thing)


def _sequence(room: Room, base: Model, length: float, *, full: bool) -> list[Model]:
    """Modules that fill a length: cabinets of one kind, with the appliances among them."""
    chosen: list[Model | None] = []
    if full:
        chosen.append(room.model("kitchen sink", largest=(1.3, DEPTH, 1.5)))
        chosen.append(room.model("stove", "oven", largest=(1.1, 0.8, 1.2)))
        if length > 4 and room.chance(0.4):
            chosen.append(room.model("washing machine", largest=(0.7, DEPTH, 0.9)))
    modules = [model for model in chosen if model is not None]
    name = "refrigerator" if room.chance(0.7) else "tall kitchen cabinet"
    tall = room.model(name, largest=(1.0, 1.0, room.height))
    rest = length - sum(model.size[0] + 0.005 for model in modules)
    if tall is not None and full and rest > tall.size[0] + 2 * base.size[0]:
        rest -= tall.size[0] + 0.005
    else:
        tall = None
    while modules and rest < 0:
        rest += modules.pop().size[0] + 0.005
    cabinets = int(rest / (base.size[0] + 0.005))
    modules += [base] * min(cabinets, 6)
    ordered = [modules[pick] for pick in room.generator.permutation(len(modules))]
    if tall is not None:
        ordered.insert(0 if room.chance(0.5) else len(ordered), tall)
    return ordered


def _module(room: Room, place: int, along: float, model: Model) -> Thing | None:
    wall = room.walls[place]
    x, y = wall.at(along, model.size[1] / 2 + 0.01)
    angle = turned_to(wall.inward)
    if not room.free(room.footprint(model.size, x, y, angle), gap=0.0):
        return None
    return room.add(model, x, y, angle, at_wall=True)


class _WorktopMaterial:
    """Stone, wood or one colour: the same on all of a kitchen's worktops."""

    def __init__(self, room: Room) -> None:
        drawn = room.generator.random()
        self.picture = texture("stone" if drawn < 0.45 else "wood", room.generator) if drawn < 0.85 else None
        self.color = any_color(room.generator, saturation=(0.0, 0.3))

    def slab(self, width: float, depth: float) -> Mesh:
        """A slab, front -y, on z = 0."""
        mesh = block((-width / 2, -depth / 2, 0), (width / 2, depth / 2, WORKTOP), self.color)
        return mesh if self.picture is None else textured(mesh, self.picture, 0.8)


def _worktop(room: Room, place: int, cabinets: list[Thing], material: _WorktopMaterial) -> None:
    wall = room.walls[place]
    ends = np.array([(cabinet.foot.center - wall.start) @ wall.along for cabinet in cabinets])
    halves = np.array([cabinet.foot.half[0] for cabinet in cabinets])
    left, right = float((ends - halves).min()), float((ends + halves).max())
    depth = max(float(cabinet.foot.half[1]) for cabinet in cabinets) * 2 + 0.02
    x, y = wall.at((left + right) / 2, depth / 2 + 0.005)
    high = max(cabinet.foot.high for cabinet in cabinets)
    room.add_mesh("kitchen counter", material.slab(right - left, depth), x, y, turned_to(wall.inward), z=high + 0.001,
                  support=cabinets[0].instance)  # fmt: skip


def _above(room: Room, place: int, thing: Thing) -> None:
    """A hood over a stove, a wall cabinet over most others."""
    wall = room.walls[place]
    along = float((thing.foot.center - wall.start) @ wall.along)
    width = 2 * float(thing.foot.half[0])
    if thing.name in ("stove", "oven"):
        room.hang("range hood", wall=place, along=along, z=1.55, largest=(width + 0.05, 0.7, 1.0))
    elif room.chance(0.7):
        room.hang("kitchen wall cabinet", wall=place, along=along, z=1.42, largest=(width + 0.01, 0.5, 1.0))
