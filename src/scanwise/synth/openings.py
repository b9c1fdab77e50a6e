"""Doors, windows and plain openings: where they are in the walls, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scanwise.synth.appearance import Material, any_color, wood_color
from scanwise.synth.mesh import Mesh, box, joined, rectangle
from scanwise.synth.shell import Opening, Wall, panel

DOORS = {"corridor": (3, 6), "bathroom": (1, 1), "bedroom": (1, 2), "kitchen": (1, 2)}
WINDOWS = {"corridor": (0, 1), "bathroom": (0, 1), "kitchen": (1, 2)}
MARGIN = 0.12
"""Metres of wall that stay beside an opening."""
SKIRTING = (0.08, 0.012)
"""Height and thickness of a skirting board."""
Color = tuple[int, int, int]


def with_openings(walls: list[Wall], kind: str, height: float, generator: np.random.Generator) -> list[Wall]:
    """The walls with doors (at least one), windows in one or two of them, and now and then a plain opening."""
    result = list(walls)
    doors = int(generator.integers(*np.add(DOORS.get(kind, (1, 2)), (0, 1))))
    windows = int(generator.integers(*np.add(WINDOWS.get(kind, (1, 3)), (0, 1))))
    order = generator.permutation(len(walls))
    for _ in range(windows):
        index = int(generator.choice(order[:2]))
        result[index] = _cut(result[index], _window(kind, height, result[index].length, generator), generator)
    for number in range(doors):
        index = int(generator.choice(order if kind == "corridor" else order[1:]))
        plain = generator.random() < 0.25 and kind not in ("bathroom", "bedroom")
        result[index] = _cut(result[index], _door(plain, kind, height, generator), generator)
        if number == doors - 1 and not any(opening.what != "window" for wall in result for opening in wall.openings):
            result = _forced_door(result, kind, height, generator)
    return result


def _forced_door(walls: list[Wall], kind: str, height: float, generator: np.random.Generator) -> list[Wall]:
    """No drawn place was free: a door in the longest wall that has no window, or in place of its windows."""
    free = [place for place, wall in enumerate(walls) if not wall.openings] or list(range(len(walls)))
    index = max(free, key=lambda place: walls[place].length)
    walls[index] = _cut(replace(walls[index], openings=()), _door(False, kind, height, generator), generator)
    return walls


def _door(plain: bool, kind: str, height: float, generator: np.random.Generator) -> Opening:
    wide = plain or kind in ("office", "living room")
    width = float(generator.uniform(0.75, 1.3 if wide and generator.random() < 0.3 else 0.95))
    top = float(min(generator.uniform(1.98, 2.12), height - 0.15))
    return Opening("opening" if plain else "door", 0.0, width, 0.0, top)


def _window(kind: str, height: float, room: float, generator: np.random.Generator) -> Opening:
    top = float(min(generator.uniform(2.0, 2.3), height - 0.12))
    sill = {"kitchen": (1.08, 1.2), "bathroom": (1.2, 1.6)}.get(kind, (0.75, 1.05))
    bottom = 0.02 if kind in ("living room", "bedroom") and generator.random() < 0.2 else generator.uniform(*sill)
    width = min(generator.uniform(0.5, 0.9) if kind == "bathroom" else generator.uniform(0.8, 2.2), room - 0.6)
    return Opening("window", 0.0, float(width), float(bottom), top)


def _cut(wall: Wall, opening: Opening, generator: np.random.Generator) -> Wall:
    """The wall with the opening at a random free place along it; as it was where there is none."""
    width = opening.width
    if width < 0.4 or wall.length < width + 2 * MARGIN:
        return wall
    for _ in range(12):
        left = float(generator.uniform(MARGIN, wall.length - MARGIN - width))
        if all(left > other.right + MARGIN or left + width < other.left - MARGIN for other in wall.openings):
            placed = replace(opening, left=left, right=left + width)
            return replace(wall, openings=tuple(sorted((*wall.openings, placed), key=lambda other: other.left)))
    return wall


def outward(wall: Wall, opening: Opening, thickness: float) -> tuple[np.ndarray, float]:
    """(x, y) in the middle of the hole, half the wall's thickness deep, and the angle into the room."""
    return wall.at((opening.left + opening.right) / 2, -thickness / 2), wall.facing


# Meshes stand on z = 0 of the opening's bottom, front towards -y, the wall's inner face at y = -thickness / 2.


def door_mesh(width: float, height: float, thickness: float, trim: Color, generator: np.random.Generator) -> Mesh:
    """A closed leaf with panels or a pane, a frame around it, and a handle."""
    leaf = trim if generator.random() < 0.4 else wood_color(generator) if generator.random() < 0.7 else None
    color = leaf or any_color(generator)
    face = -thickness / 2 + float(generator.uniform(0.01, 0.05))
    frame, half = 0.05, width / 2
    parts = _frame(width, height, frame, -thickness / 2 - 0.015, thickness / 2, trim, closed_below=False)
    parts.append(box((-half + frame, face, 0.0), (half - frame, face + 0.04, height - frame), color))
    darker = tuple(int(value * 0.82) for value in color)
    rows = int(generator.integers(0, 4))
    inner = half - frame - 0.12
    for row in range(rows):
        low = 0.12 + row * (height - 0.2) / rows
        high = low + (height - 0.2) / rows - 0.1
        glass = row == rows - 1 and generator.random() < 0.25
        tone = (205, 220, 222) if glass else darker
        parts.append(rectangle((-inner, face - 0.002, low), (2 * inner, 0, 0), (0, 0, high - low), color=tone))
    side = -1 if generator.random() < 0.5 else 1
    x = side * (half - frame - 0.07)
    metal = (150, 150, 150) if generator.random() < 0.7 else (170, 140, 70)
    parts.append(box((x - 0.02, face - 0.012, 0.93), (x + 0.02, face, 1.12), metal))
    lever = sorted((x, x - side * 0.11))
    parts.append(box((lever[0], face - 0.05, 1.03), (lever[1], face - 0.035, 1.05), metal))
    parts.append(box((x - 0.01, face - 0.05, 1.03), (x + 0.01, face, 1.05), metal))
    return joined(parts)


