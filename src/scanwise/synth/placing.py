"""A room being furnished: what stands where, what has room left, what lies on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from scanwise.scene import Box
from scanwise.synth.appearance import Look, swapped_appearance
from scanwise.synth.classes import NAMES
from scanwise.synth.colours import mesh_color_word
from scanwise.synth.mesh import Mesh, face_normals, standing
from scanwise.synth.shell import Wall, inside, reflex_corner
from scanwise.synth.world import Body, Model, Supply

SWAPPED_THINGS = 0.8
"""Share of the things that look otherwise in a room of swapped appearances."""
CLEARANCE = 0.02
LEVEL = 0.012
"""Metres by which a surface may be uneven under what is put on it."""
PROBE = 0.08
"""Metres above a surface from which rays look for it."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """A rectangle on the floor plan between two heights.

    Attributes:
        center: (2,) metres.
        half: (2,) metres along its own x and y.
        angle: of its x axis, radians.
        low: metres.
        high: metres.
    """

    center: np.ndarray
    half: np.ndarray
    angle: float
    low: float
    high: float

    @property
    def axes(self) -> np.ndarray:
        """(2, 2): its x and y axis as rows."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, sine], [-sine, cosine]])

    def corners(self) -> np.ndarray:
        """Its corners (4, 2), metres."""
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return self.center + (signs * self.half) @ self.axes

    def meets(self, other: Footprint, gap: float = 0.0) -> bool:
        """Whether the two come closer than `gap` in the plan and share a height (separating axes)."""
        if self.high <= other.low or other.high <= self.low:
            return False
        between = other.center - self.center
        for axis in np.concatenate([self.axes, other.axes]):
            reach = np.abs(self.axes @ axis) @ self.half + np.abs(other.axes @ axis) @ other.half
            if abs(between @ axis) >= reach + gap:
                return False
        return True


def turned_to(direction: np.ndarray) -> float:
    """Angle by which a model (front -y) is turned to face a direction (2,) of the plan."""
    return float(np.arctan2(direction[0], -direction[1]))


@dataclass(eq=False)
class Thing:
    """Something that was placed.

    Attributes:
        instance: its id.
        name: open name.
        foot: what it takes of the floor plan.
        mesh: in the room.
        carrier: its surfaces, once something was to be put on them.
    """

    instance: int
    name: str
    foot: Footprint
    mesh: Mesh
    carrier: Carrier | None = None


@dataclass(eq=False)
class Surface:
    """A level part of a thing.

    Attributes:
        z: its height, metres.
        clear: free height above it, metres.
        places: (n, 2) grid positions on it.
    """

    z: float
    clear: float
    places: np.ndarray


