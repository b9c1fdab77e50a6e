"""The shell of a room: its floor plan, and walls with openings cut into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scanwise.synth.appearance import Material
from scanwise.synth.mesh import Mesh, face_normals, joined, rectangle, with_alpha

SIDES = {
    "living room": ((3.8, 6.5), (3.4, 5.2)),
    "bedroom": ((3.0, 5.0), (2.8, 4.4)),
    "kitchen": ((2.8, 5.0), (2.4, 4.2)),
    "bathroom": ((2.2, 3.6), (1.8, 3.0)),
    "office": ((3.2, 7.0), (3.0, 5.2)),
    "corridor": ((4.0, 9.0), (1.4, 2.2)),
}
"""Metres (from, to) of the longer and the shorter side of a room's rectangle."""
NARROWEST = {"corridor": 1.4, "bathroom": 1.5}


@dataclass(frozen=True)
class Opening:
    """A hole in a wall.

    Attributes:
        what: "door", "window" or "opening" (nothing in it).
        left: metres along the wall from its start.
        right: metres along the wall from its start.
        bottom: metres above the floor.
        top: metres above the floor.
    """

    what: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def width(self) -> float:
        """Metres along the wall."""
        return self.right - self.left


@dataclass(frozen=True)
class Wall:
    """The wall that stands on an edge of the plan, with the room on its left.

    Attributes:
        start: (x, y) metres.
        end: (x, y) metres.
        openings: from start to end.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    openings: tuple[Opening, ...] = ()

    @property
    def length(self) -> float:
        """Metres from start to end."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))

    @property
    def along(self) -> np.ndarray:
        """The (2,) unit vector from start to end."""
        return np.subtract(self.end, self.start) / self.length

    @property
    def inward(self) -> np.ndarray:
        """The (2,) unit normal into the room."""
        return np.array([-self.along[1], self.along[0]])

    @property
    def facing(self) -> float:
        """Angle of the inward normal, radians."""
        return float(np.arctan2(self.inward[1], self.inward[0]))

    def at(self, along: float, inward: float = 0.0) -> np.ndarray:
        """The (2,) point `along` metres from the start and `inward` metres into the room."""
        return np.asarray(self.start) + along * self.along + inward * self.inward


def floor_plan(kind: str, generator: np.random.Generator) -> np.ndarray:
    """The corners of a room about the origin: a rectangle, or an L in a third of the rooms.

    Args:
        kind: of SIDES.
        generator: of random numbers.

    Returns:
        (4, 2) or (6, 2) metres, counter-clockwise.
    """
    (least, most), (narrow, broad) = SIDES[kind]
    sides = np.array([generator.uniform(least, most), generator.uniform(narrow, broad)])
    narrowest = NARROWEST.get(kind, 2.2)
    bent = generator.random() < 1 / 3
    if kind == "corridor" and bent:
        sides[1] = generator.uniform(3.5, 6.0)
        cut = sides - generator.uniform(narrowest, broad, 2)
    else:
        cut = np.minimum(sides * generator.uniform(0.25, 0.5, 2), sides - narrowest)
        bent = bent and bool((cut >= 0.5).all())
    if generator.random() < 0.5:
        sides, cut = sides[::-1], cut[::-1]
    (width, depth), (notch, dent) = np.round(sides, 2), np.round(cut, 2)
    corners = [(0.0, 0.0), (width, 0.0), (width, depth), (0.0, depth)]
    if bent:
        corners[2:3] = [(width, depth - dent), (width - notch, depth - dent), (width - notch, depth)]
    plan = np.array(corners)
    for _ in range(int(generator.integers(4))):
        plan = plan[:, ::-1] * [-1, 1]
    return plan - (plan.min(0) + plan.max(0)) / 2


def walls_of(plan: np.ndarray) -> list[Wall]:
    """A wall without openings on every edge of a plan."""
    corners = [(float(x), float(y)) for x, y in plan]
    return [Wall(start, end) for start, end in zip(corners, corners[1:] + corners[:1], strict=True)]


