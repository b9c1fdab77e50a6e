"""What streets are built of: ground along a course, houses, plants, posts. Parts stand at the origin, front to -y."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scanwise.synth.mesh import Mesh, box, face_normals, joined, standing
from scanwise.synth.relief import Relief

STEP = 1.0
"""Metres between the cross sections of the ground."""
Part = tuple[str, str, Mesh]
"""Open name, kind, mesh."""
BRICKS = ((150, 90, 75), (200, 190, 170), (225, 220, 205), (170, 160, 150), (190, 150, 110), (210, 200, 140))
GLASS = (22, 26, 30)
LEAVES = ((60, 90, 40), (80, 110, 50), (50, 80, 45), (100, 120, 60))
STEEL = (120, 125, 125)


@dataclass(frozen=True)
class Course:
    """A line along the ground: straight, a bend of constant curvature, straight.

    Attributes:
        origin: (x, y) at s = 0.
        heading: radians there.
        curvature: 1 / metres in the bend, left is positive.
        bend: (from, to) metres along the line, from >= 0.
        relief: of the land that it runs over; None = level.
    """

    origin: tuple[float, float]
    heading: float
    curvature: float = 0.0
    bend: tuple[float, float] = (0.0, 0.0)
    relief: Relief | None = None

    def heading_at(self, s: np.ndarray | float) -> np.ndarray:
        """Radians at `s` metres along the line."""
        return self.heading + self.curvature * (np.clip(s, *self.bend) - self.bend[0])

    def at(self, s: np.ndarray | float, left: np.ndarray | float = 0.0) -> np.ndarray:
        """Positions (..., 2) `s` metres along the line and `left` metres beside it."""
        s = np.asarray(s, np.float64)
        inside = np.clip(s, *self.bend) - self.bend[0]
        before, after = np.minimum(s, self.bend[0]), np.maximum(s - self.bend[1], 0)
        turned = self.curvature * inside
        if abs(self.curvature) > 1e-9:
            bend_x, bend_y = np.sin(turned) / self.curvature, (1 - np.cos(turned)) / self.curvature
        else:
            bend_x, bend_y = inside, np.zeros_like(inside)
        x = before + bend_x + after * np.cos(turned) - left * np.sin(turned)
        y = bend_y + after * np.sin(turned) + left * np.cos(turned)
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        return np.stack([self.origin[0] + cosine * x - sine * y, self.origin[1] + sine * x + cosine * y], axis=-1)

    def pose(self, s: float, left: float, turn: float = 0.0, z: float = 0.0) -> np.ndarray:
        """The (4, 4) pose of a thing there whose x axis is turned by `turn` from the line's direction."""
        x, y = place = self.at(s, left)
        z += 0.0 if self.relief is None else float(self.relief.at(place))
        return standing(float(x), float(y), z, float(self.heading_at(s)) + turn)


def quads(corners: np.ndarray, colors: np.ndarray | Sequence[int]) -> Mesh:
    """Quadrilaterals (Q, 4, 3), counter-clockwise as seen from their front; colours (3,) or (Q, 3)."""
    count = len(corners)
    start = 4 * np.arange(count)[:, None, None]
    faces = (start + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3).astype(np.int32)
    vertices = np.ascontiguousarray(corners, np.float32).reshape(-1, 3)
    color = np.broadcast_to(np.clip(colors, 0, 255), (count, 3)).astype(np.uint8)
    return Mesh(
        vertices=vertices,
        faces=faces,
        normals=np.repeat(face_normals(vertices, faces)[:, None], 3, axis=1).astype(np.float32),
        colors=np.repeat(color, 2, axis=0),
        uv=np.zeros((2 * count, 3, 2), np.float32),
        texture=np.full(2 * count, -1, np.int32),
    )


def ribbon(course: Course, span: tuple[float, float], profile: Sequence[tuple[float, float]], color: Sequence[int],
           rough: float = 0.0, generator: np.random.Generator | None = None) -> Mesh:  # fmt: skip
    """Ground along a course.

    Args:
        course: that it follows.
        span: (from, to) metres along it.
        profile: (metres to the left, height) from right to left.
        color: sRGB.
        rough: metres of bumps.
        generator: of the bumps; None = none.
    """
    s = np.linspace(*span, max(2, int((span[1] - span[0]) / STEP) + 1))
    left, height = np.array(profile, np.float64).T
    ground = np.empty((len(s), len(left), 3))
    ground[..., :2] = course.at(s[:, None], left)
    ground[..., 2] = height
    if generator is not None:
        ground[:, 1:-1, 2] += rough * generator.standard_normal((len(s), max(len(left) - 2, 0)))
    near, far = ground[:-1], ground[1:]
    corners = np.stack([near[:, :-1], far[:, :-1], far[:, 1:], near[:, 1:]], axis=2)
    return quads(corners.reshape(-1, 4, 3), color)