def window_mesh(
    width: float, height: float, thickness: float, trim: Color, generator: np.random.Generator, *, frosted: bool
) -> Mesh:
    """A frame with bars and a sill; panes that one looks through, or that are bright themselves."""
    half, frame, bar = width / 2, float(generator.uniform(0.045, 0.07)), 0.035
    front, back = thickness * 0.1, thickness * 0.1 + 0.06
    parts = _frame(width, height, frame, front, back, trim, closed_below=True)
    columns = max(1, round(width / generator.uniform(0.5, 0.9)))
    rows = 1 if generator.random() < 0.7 else 2
    for column in range(1, columns):
        x = -half + width * column / columns
        parts.append(box((x - bar, front, frame), (x + bar, back, height - frame), trim))
    for row in range(1, rows):
        z = height * row / rows
        parts.append(box((-half + frame, front, z - bar / 2), (half - frame, back, z + bar / 2), trim))
    if height < 1.8:
        parts.append(box((-half - 0.04, -thickness / 2 - 0.06, -0.03), (half + 0.04, front, 0.003), trim))
    if frosted or generator.random() < 0.5:
        size = (2 * half - 2 * frame, 0, 0), (0, 0, height - 2 * frame)
        view = np.full((8, 8, 3), 245, np.uint8) if frosted else outdoors(generator)
        parts.append(rectangle((-half + frame, front + 0.03, frame), *size, color=(240, 245, 250), texture=view))
    return joined(parts)


def outdoors(generator: np.random.Generator) -> np.ndarray:
    """A blurred view out of a window, uint8 (32, 32, 3): sky, houses, green; overexposed as a phone has it."""
    picture = np.empty((32, 32, 3), np.float32)
    picture[:] = np.linspace(1, 0.8, 32)[:, None, None] * [225, 238, 255]
    horizon = int(generator.integers(14, 26))
    for left in range(0, 32, 4):
        top = horizon - int(generator.integers(0, 8))
        picture[top:, left : left + 4] = generator.uniform(110, 200, 3) * [1, 1.03, 0.95]
    picture[horizon:] = [150, 180, 130]
    return np.clip(picture * 0.5 + 120, 0, 255).astype(np.uint8)


def _frame(
    width: float, height: float, bar: float, front: float, back: float, color: Color, *, closed_below: bool
) -> list[Mesh]:
    half = width / 2
    parts = [
        box((-half, front, 0), (-half + bar, back, height), color),
        box((half - bar, front, 0), (half, back, height), color),
        box((-half + bar, front, height - bar), (half - bar, back, height), color),
    ]
    if closed_below:
        parts.append(box((-half + bar, front, 0), (half - bar, back, bar), color))
    return parts


def skirting(wall: Wall, color: Color) -> list[Mesh]:
    """Boards along the foot of a wall, between its doors."""
    height, depth = SKIRTING
    stops = [(opening.left, opening.right) for opening in wall.openings if opening.bottom < height]
    left, spans = 0.0, []
    for start, end in [*stops, (wall.length, wall.length)]:
        spans.append((left, start))
        left = end
    parts = []
    for start, end in spans:
        if end - start < 0.02:
            continue
        along, up, deep = (*((end - start) * wall.along), 0.0), (0.0, 0.0, height), (*(depth * wall.inward), 0.0)
        parts.append(rectangle((*wall.at(end, depth), 0), tuple(-np.array(along)), up, color=color))
        parts.append(rectangle((*wall.at(start), height), along, deep, color=color))
    return parts


def room_beyond(
    wall: Wall, opening: Opening, thickness: float, height: float, floor: Material, paint: Material, depth: float
) -> tuple[Mesh, Mesh]:
    """What one sees through a plain opening: the floor, and the walls, of a small space behind it."""
    side = 0.5
    near = [wall.at(opening.left - side, -thickness), wall.at(opening.right + side, -thickness)]
    far = [wall.at(opening.left - side, -thickness - depth), wall.at(opening.right + side, -thickness - depth)]
    walls = [Wall(_point(near[0]), _point(far[0])), Wall(_point(far[0]), _point(far[1]))]
    walls.append(Wall(_point(far[1]), _point(near[1])))
    sides = joined([panel(stretch, 0.0, stretch.length, 0.0, height, paint) for stretch in walls])
    start, across = wall.at(opening.left - side, -thickness - depth), (opening.width + 2 * side) * wall.along
    ground = _ground(start, across, (depth + thickness) * wall.inward, 0.0, floor)
    return ground, sides


def _ground(start: np.ndarray, across: np.ndarray, deep: np.ndarray, z: float, material: Material) -> Mesh:
    lengths = np.linalg.norm(across) / material.tile, np.linalg.norm(deep) / material.tile
    vectors: Sequence[Sequence[float]] = ((*start, z), (*across, 0.0), (*deep, 0.0))
    return rectangle(*vectors, color=material.color, texture=material.texture, repeat=lengths)  # type: ignore[arg-type]


def _point(place: np.ndarray) -> tuple[float, float]:
    return float(place[0]), float(place[1])