@dataclass(eq=False)
class Room:
    """A room to be furnished.

    Attributes:
        kind: "kitchen", ...
        plan: (P, 2) corners, counter-clockwise.
        walls: with their openings.
        height: metres.
        look: what its structure is made of.
        supply: of models.
        generator: of random numbers.
        held_out: whether models that training never sees may stand here.
        bodies: what was placed, for the world.
        things: the same, with footprints.
        kept_free: before doors and windows.
    """

    kind: str
    plan: np.ndarray
    walls: list[Wall]
    height: float
    look: Look
    supply: Supply
    generator: np.random.Generator
    held_out: bool
    bodies: list[Body] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    kept_free: list[Footprint] = field(default_factory=list)

    # What to place

    def model(self, *names: str, largest: Sequence[float] = (99, 99, 99)) -> Model | None:
        """A model of the first of these names that has any at most so large (x, y, z), drawn at random."""
        for name in names:
            fitting = [
                model
                for model in self.supply.models(name, held_out=self.held_out)
                if all(side <= most for side, most in zip(model.size, largest, strict=True))
            ]
            if fitting:
                return fitting[int(self.generator.integers(len(fitting)))]
        return None

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return bool(self.generator.random() < share)

    # Where there is room

    def footprint(self, size: Sequence[float], x: float, y: float, angle: float, z: float = 0.0) -> Footprint:
        """Of a model of this (x, y, z) size that stands there."""
        half = np.array([size[0] / 2, size[1] / 2])
        return Footprint(np.array([x, y]), half, angle, z, z + max(size[2], 0.02))

    def free(self, foot: Footprint, *, gap: float = CLEARANCE, but: Sequence[Thing] = ()) -> bool:
        """Whether a footprint is in the room and meets nothing but the things named."""
        corners = foot.corners()
        shrunk = foot.center + (corners - foot.center) * 0.98
        middles = (shrunk + np.roll(shrunk, 1, 0)) / 2
        if not inside(self.plan, np.concatenate([shrunk, middles])).all():
            return False
        bend = reflex_corner(self.plan)
        if bend is not None:
            local = np.abs(foot.axes @ (self.plan[bend] - foot.center))
            if (local < foot.half - 0.01).all():
                return False
        if any(foot.meets(other) for other in self.kept_free):
            return False
        return not any(foot.meets(thing.foot, gap) for thing in self.things if thing not in but)

    # Placing

    def add(
        self, model: Model, x: float, y: float, angle: float, *, z: float = 0.0, support: int = -1,
        at_wall: bool = False,
    ) -> Thing:  # fmt: skip
        """Puts a model there, with its front along `angle` - 90 degrees."""
        mesh = model.load(self.generator)
        return self.add_mesh(model.name, mesh, x, y, angle, z=z, support=support, model=model, at_wall=at_wall)

    def add_mesh(
        self,
        name: str,
        mesh: Mesh,
        x: float,
        y: float,
        angle: float,
        *,
        z: float = 0.0,
        support: int = -1,
        model: Model | None = None,
        at_wall: bool = False,
    ) -> Thing:
        """Puts a mesh (front -y, on z = 0) there as an object; `at_wall`: its back is not seen."""
        if self.look.swapped and self.chance(SWAPPED_THINGS):
            mesh = swapped_appearance(mesh, self.generator)
        instance = len(self.things)
        low, high = mesh.bounds.astype(float)
        pose = standing(x, y, z, angle)
        middle = pose @ np.append((low + high) / 2, 1.0)
        width, depth, height = (float(side) for side in high - low)
        box = Box(
            instance=instance,
            name=name,
            center=(float(middle[0]), float(middle[1]), float(middle[2])),
            size=(depth, width, height),
            heading=float(np.arctan2(np.sin(angle - np.pi / 2), np.cos(angle - np.pi / 2))),
            color=mesh_color_word(mesh, at_wall=at_wall),
            model="" if model is None else model.id,
            held_out=model is not None and model.held_out,
        )
        placed = mesh.moved(pose)
        self.bodies.append(Body(name, NAMES[name].kind, placed, box, support))
        foot = Footprint(middle[:2], np.array([width, depth]) / 2, angle, z + float(low[2]), z + float(high[2]))
        thing = Thing(instance, name, foot, placed)
        self.things.append(thing)
        return thing

    def at_wall(
        self, *names: str, largest: Sequence[float] = (99, 99, 99), away: float = 0.03, front: float = 0.0,
        walls: Sequence[int] | None = None, corner: bool = False, tries: int = 16,
    ) -> Thing | None:  # fmt: skip
        """A thing with its back to a wall, with `front` metres before it free; None where there is no room."""
        model = self.model(*names, largest=largest)
        if model is None:
            return None
        width, depth, height = model.size
        order = list(range(len(self.walls)) if walls is None else walls)
        for _ in range(tries):
            wall = self.walls[order[int(self.generator.integers(len(order)))]]
            if wall.length < width + 0.05:
                continue
            along = self.generator.uniform(width / 2 + 0.02, wall.length - width / 2 - 0.02)
            if corner:
                along = width / 2 + 0.04 if self.chance(0.5) else wall.length - width / 2 - 0.04
            x, y = wall.at(along, depth / 2 + away)
            angle = turned_to(wall.inward)
            if not self.free(self.footprint(model.size, x, y, angle)):
                continue
            if front and not self._room_before(wall, along, depth + away, width, front, height):
                continue
            return self.add(model, x, y, angle, at_wall=True)
        return None

    def _room_before(self, wall: Wall, along: float, start: float, width: float, front: float, height: float) -> bool:
        x, y = wall.at(along, start + front / 2 + 0.01)
        return self.free(self.footprint((width * 0.8, front, height), x, y, turned_to(wall.inward)), gap=0.0)

    def somewhere(
        self, *names: str, largest: Sequence[float] = (99, 99, 99), gap: float = 0.05, tries: int = 16
    ) -> Thing | None:
        """A thing anywhere on the floor, turned along the walls or, if it is small, any way."""
        model = self.model(*names, largest=largest)
        if model is None:
            return None
        low, high = self.plan.min(0), self.plan.max(0)
        for _ in range(tries):
            x, y = self.generator.uniform(low, high)
            angle = float(self.generator.integers(4)) * np.pi / 2
            if max(model.size[:2]) < 0.8:
                angle = float(self.generator.uniform(0, 2 * np.pi))
            if self.free(self.footprint(model.size, x, y, angle), gap=gap):
                return self.add(model, x, y, angle)
        return None

    def before(
        self, anchor: Thing, model: Model | None, distance: float, *, aside: float = 0.0,
        but: Sequence[Thing] = (),
    ) -> Thing | None:  # fmt: skip
        """A thing before the front of another, facing it; None where there is no room.

        Args:
            anchor: the other.
            model: of the thing; None = no thing.
            distance: metres between the two.
            aside: metres to the anchor's right.
            but: things that it may meet.
        """
        if model is None:
            return None
        right, back = anchor.foot.axes
        center = anchor.foot.center - back * (anchor.foot.half[1] + distance + model.size[1] / 2) + right * aside
        angle = anchor.foot.angle + np.pi
        if not self.free(self.footprint(model.size, center[0], center[1], angle), but=but):
            return None
        return self.add(model, center[0], center[1], angle)

    def beside(self, anchor: Thing, model: Model | None, side: int) -> Thing | None:
        """A thing right (1) or left (-1) of another, backs in line."""
        if model is None:
            return None
        right, back = anchor.foot.axes
        across = anchor.foot.half[0] + 0.05 + model.size[0] / 2
        center = anchor.foot.center + right * side * across + back * (anchor.foot.half[1] - model.size[1] / 2)
        if not self.free(self.footprint(model.size, center[0], center[1], anchor.foot.angle)):
            return None
        return self.add(model, center[0], center[1], anchor.foot.angle)

    def hang(self, *names: str, wall: int | None = None, along: float | None = None, z: float | None = None,
             largest: Sequence[float] = (99, 99, 99)) -> Thing | None:  # fmt: skip
        """A thing on a wall, at its name's usual height unless `z` is given, where nothing is before it."""
        model = self.model(*names, largest=largest)
        if model is None:
            return None
        width, depth, tall = model.size
        for _ in range(12):
            chosen = self.walls[int(self.generator.integers(len(self.walls))) if wall is None else wall]
            if chosen.length < width + 0.1:
                continue
            ends = width / 2 + 0.05, chosen.length - width / 2 - 0.05
            place = self.generator.uniform(*ends) if along is None else along
            bottom = z
            if bottom is None:
                bottom = (NAMES[model.name].elevation or 0.0) + self.generator.uniform(-0.06, 0.1)
            bottom = max(0.0, min(bottom, self.height - tall - 0.05))
            x, y = chosen.at(place, depth / 2 + 0.003)
            angle = turned_to(chosen.inward)
            if self.free(self.footprint(model.size, x, y, angle, bottom), gap=0.04):
                return self.add(model, x, y, angle, z=bottom, at_wall=True)
        return None

    # Things on things

    def put_on(self, support: Thing, *names: str, level: int | None = None, facing: bool = False) -> Thing | None:
        """A model on a level part of another thing, where rays from above find it even; None where none is.

        Args:
            support: the other thing.
            *names: open names, of which the first that has models is taken.
            level: which of the support's levels, from 0 = lowest; -1 = the highest; None = any.
            facing: front to the front.
        """
        model = self.model(*names)
        place = None if model is None else self._place_on(support, model.size, level, facing)
        if model is None or place is None:
            return None
        return self.add(model, *place[:3], z=place[3], support=support.instance)

    def put_mesh_on(self, support: Thing, name: str, mesh: Mesh) -> Thing | None:
        """A mesh on any level part of another thing, front to the front."""
        place = self._place_on(support, np.ptp(mesh.bounds, axis=0), None, True)
        if place is None:
            return None
        return self.add_mesh(name, mesh, *place[:3], z=place[3], support=support.instance)

    def _place_on(
        self, support: Thing, size: Sequence[float], level: int | None, facing: bool
    ) -> tuple[float, float, float, float] | None:
        """x, y, angle, z."""
        if support.carrier is None:
            support.carrier = Carrier(support.mesh)
        choices = [surface for surface in support.carrier.surfaces if surface.clear > size[2] + 0.01]
        if level is not None:
            choices = choices[level:][:1]
        for _ in range(10 if choices else 0):
            surface = choices[int(self.generator.integers(len(choices)))]
            x, y = surface.places[int(self.generator.integers(len(surface.places)))]
            x, y = np.array([x, y]) + self.generator.uniform(-0.02, 0.02, 2)
            angle = float(support.foot.angle + self.generator.normal(0, 0.02 if facing else 0.9))
            foot = self.footprint(size, x, y, angle, surface.z + 0.001)
            others = [thing for thing in self.things if thing is not support]
            if support.carrier.bears(foot, surface) and not any(foot.meets(thing.foot, 0.005) for thing in others):
                return float(x), float(y), angle, surface.z
        return None