def tube(
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    radii: tuple[float, float],
    color: Sequence[int],
    sides: int = 8,
) -> Mesh:
    """A closed round post from `low` to `high`."""
    start, end = np.asarray(low, np.float64), np.asarray(high, np.float64)
    axis = (end - start) / np.linalg.norm(end - start)
    across = np.cross(axis, [1.0, 0, 0] if abs(axis[0]) < 0.9 else [0, 1.0, 0])
    across /= np.linalg.norm(across)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:, None]
    ring = np.cos(angle) * across + np.sin(angle) * np.cross(axis, across)
    lower, upper = start + radii[0] * ring, end + radii[1] * ring
    corners = np.stack([lower[:-1], lower[1:], upper[1:], upper[:-1]], axis=1)
    lid = np.stack([np.broadcast_to(end, (sides, 3)), upper[:-1], upper[1:], np.broadcast_to(end, (sides, 3))], axis=1)
    return quads(np.concatenate([corners, lid]), color)


def foliage(generator: np.random.Generator, centre: Sequence[float], radii: Sequence[float], count: int,
            size: float = 0.22, square: bool = False) -> Mesh:  # fmt: skip
    """Leafy twigs as small cards, most near the skin of an ellipsoid (or of a block): rays go in, and some through."""
    if square:
        places = generator.uniform(-1, 1, (count, 3))
        side = generator.integers(0, 3, count)
        places[np.arange(count), side] = np.sign(places[np.arange(count), side]) * generator.uniform(0.75, 1, count)
    else:
        places = generator.standard_normal((count, 3))
        places *= (generator.uniform(0.3, 1, count) ** 0.6 / np.linalg.norm(places, axis=1))[:, None]
    places = np.asarray(centre) + places * np.asarray(radii)
    first = generator.standard_normal((count, 3))
    first *= size / np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(first, generator.standard_normal((count, 3)))
    second *= 0.7 * size / np.maximum(np.linalg.norm(second, axis=1, keepdims=True), 1e-6)
    corners = np.stack([places - first, places - second, places + first, places + second], axis=1)
    base = np.array(LEAVES[int(generator.integers(len(LEAVES)))])
    return quads(corners, base + generator.integers(-20, 20, (count, 1)))


def tree(generator: np.random.Generator, tallest: float = 11.0) -> list[Part]:
    """A trunk with boughs, and its crown; from 4 m to so many metres high."""
    height = generator.uniform(4, tallest)
    bare, radius = height * generator.uniform(0.25, 0.4), height * generator.uniform(0.012, 0.02) + 0.05
    bark = (95, 80, 65)
    lean = generator.uniform(-0.03, 0.03, 2) * height
    top = (lean[0], lean[1], height * 0.8)
    trunk = [tube((0, 0, -0.1), top, (radius, 0.3 * radius), bark)]
    for angle in generator.uniform(0, 2 * np.pi, 4):
        reach = height * generator.uniform(0.12, 0.2)
        start = np.array([*lean * bare / height, bare * generator.uniform(0.9, 1.4)])
        end = start + reach * np.array([np.cos(angle), np.sin(angle), 1.0])
        trunk.append(tube(start, end, (0.4 * radius, 0.15 * radius), bark, 5))
    wide = height * generator.uniform(0.2, 0.35)
    low = bare * generator.uniform(0.3, 1.05)
    crown = foliage(generator, (*lean, (low + height) / 2), (wide, wide, (height - low) / 2), int(900 * wide))
    return [("tree trunk", "trunk", joined(trunk)), ("tree crown", "vegetation", crown)]


def bush(generator: np.random.Generator) -> list[Part]:
    """A bush as wide as high, 0.5 to 2.8 m high."""
    height = generator.uniform(0.5, 2.8)
    radius = height * generator.uniform(0.4, 0.7)
    leaves = foliage(generator, (0, 0, height / 2), (radius, radius, height / 2), int(450 * radius * height), 0.14)
    return [("bush", "vegetation", leaves)]


def hedge(generator: np.random.Generator, length: float) -> list[Part]:
    """A cut hedge along x."""
    half, height = generator.uniform(0.25, 0.5), generator.uniform(0.8, 2.0)
    count = int(length * (height + half) * 130)
    leaves = foliage(generator, (0, 0, height / 2), (length / 2, half, height / 2), count, 0.11, square=True)
    return [("hedge", "vegetation", leaves)]


