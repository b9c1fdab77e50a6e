"""What built-in pieces are drawn with: finishes that make solids, and the choices that differ from piece to piece."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from scanwise.synth import shapes
from scanwise.synth.mesh import Mesh, rectangle, unit, with_alpha
from scanwise.synth.textures import CLOTH, PALE, WOODS, pick, texture

Option = TypeVar("Option")
Point = Sequence[float]

METALS = ((200, 202, 205), (160, 162, 166), (60, 62, 66), (28, 28, 30), (214, 196, 150))
PLASTICS = (
    (32, 32, 34), (236, 236, 232), (190, 30, 36), (30, 90, 170), (240, 180, 30), (60, 140, 70), (230, 110, 30),
    (120, 120, 124), (236, 150, 170), (90, 60, 130),
)  # fmt: skip
CERAMIC = ((246, 246, 244), (240, 238, 230), (250, 250, 250), (232, 234, 236))
LEAVES = ((60, 110, 50), (84, 140, 60), (40, 84, 44), (110, 150, 70), (70, 120, 84))
EARTHEN = ((176, 96, 66), (236, 234, 228), (70, 72, 76), (150, 160, 150), (190, 160, 120), (60, 84, 110))


@dataclass(frozen=True, eq=False)
class Finish:
    """A material, and solids that wear it.

    Attributes:
        color: sRGB.
        picture: uint8 (h, w, 4) texture, or None.
        metres: after which the texture repeats.
    """

    color: tuple[int, int, int]
    picture: np.ndarray | None = None
    metres: float = 1.0

    def on(self, mesh: Mesh, grain: str = "z") -> Mesh:
        """The mesh in this material; a texture's upright direction follows the axis `grain`."""
        if self.picture is None:
            return replace(mesh, colors=np.tile(np.array(self.color, np.uint8), (len(mesh.faces), 1)))
        return shapes.textured(mesh, self.picture, self.metres, grain=grain)

    def box(self, low: Point, high: Point, grain: str = "z") -> Mesh:
        """A box along the axes."""
        return self.on(shapes.block(low, high, self.color), grain)

    def taper(self, low: Point, high: Point, sides: float = 0.0, front: float = 0.0, back: float = 0.0) -> Mesh:
        """A box whose top is drawn in by so many metres at its two sides (x), its front (-y) and its back."""
        mesh = shapes.block(low, high, self.color)
        vertices = mesh.vertices.astype(np.float64)
        top = vertices[:, 2] > (low[2] + high[2]) / 2
        middle = (np.asarray(low) + np.asarray(high)) / 2
        vertices[top, 0] -= np.sign(vertices[top, 0] - middle[0]) * sides
        vertices[top, 1] += np.where(vertices[top, 1] < middle[1], front, -back)
        return self.on(shapes.flat(vertices, mesh.faces, self.color))

    def rod(self, start: Point, end: Point, radius: float, *, tip: float | None = None, sides: int = 8) -> Mesh:
        """As `shapes.rod`."""
        return self.on(shapes.rod(start, end, radius, self.color, tip=tip, sides=sides))

    def path(self, points: Sequence[Point], radius: float) -> list[Mesh]:
        """Rods from point to point."""
        return [self.rod(start, end, radius, sides=6) for start, end in itertools.pairwise(points)]

    def lathe(self, profile: Sequence[tuple[float, float]], at: Point = (0, 0, 0), sides: int = 20) -> Mesh:
        """As `shapes.lathe`."""
        return self.on(shapes.lathe(profile, self.color, at=at, sides=sides))

    def disc(self, radius: float, low: float, high: float, at: Point = (0, 0, 0), sides: int = 20) -> Mesh:
        """As `shapes.disc`."""
        return self.on(shapes.disc(radius, low, high, self.color, at=at, sides=sides))

    def ball(self, radii: Point, at: Point = (0, 0, 0), sides: int = 12) -> Mesh:
        """As `shapes.ball`."""
        return self.on(shapes.ball(radii, self.color, at=at, sides=sides))

    def cushion(self, low: Point, high: Point, square: float = 0.6, grain: str = "z") -> Mesh:
        """A box with soft edges: `square` 0 = an ellipsoid, towards 1 = a box."""
        power = 1 - square
        ball = shapes.ball((1, 1, 1), self.color, sides=16)
        mesh = replace(
            ball,
            vertices=_powered(ball.vertices, power).astype(np.float32),
            normals=unit(_powered(ball.normals, 2 - power)).astype(np.float32),
        )
        pose = np.diag([*(np.asarray(high, np.float64) - low) / 2, 1.0])
        pose[:3, 3] = (np.asarray(low, np.float64) + high) / 2
        return self.on(mesh.moved(pose), grain)

    def vessel(self, half: tuple[float, float], profile: Sequence[tuple[float, float]], square: float = 0.5,
               at: Point = (0, 0, 0)) -> Mesh:  # fmt: skip
        """Rings from bottom to top of the outside and down the inside.

        Args:
            half: half width and half depth, metres.
            profile: (metres drawn in, z) of each ring; a level given twice is a hard edge.
            square: as in `cushion`.
            at: where its middle stands.
        """
        angle = 2 * np.pi * np.arange(33) / 32 + np.pi / 2
        ring = _powered(np.stack([np.cos(angle), np.sin(angle)], axis=1), 1 - square)
        levels = [
            np.column_stack([ring * np.maximum(np.array(half) - inset, 0.0), np.full(33, z)]) for inset, z in profile
        ]
        return self.on(shapes.sheet(np.stack(levels) + np.asarray(at), self.color))

    def prism(self, outline: Sequence[tuple[float, float]], low: float, high: float, axis: str = "x") -> Mesh:
        """As `shapes.prism`, whichever way round the outline goes."""
        points = np.array(outline)
        after = np.roll(points, -1, axis=0)
        area = (points[:, 0] * after[:, 1] - points[:, 1] * after[:, 0]).sum()
        ordered = outline if (area > 0) != (axis == "y") else outline[::-1]
        return self.on(shapes.prism(ordered, low, high, self.color, axis=axis))

    def sheet(self, grid: np.ndarray) -> Mesh:
        """As `shapes.sheet`."""
        return self.on(shapes.sheet(grid, self.color))

    def ring(self, radius: float, thick: float, at: Point, axis: str = "x") -> Mesh:
        """A tube bent to a circle about an axis."""
        angle = np.linspace(0, 2 * np.pi, 7)
        profile = [(radius - thick + thick * float(np.cos(a)), thick * float(np.sin(a))) for a in angle]
        mesh = shapes.lathe(profile, self.color, sides=24)
        pose = np.eye(4)
        pose[:3, :3] = {"x": [[0, 0, 1], [1, 0, 0], [0, 1, 0]], "y": [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}.get(
            axis, np.eye(3)
        )
        pose[:3, 3] = at
        return self.on(mesh.moved(pose))

    def wheel(self, radius: float, width: float, at: Point) -> Mesh:
        """A closed cylinder about x."""
        x, y, z = at
        return self.rod((x - width / 2, y, z), (x + width / 2, y, z), radius, sides=20)


@dataclass(frozen=True, eq=False)
class Draw:
    """The choices of one piece.

    Attributes:
        size: (x, y, z) metres.
        style: 0 to 3, of the model: how it is built.
        generator: of what differs each time: colours, materials, proportions.
    """

    size: tuple[float, float, float]
    style: int
    generator: np.random.Generator

    def between(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return float(self.generator.uniform(low, high))

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return float(self.generator.random()) < share

    def count(self, low: int, high: int) -> int:
        """A whole number, both ends among them."""
        return int(self.generator.integers(low, high + 1))

    def one(self, *options: Option) -> Option:
        """One of the options, all as likely."""
        return options[int(self.generator.integers(len(options)))]

    def plain(self, palette: tuple[tuple[int, int, int], ...]) -> Finish:
        """One colour, near one of the palette."""
        red, green, blue = pick(self.generator, palette).tolist()
        return Finish((red, green, blue))

    def material(self, name: str, metres: float) -> Finish:
        """A texture of `textures.TEXTURES`."""
        picture = with_alpha(texture(name, self.generator))
        red, green, blue = picture[..., :3].reshape(-1, 3).mean(0).round().astype(int).tolist()
        return Finish((red, green, blue), picture, metres)

    def wood(self) -> Finish:
        """Mostly with grain, some of it painted."""
        if self.chance(0.2):
            return self.plain((*PALE, *CLOTH))
        return self.material("wood", self.between(0.4, 0.8))

    def cloth(self) -> Finish:
        """Plain, woven or striped."""
        drawn = self.generator.random()
        if drawn < 0.15:
            return self.material("stripes", self.between(0.3, 0.8))
        return self.material("fabric", 0.25) if drawn < 0.6 else self.plain(CLOTH)

    def metal(self) -> Finish:
        """Steel, black or brass."""
        return self.plain(METALS)

    def plastic(self) -> Finish:
        """Plain colours, black and white among them."""
        return self.plain(PLASTICS)

    def ceramic(self) -> Finish:
        """Whites."""
        return self.plain(CERAMIC)

    def appliance(self) -> Finish:
        """White, steel, black, seldom a colour."""
        return self.plain(((244, 244, 244), (244, 244, 244), (186, 188, 190), (44, 44, 46), (150, 40, 40)))

    def leaf(self) -> Finish:
        """Greens."""
        return self.plain(LEAVES)

    def pot(self) -> Finish:
        """Clay, stone or glaze."""
        return self.plain(EARTHEN)


BLACK = Finish((24, 24, 26))
WHITE = Finish((240, 240, 238))
STEEL = Finish((186, 188, 192))
GLASS = Finish((52, 62, 72))
GLOW = Finish((252, 244, 220))
SKINS = ((240, 204, 178), (224, 180, 146), (190, 140, 104), (140, 96, 68), (92, 62, 46))
BARK = WOODS[2:4]


def panel(picture: np.ndarray, low: tuple[float, float], high: tuple[float, float], y: float) -> Mesh:
    """A picture upright in the plane of `y`, seen from the front; `low` and `high` are (x, z)."""
    return rectangle((low[0], y, low[1]), (high[0] - low[0], 0, 0), (0, 0, high[1] - low[1]), texture=picture)


def four_legs(finish: Finish, half: tuple[float, float], top: float, thick: float, *, splay: float = 0.0,
              round_: bool = False) -> list[Mesh]:  # fmt: skip
    """Legs under the corners (±x, ±y) of a top; `splay` moves their feet outwards."""
    parts = []
    for x in (-half[0], half[0]):
        for y in (-half[1], half[1]):
            if round_ or splay:
                foot = (x + np.sign(x) * splay, y + np.sign(y) * splay, 0)
                parts.append(finish.rod(foot, (x, y, top), thick * 0.35, tip=thick * 0.6))
            else:
                parts.append(finish.box((x - thick / 2, y - thick / 2, 0), (x + thick / 2, y + thick / 2, top)))
    return parts


def turned(meshes: Sequence[Mesh], angle: float, axis: str, about: Point) -> list[Mesh]:
    """Meshes turned by an angle (radians, right-hand rule) about an axis through a point."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    pose = np.eye(4)
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    pose[[first, first, second, second], [first, second, first, second]] = (c, -s, s, c)
    pose[:3, 3] = np.asarray(about) - pose[:3, :3] @ np.asarray(about)
    return [mesh.moved(pose) for mesh in meshes]


def shared_pictures(mesh: Mesh) -> Mesh:
    """The mesh with each of its pictures once, and without faces that have no area."""
    first = {id(picture): number for number, picture in reversed(list(enumerate(mesh.textures)))}
    kept = sorted(first.values())
    place = np.array([*(kept.index(first[id(picture)]) for picture in mesh.textures), -1])
    a, b, c = (mesh.vertices[mesh.faces[:, corner]].astype(np.float64) for corner in range(3))
    solid = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-10
    solid &= np.abs(np.linalg.norm(mesh.normals, axis=2) - 1).max(1) < 1e-3
    return replace(
        mesh,
        faces=mesh.faces[solid],
        normals=mesh.normals[solid],
        colors=mesh.colors[solid],
        uv=mesh.uv[solid],
        texture=place[mesh.texture[solid]].astype(np.int32),
        textures=[mesh.textures[number] for number in kept],
    )


def leaf_blade(finish: Finish, start: Point, heading: float, length: float, width: float, rise: float,
               droop: float) -> Mesh:  # fmt: skip
    """A pointed leaf that grows from a point: `rise` radians up from level, and bends down by `droop` radians."""
    along = np.linspace(0, 1, 6)
    pitch = rise - droop * along
    step = length / 5
    out = np.concatenate([[0], np.cumsum(np.cos(pitch[:-1]) * step)])
    up = np.concatenate([[0], np.cumsum(np.sin(pitch[:-1]) * step)])
    breadth = width / 2 * np.sin(np.pi * np.clip(along * 0.9 + 0.08, 0, 1)) ** 0.7
    forward, aside = np.array([np.cos(heading), np.sin(heading), 0]), np.array([-np.sin(heading), np.cos(heading), 0])
    middle = np.asarray(start) + out[:, None] * forward + up[:, None] * np.array([0, 0, 1.0])
    edge = breadth[:, None] * aside
    fold = np.array([0, 0, 0.15 * width])
    return finish.sheet(np.stack([middle - edge + fold, middle, middle + edge + fold], axis=1))


def _powered(values: np.ndarray, power: float) -> np.ndarray:
    # sin(pi) is 1e-16, and 1e-16 to the power 0.07 is 0.08: left as it is, it would tear the surface open.
    exact = np.where(np.abs(values) < 1e-6, 0.0, values.astype(np.float64))
    return np.sign(exact) * np.abs(exact) ** power