class Carrier:
    """What other things can be put on.

    Attributes:
        surfaces: level parts, lowest first: at least 200 cm2, 15 cm above the floor, 10 cm free above.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, mesh.vertices, mesh.faces)
        self.surfaces = [surface for surface in self._levels(mesh) if surface.clear > 0.1]

    def bears(self, foot: Footprint, surface: Surface) -> bool:
        """Whether the surface is even under nearly all of a footprint: a round table has no corners."""
        steps = np.linspace(-0.85, 0.85, 5)
        points = foot.center + (np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2) * foot.half) @ foot.axes
        return bool((np.abs(self._drop(points, surface.z) - PROBE) < LEVEL).mean() > 0.9)

    def _levels(self, mesh: Mesh) -> list[Surface]:
        corners = mesh.vertices[mesh.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
        level = np.abs(face_normals(mesh.vertices, mesh.faces)[:, 2]) > 0.97  # some models are turned inside out
        if not level.any():
            return []
        heights, where = np.unique(np.rint(corners[level].mean(1)[:, 2] / LEVEL).astype(int), return_inverse=True)
        weight = np.bincount(where, area[level])
        low, high = mesh.bounds
        sides = [np.arange(low[axis] + 0.03, high[axis] - 0.02, 0.05) for axis in (0, 1)]
        grid = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, 2)
        surfaces = []
        for height in heights[weight > 0.02] * LEVEL:
            down = self._drop(grid, height)
            hit = np.abs(down - PROBE) < LEVEL
            if height < 0.15 or hit.sum() < 6:
                continue
            up = np.minimum(self._distance(grid[hit], height + PROBE, 1.0) + PROBE, 1.5)
            exact = height + PROBE - float(np.median(down[hit]))
            surfaces.append(Surface(exact, float(np.quantile(up, 0.2)), grid[hit]))
        return surfaces

    def _drop(self, places: np.ndarray, height: float) -> np.ndarray:
        return self._distance(places, height + PROBE, -1.0)

    def _distance(self, places: np.ndarray, height: float, way: float) -> np.ndarray:
        """(n,) metres from places (n, 2) at a height, straight up (1) or down (-1), to the mesh; inf = nothing."""
        start = np.column_stack([places, np.full(len(places), height)]).astype(np.float32)
        directions = np.zeros((len(start), 3), np.float32)
        directions[:, 2] = way
        found = self._scene.run(np.ascontiguousarray(start), directions, output=1)
        return np.where(found["primID"] < 0, np.inf, found["tfar"])