def fence(generator: np.random.Generator, length: float) -> list[Part]:
    """A fence of slats with posts, along x."""
    height, pitch = generator.uniform(0.9, 1.8), generator.uniform(0.1, 0.16)
    color = ((120, 90, 60), (200, 200, 195), (80, 85, 80))[int(generator.integers(3))]
    x = np.arange(-length / 2, length / 2 - pitch / 2, pitch)
    width = pitch * generator.uniform(0.5, 0.9)
    slats = _upright(np.stack([x, x + width, 0 * x + 0.05, 0 * x + height], 1), 0.0)
    posts = [box((p - 0.05, 0.01, 0), (p + 0.05, 0.11, height + 0.1), color)
             for p in np.linspace(-length / 2, length / 2, max(2, int(length / 2.5)))]  # fmt: skip
    rails = [box((-length / 2, 0.01, z), (length / 2, 0.05, z + 0.08), color) for z in (0.25, height - 0.25)]
    return [("fence", "fence", joined([quads(slats, color), *posts, *rails]))]


def garden_wall(generator: np.random.Generator, length: float) -> list[Part]:
    """A low wall along x; data sets count it with the fences."""
    height = generator.uniform(0.5, 2.0)
    color = BRICKS[int(generator.integers(len(BRICKS)))]
    return [("garden wall", "fence", box((-length / 2, -0.12, -0.1), (length / 2, 0.12, height), color))]


def building(generator: np.random.Generator, width: float, depth: float) -> list[Part]:
    """A house with its facade on y = 0: windows and a door set into the wall, a flat or a gable roof."""
    floors = int(generator.integers(1, 6))
    storey = generator.uniform(2.8, 3.6)
    height = floors * storey + generator.uniform(0.3, 1.0)
    color = np.array(BRICKS[int(generator.integers(len(BRICKS)))]) + generator.integers(-15, 15)
    bays = max(1, int(width / generator.uniform(2.4, 4.0)))
    pieces = [_facade(generator, width, height, floors, storey, bays, color)]
    half = width / 2
    sides = [
        [(half, 0, -0.3), (half, depth, -0.3), (half, depth, height), (half, 0, height)],
        [(-half, depth, -0.3), (-half, 0, -0.3), (-half, 0, height), (-half, depth, height)],
        [(half, depth, -0.3), (-half, depth, -0.3), (-half, depth, height), (half, depth, height)],
    ]
    pieces += [quads(np.array(sides), color), _roof(generator, half, depth, height)]
    if generator.random() < 0.35 and floors > 1:
        for floor in range(1, floors):
            middle = generator.uniform(-half / 2, half / 2)
            z = floor * storey
            pieces.append(box((middle - 1.4, -1.1, z - 0.15), (middle + 1.4, 0, z), (170, 170, 165)))
            pieces.append(box((middle - 1.4, -1.1, z), (middle + 1.4, -1.05, z + 0.95), STEEL))
    return [("building", "building", joined(pieces))]


def _facade(generator: np.random.Generator, width: float, height: float, floors: int, storey: float, bays: int,
            color: np.ndarray) -> Mesh:  # fmt: skip
    """A wall cut by a grid of openings, with reveals and a dark pane behind each."""
    window, sill, top = generator.uniform(0.4, 0.6) * width / bays, 0.9, generator.uniform(2.0, 2.5)
    deep = generator.uniform(0.1, 0.25)
    centres = (np.arange(bays) + 0.5) * width / bays - width / 2
    door = int(generator.integers(bays))
    xs = np.unique(np.r_[-width / 2, width / 2, centres - window / 2, centres + window / 2])
    walls, panes = [], []
    for floor in range(floors):
        base = floor * storey
        ceiling = height if floor == floors - 1 else base + storey
        walls.append((-width / 2, width / 2, base + top, ceiling))
        for left, right in itertools.pairwise(xs):
            hole = np.abs(centres - (left + right) / 2) < 1e-6
            if not hole.any():
                walls.append((left, right, base, base + top))
                continue
            low = base + (0.0 if floor == 0 and int(np.argmax(hole)) == door else sill)
            if low > base:
                walls.append((left, right, base, low))
            panes.append((left, right, low, base + top))
    walls.append((-width / 2, width / 2, -0.3, 0.0))
    wall, pane = np.array(walls), np.array(panes)
    return joined([quads(_upright(wall, 0.0), color), quads(_upright(pane, deep), GLASS),
                   quads(_reveals(pane, deep), color)])  # fmt: skip


def _upright(rectangles: np.ndarray, y: float) -> np.ndarray:
    """(x0, x1, z0, z1) rows as quads in the plane of that y, seen from -y."""
    x0, x1, z0, z1 = rectangles.T
    there = np.full(len(x0), y)
    return np.stack(
        [np.stack(corner, 1) for corner in ((x0, there, z0), (x1, there, z0), (x1, there, z1), (x0, there, z1))], 1
    )


