"""How things stand to each other, from their boxes: how true each relation of `phrases.RELATIONS` is, 0..1.

Each is a product of soft steps over gaps and middles, so that what is nearly so counts a little; the hard rules that
made rooms are described by (`scanwise.synth.relations`) are the steps' middles. Boxes lie along the axes of the scan.

Shapes: n candidates, m anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PLACE_KINDS = ("corner", "middle", "wall", "floor")
_FAR = 0.35  # metres: half as near as touching
_IN_SIGHT = 1.1  # radians from the line of sight


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes along the axes.

    Attributes:
        low: (n, 3) metres.
        high: (n, 3) metres.
        center: (n, 3) metres, middle of what is in each.
    """

    low: np.ndarray
    high: np.ndarray
    center: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> Boxes:
        return Boxes(self.low[rows], self.high[rows], self.center[rows])

    @property
    def size(self) -> np.ndarray:
        """(n, 3) metres."""
        return self.high - self.low


@dataclass(frozen=True, eq=False)
class Room:
    """The scan as a whole.

    Attributes:
        low: (3,) corner of its box.
        high: (3,) the other one.
        floor: metres.
    """

    low: np.ndarray
    high: np.ndarray
    floor: float


def flat_gap(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) metres between boxes seen from above; 0 where they overlap."""
    apart = np.maximum(one.low[:, None, :2] - other.high[:, :2], other.low[:, :2] - one.high[:, None, :2])
    return np.linalg.norm(np.maximum(apart, 0), axis=2)


def upright_gap(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) metres between boxes along z."""
    return np.maximum(np.maximum(one.low[:, None, 2] - other.high[:, 2], other.low[:, 2] - one.high[:, None, 2]), 0)


def gap(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) metres between boxes."""
    return np.hypot(flat_gap(one, other), upright_gap(one, other))


def overlap(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) share of the smaller footprint that lies in the other."""
    low = np.maximum(one.low[:, None, :2], other.low[:, :2])
    shared = np.maximum(np.minimum(one.high[:, None, :2], other.high[:, :2]) - low, 0).prod(2)
    areas = [np.maximum(boxes.size[:, :2], 0.02).prod(1) for boxes in (one, other)]
    return np.clip(shared / np.minimum(areas[0][:, None], areas[1]), 0, 1)


def near(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) beside, at about the same height."""
    return np.exp(-((flat_gap(one, other) / _FAR) ** 2) / 2) * np.exp(-((upright_gap(one, other) / 0.5) ** 2) / 2)


def on(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) resting on the top of it, or inside it, over its footprint."""
    top = np.abs(one.low[:, None, 2] - other.high[:, 2])
    inside = _step(one.low[:, None, 2] - other.low[:, 2], 0.02, 0.05) * _step(
        other.high[:, 2] - one.low[:, None, 2], 0, 0.05
    )
    smaller = _step(
        np.log(other.size[:, :2].prod(1) + 1e-4) - np.log(one.size[:, :2].prod(1) + 1e-4)[:, None], 0.0, 0.5
    )
    return overlap(one, other) * np.maximum(np.exp(-((top / 0.08) ** 2) / 2), 0.6 * inside) * smaller


def under(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) below it, over or near its footprint."""
    lower = _step(other.high[:, 2] - one.high[:, None, 2], 0.1, 0.08)
    middle = _step(other.center[:, 2] - one.center[:, None, 2], 0.15, 0.1)
    return np.maximum(overlap(one, other), 0.5 * np.exp(-((flat_gap(one, other) / 0.2) ** 2))) * lower * middle


def above(one: Boxes, other: Boxes) -> np.ndarray:
    """(n, m) over it, not touching it."""
    return under(other, one).T


def between(one: Boxes, first: Boxes, second: Boxes) -> np.ndarray:
    """(n, a, b) near the middle of the line from one anchor to another."""
    way = second.center[None, :, :2] - first.center[:, None, :2]
    length = np.maximum(np.linalg.norm(way, axis=2), 1e-6)
    offset = one.center[:, None, None, :2] - first.center[:, None, :2]
    share = (offset * way).sum(3) / length**2
    aside = np.abs(offset[..., 0] * way[..., 1] - offset[..., 1] * way[..., 0]) / length
    inside = _step(share, 0.12, 0.06) * _step(1 - share, 0.12, 0.06)
    return inside * np.exp(-((aside / np.maximum(0.35, 0.2 * length)) ** 2) / 2) * (length > 0.2)


def at_place(boxes: Boxes, place: str, room: Room) -> np.ndarray:
    """(n,) in the "corner" or the "middle" of the room, at a "wall", on the "floor"."""
    to_walls = np.minimum(boxes.low[:, :2] - room.low[:2], room.high[:2] - boxes.high[:, :2])
    to_walls = np.sort(np.maximum(to_walls, 0), axis=1)
    if place == "corner":
        return np.exp(-((to_walls[:, 1] / 0.6) ** 2) / 2)
    if place == "wall":
        return np.exp(-((to_walls[:, 0] / 0.3) ** 2) / 2)
    if place == "floor":
        return np.exp(-((np.maximum(boxes.low[:, 2] - room.floor, 0) / 0.15) ** 2) / 2)
    relative = np.abs(boxes.center[:, :2] - (room.low + room.high)[:2] / 2) / np.maximum(room.high - room.low, 0.1)[:2]
    return np.exp(-((relative.max(1) / 0.2) ** 2) / 2) * _step(to_walls[:, 0], 0.3, 0.15)


def axes_from(boxes: Boxes, stand: np.ndarray, look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where things are in a view: (n,) metres to the right of the line of sight, and (n,) along it.

    Args:
        boxes: n.
        stand: (2,) metres.
        look: (2,) what is looked at.
    """
    way = (look - stand) / max(float(np.linalg.norm(look - stand)), 1e-6)
    offset = boxes.center[:, :2] - stand
    return offset[:, 0] * way[1] - offset[:, 1] * way[0], offset @ way


def beside_in_view(
    kind: str, one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], gaps: np.ndarray
) -> np.ndarray:
    """(n, m) to the "left" or "right" of, in "front" of or "behind" an anchor.

    Args:
        kind: one of these.
        one: metres to the right and along, as of `axes_from`, of the candidates.
        other: likewise of the anchors.
        gaps: (n, m) metres between them, seen from above.
    """
    across, along = one[0][:, None] - other[0], one[1][:, None] - other[1]
    if kind in ("left", "front"):
        across, along = -across, -along
    main, side = (across, np.abs(along)) if kind in ("left", "right") else (along, np.abs(across))
    seen = _step(_IN_SIGHT - np.abs(np.arctan2(one[0], np.maximum(one[1], 1e-3))), 0, 0.15)[:, None]
    return (
        _step(main, 0.15, 0.1)
        * _step(main - 0.8 * side, 0.0, 0.25)
        * np.exp(-((gaps / 2.0) ** 2) / 2)
        * (0.2 + 0.8 * seen)
    )


def _step(values: np.ndarray, middle: float, width: float) -> np.ndarray:
    """0 well below the middle, 1 well above it."""
    return 1 / (1 + np.exp(-np.clip((values - middle) / max(width, 1e-6), -30, 30)))