def parts_of(plan: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The (low, high) corners of rectangles that make up a plan: one, or two for an L."""
    low, high = plan.min(0), plan.max(0)
    bend = reflex_corner(plan)
    if bend is None:
        return [(low, high)]
    corner = plan[bend]
    whole = plan[(bend + 3) % 6]  # the corner across from the bend, of both arms
    outer = np.where(whole == low, high, low)
    arms = [np.stack([whole, [outer[0], corner[1]]]), np.stack([[whole[0], corner[1]], [corner[0], outer[1]]])]
    return [(arm.min(0), arm.max(0)) for arm in arms]


def reflex_corner(plan: np.ndarray) -> int | None:
    """Index of the corner where an L bends inwards; None in a rectangle."""
    before, after = plan - np.roll(plan, 1, 0), np.roll(plan, -1, 0) - plan
    turns = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return int(turns.argmin()) if turns.min() < 0 else None


def inside(plan: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) bool: which points (N, 2) are inside the plan (P, 2)."""
    start, end = plan, np.roll(plan, -1, 0)
    x, y = points[:, :1], points[:, 1:]
    spans = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
    crossing = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    return (spans & (x < crossing)).sum(1) % 2 == 1


def slab(plan: np.ndarray, z: float, material: Material, *, up: bool) -> Mesh:
    """The plan's face at height `z`, seen from above or below."""
    bend = reflex_corner(plan)
    corners = np.roll(plan, -(bend or 0), axis=0)
    fan = [(0, place, place + 1) if up else (0, place + 1, place) for place in range(1, len(corners) - 1)]
    vertices = np.column_stack([corners, np.full(len(corners), z)]).astype(np.float32)
    faces = np.array(fan, np.int32)
    textured = material.texture is not None
    return Mesh(
        vertices=vertices,
        faces=faces,
        normals=np.repeat(face_normals(vertices, faces)[:, None], 3, axis=1).astype(np.float32),
        colors=np.tile(np.array(material.color, np.uint8), (len(faces), 1)),
        uv=(vertices[faces][..., :2] / material.tile).astype(np.float32),
        texture=np.full(len(faces), 0 if textured else -1, np.int32),
        textures=[] if material.texture is None else [with_alpha(material.texture)],
    )


def wall_mesh(wall: Wall, height: float, thickness: float, material: Material) -> Mesh:
    """The wall's face with its openings left out, and the sides of each hole."""
    panels, left = [], 0.0
    for opening in wall.openings:
        panels.append((left, opening.left, 0.0, height))
        panels.append((opening.left, opening.right, 0.0, opening.bottom))
        panels.append((opening.left, opening.right, opening.top, height))
        left = opening.right
    panels.append((left, wall.length, 0.0, height))
    parts = [panel(wall, *spans, material) for spans in panels if spans[1] - spans[0] > 1e-6 < spans[3] - spans[2]]
    parts += [reveal for opening in wall.openings for reveal in _reveals(wall, opening, thickness, material)]
    return joined(parts)


def panel(wall: Wall, left: float, right: float, bottom: float, top: float, material: Material) -> Mesh:
    """A rectangle of the wall's inner face; a texture runs on from panel to panel."""
    start, along = wall.at(right), (left - right) * wall.along
    mesh = rectangle(
        (*start, bottom), (*along, 0.0), (0.0, 0.0, top - bottom), color=material.color, texture=material.texture
    )
    uv = (mesh.uv * [right - left, top - bottom] + [-right, bottom]) / material.tile
    return replace(mesh, uv=uv.astype(np.float32))


def _reveals(wall: Wall, opening: Opening, thickness: float, material: Material) -> list[Mesh]:
    depth = (*(-thickness * wall.inward), 0.0)
    up = (0.0, 0.0, opening.top - opening.bottom)
    across = (*(opening.width * wall.along), 0.0)
    low, high = wall.at(opening.left), wall.at(opening.right)
    sides: list[tuple[Sequence[float], Sequence[float], Sequence[float]]] = [
        ((*low, opening.bottom), depth, up),
        ((*high, opening.bottom), up, depth),
        ((*low, opening.top), depth, across),
    ]
    if opening.bottom > 0:
        sides.append(((*low, opening.bottom), across, depth))
    return [rectangle(*side, color=material.color) for side in sides]