def _reveals(rectangles: np.ndarray, deep: float) -> np.ndarray:
    """The jambs, sills and lintels of openings."""
    outer, inner = _upright(rectangles, 0.0), _upright(rectangles, deep)
    return np.concatenate(
        [np.stack([outer[:, a], outer[:, b], inner[:, b], inner[:, a]], 1) for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))]
    )


def _roof(generator: np.random.Generator, half: float, depth: float, height: float) -> Mesh:
    if generator.random() < 0.5:
        flat = [(-half, 0, height), (half, 0, height), (half, depth, height), (-half, depth, height)]
        return quads(np.array([flat]), (90, 90, 92))
    ridge, eave = height + depth * generator.uniform(0.25, 0.5), 0.35
    front = [(-half, -eave, height), (half, -eave, height), (half, depth / 2, ridge), (-half, depth / 2, ridge)]
    back = [
        (half, depth + eave, height),
        (-half, depth + eave, height),
        (-half, depth / 2, ridge),
        (half, depth / 2, ridge),
    ]
    ends = [[(x, 0, height), (x, depth, height), (x, depth / 2, ridge), (x, depth / 2, ridge)] for x in (-half, half)]
    return quads(np.array([front, back, *ends]), (120, 70, 55))


def lamp_post(generator: np.random.Generator) -> list[Part]:
    """A mast with an arm over the road (towards -y)."""
    height, arm = generator.uniform(5, 9), generator.uniform(0.6, 2.0)
    pieces = [
        tube((0, 0, -0.1), (0, 0, height), (0.09, 0.05), STEEL),
        tube((0, 0, height - 0.1), (0, -arm, height + 0.2), (0.04, 0.04), STEEL),
        box((-0.15, -arm - 0.6, height + 0.15), (0.15, -arm, height + 0.27), (70, 70, 70)),
    ]
    return [("lamp post", "pole", joined(pieces))]


def bare_pole(generator: np.random.Generator) -> list[Part]:
    """A post of a wire, 6 to 9 m, or a bollard, 1 m."""
    if generator.random() < 0.4:
        return [
            ("bollard", "pole", tube((0, 0, -0.1), (0, 0, generator.uniform(0.8, 1.1)), (0.07, 0.06), (60, 60, 60)))
        ]
    return [("pole", "pole", tube((0, 0, -0.1), (0, 0, generator.uniform(6, 9)), (0.14, 0.09), (110, 95, 75)))]


def traffic_sign(generator: np.random.Generator) -> list[Part]:
    """A round, three- or four-cornered sign on a post, facing along -x, where the traffic of its side comes from."""
    height, radius = generator.uniform(2.0, 2.6), generator.uniform(0.28, 0.42)
    sides = (3, 4, 16)[int(generator.integers(3))]
    color = ((200, 40, 40), (40, 70, 170), (235, 235, 235), (240, 200, 40))[int(generator.integers(4))]
    plate = tube((-0.06, 0, height), (-0.09, 0, height), (radius, radius), color, sides)
    post = tube((0, 0, -0.1), (0, 0, height + 0.2), (0.035, 0.035), STEEL)
    return [("traffic sign", "traffic-sign", plate), ("sign post", "pole", post)]


def traffic_light(generator: np.random.Generator) -> list[Part]:
    """A post with three lights, facing along -x; data sets leave the lights' own class out."""
    height = generator.uniform(2.6, 3.4)
    head = box((-0.3, -0.15, height - 0.9), (-0.05, 0.15, height), (35, 35, 35))
    post = tube((0, 0, -0.1), (0, 0, height + 0.1), (0.07, 0.06), STEEL)
    return [("traffic light", "other", head), ("traffic light post", "pole", post)]


def bench(generator: np.random.Generator) -> list[Part]:
    """A bench with a back, facing -y."""
    length = generator.uniform(1.4, 2.0) / 2
    wood = (130, 95, 60)
    pieces = [box((-length, -0.45, 0.4), (length, 0, 0.46), wood), box((-length, 0, 0.5), (length, 0.05, 0.9), wood)]
    pieces += [box((x - 0.04, -0.42, 0), (x + 0.04, 0.05, 0.5), STEEL) for x in (-length * 0.8, length * 0.8)]
    return [("bench", "other", joined(pieces))]


def litter_bin(generator: np.random.Generator) -> list[Part]:
    """A round bin."""
    height = generator.uniform(0.8, 1.1)
    return [("litter bin", "other", tube((0, 0, 0), (0, 0, height), (0.22, 0.27), (60, 75, 65), 12))]
