"""How the objects of a room stand to each other, with room for doubt: what surely holds, and what one could say holds.

Distances are between boxes. Whatever a person might dispute lies between the two answers of an `Extent`, so a sentence
that has the same single object in both is one that nobody would take for another object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from scanwise.scene import Box
from scanwise.synth import lexicon
from scanwise.synth.classes import NAMES

NEXT, NEAR = 0.6, 1.0
"""Metres between boxes: up to NEXT two things are next to each other; beyond NEAR nobody would say so."""
_STEPS = np.linspace(-1, 1, 6)
_PLACES = ("corner", "middle", "wall", "floor")


class Extent(NamedTuple):
    """Objects as bits of two numbers.

    Attributes:
        sure: those that surely fit.
        possible: those that a listener might think fit.
    """

    sure: int
    possible: int

    @property
    def single(self) -> int:
        """Index of the one object that fits, beyond doubt; -1 where there is none."""
        if self.sure != self.possible or self.sure == 0 or self.sure & (self.sure - 1):
            return -1
        return self.sure.bit_length() - 1


def members(bits: int) -> list[int]:
    """Indices in a set of bits, ascending."""
    found = []
    while bits:
        found.append((bits & -bits).bit_length() - 1)
        bits &= bits - 1
    return found


class Layout:
    """Tables over the boxes of a scene, by index into `boxes`.

    Args:
        boxes: the N objects.
        supports: instance -> instance that it stands or hangs on, -1 = the structure.
        floor_plan: (P, 2) corners of the room, counter-clockwise; None = no places in the room.
        vocabulary: open name -> synonyms.

    Attributes:
        next_to: for each anchor, the things beside it.
        on: for each anchor, the things that rest on it.
        on_top: for each anchor, the things on its upper face.
        under: for each anchor, the things below it.
        above: for each anchor, the things that hang above it.
        places: "corner", "middle", "wall", "floor" -> the things there.
        center: (N, 2) metres.
        bottom: (N,) metres.
        top: (N,) metres.
        middle: (2,) of the room, metres.
        level: (N, N) bool, on the same thing, or both on the structure.
        axes: what `relations.View` found out about each view.
        floor: (N,) bool, on the floor.
        loose: (N,) bool, on the floor and not in a wall.
        hanging: (N,) bool, off the floor.
        opening: (N,) bool, in a wall.
    """

    def __init__(
        self,
        boxes: Sequence[Box],
        supports: Mapping[int, int],
        floor_plan: np.ndarray | None,
        vocabulary: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.boxes = list(boxes)
        self.vocabulary = vocabulary
        strange = {box.name: () for box in boxes if box.name not in vocabulary and box.name not in NAMES}
        self.lexicon = lexicon.lexicon_of({**vocabulary, **strange})
        self._named: dict[str, int] = {}
        for place, box in enumerate(self.boxes):
            self._named[box.name] = self._named.get(box.name, 0) | 1 << place
        self.all = (1 << len(self.boxes)) - 1
        self._words: dict[tuple[str, bool], Extent] = {}
        self.axes: dict[object, tuple[np.ndarray, np.ndarray] | None] = {}
        self._closer: dict[int, tuple[list[int], list[int]]] = {}
        self._between: dict[tuple[int, int], Extent] = {}
        self._measure()
        index = {box.instance: place for place, box in enumerate(self.boxes)}
        self.support = [index.get(supports.get(box.instance, -1), -1) for box in self.boxes]
        self.standing = np.array([supports.get(box.instance, -1) == -1 for box in self.boxes], bool)
        self.floor = self.standing & (self.bottom < 0.15)
        self.opening = np.array([box.name in lexicon.OPENINGS for box in self.boxes], bool)
        self.loose = self.floor & ~self.opening
        self.hanging = self.standing & (self.bottom > 0.5)
        self._relate()
        outline = self.spots.reshape(-1, 2) if floor_plan is None else floor_plan
        self.middle = (outline.min(0) + outline.max(0)) / 2 if len(outline) else np.zeros(2)
        self.places = self._place(floor_plan)

    def word(self, word: str, at_a_pinch: bool = False) -> Extent:
        """What goes by a word.

        Args:
            word: a noun.
            at_a_pinch: for one who would rather take a stool for a chair than find nothing.

        Returns:
            What is surely called so, and what might be.
        """
        key = word, at_a_pinch
        if key not in self._words:
            self._words[key] = self._find_word(word, at_a_pinch)
        return self._words[key]

    def closer(self, anchor: int, farther: bool = False) -> list[int]:
        """For each thing, the others that are clearly farther from the anchor than it is.

        Clearly: by 20 % and 15 cm, box from box and middle from middle.

        Args:
            anchor: its index.
            farther: those clearly closer instead.
        """
        if anchor not in self._closer:
            far = _clearly_less(self.gap[anchor]) & _clearly_less(self.distance[anchor])
            self._closer[anchor] = rows(far), rows(far.T)
        return self._closer[anchor][farther]

    def exceeds(self, quality: str, least: bool = False) -> list[int]:
        """For each thing, the others that it clearly exceeds.

        Args:
            quality: "size", "height" or "width".
            least: those that clearly exceed it instead.
        """
        return self._exceeds[quality][least]

    def between(self, first: int, second: int) -> Extent:
        """What stands between two things."""
        key = min(first, second), max(first, second)
        if key not in self._between:
            self._between[key] = self._find_between(*key)
        return self._between[key]

    def _find_word(self, word: str, at_a_pinch: bool) -> Extent:
        meaning = self.lexicon.meaning(word, at_a_pinch)
        sure, possible, parts = (
            reduce(int.__or__, (self._named.get(name, 0) for name in names), 0) for names in meaning
        )
        if parts:  # a bed has pillows of its own: nobody knows which one is meant
            return Extent(0, sure | possible | parts)
        return Extent(sure, possible)

    def _measure(self) -> None:
        boxes = self.boxes
        rounded = np.round([[*box.center, *box.size] for box in boxes], 4).reshape(-1, 6)
        self.center, self.size = rounded[:, :2], rounded[:, 3:]
        self.bottom, self.top = rounded[:, 2] - rounded[:, 5] / 2, rounded[:, 2] + rounded[:, 5] / 2
        heading = np.array([box.heading for box in boxes])
        self.forward = np.round(np.column_stack([np.cos(heading), np.sin(heading)]), 6).reshape(-1, 2)
        half = self.size[:, :2] / 2
        grid = np.stack(np.meshgrid(_STEPS, _STEPS, indexing="ij"), -1).reshape(-1, 2)
        spots = half[:, None] * grid
        self.spots = self.center[:, None] + _turned(spots, self.forward[:, None], 1)  # (N, 36, 2) of each footprint
        local = np.abs(_turned(self.spots[:, None] - self.center[:, None], self.forward[:, None], -1))
        beyond = local - half[:, None]
        self.within = (beyond <= 1e-6).all(3).mean(2)  # [i, j] share of i's footprint that is inside j's
        self.within_wide = [(beyond <= slack).all(3).mean(2) for slack in (0.2, 0.5)]
        outside = np.maximum(beyond, 0)
        flat = np.sqrt((outside**2).sum(3)).min(2)
        self.flat_gap = np.round(np.minimum(flat, flat.T), 4)
        bottoms = self.bottom[:, None] - self.top
        self.upright_gap = np.maximum(np.maximum(bottoms, bottoms.T), 0)
        self.gap = np.round(np.sqrt(self.flat_gap**2 + self.upright_gap**2), 4)
        apart = rounded[:, None, :3] - rounded[:, :3]
        self.distance = np.round(np.sqrt((apart**2).sum(2)), 4)
        volume, height, width = self.size.prod(1), self.size[:, 2], self.size[:, :2].max(1)
        face = np.sort(self.size, axis=1)[:, 1:].prod(1)
        exceeds = {
            "size": _exceeds(volume, 1.4, 0) & _exceeds(face, 1.2, 0),
            "height": _exceeds(height, 1.2, 0.04),
            "width": _exceeds(width, 1.2, 0.04),
        }
        self._exceeds = {quality: (rows(table), rows(table.T)) for quality, table in exceeds.items()}

    def _relate(self) -> None:
        count = len(self.boxes)
        names = [box.name for box in self.boxes]
        other = ~np.eye(count, dtype=bool)
        overlap = np.maximum(self.within, self.within.T)
        carried = np.zeros((count, count), bool)
        rests = np.zeros((count, count), bool)
        for thing, support in enumerate(self.support):
            if support >= 0:
                rests[thing, support] = True
            seen = {thing}
            while support >= 0 and support not in seen:
                carried[thing, support] = True
                seen.add(support)
                support = self.support[support]
        at_top = self.bottom[:, None] > self.top - 0.12
        open_sided = np.array([name not in lexicon.ENCLOSED for name in names], bool)
        upper = self.bottom[:, None] > self.bottom + 0.05
        on = rests & upper & (open_sided | at_top)
        touching = (overlap > 0.15) & (np.abs(self.bottom[:, None] - self.top) < 0.12)
        maybe_on = (carried | touching) & other
        self.on = extents(on, maybe_on)
        self.on_top = extents(on & (np.abs(self.bottom[:, None] - self.top) < 0.06), maybe_on)

        hollow = np.array([name in lexicon.HOLLOW for name in names], bool)
        low = self.top[:, None]
        below = (low < self.top - 0.1) & hollow & self.floor[:, None] & self.floor
        hung = (low < self.bottom + 0.05) & self.hanging & (self.bottom - low < 1.2)
        wide = np.maximum(self.within_wide[0], self.within_wide[0].T)
        widest = np.maximum(self.within_wide[1], self.within_wide[1].T)
        under = ((overlap > 0.6) & below | (wide > 0.7) & hung) & ~carried & ~carried.T
        middle = (self.bottom + self.top) / 2
        maybe_under = (widest > 0.1) & (middle[:, None] < self.top) & other & ~carried
        self.under = extents(under, maybe_under)

        over = hung.T & (self.within_wide[0] > 0.7) & (self.top > 0.2) & ~carried
        maybe_over = (widest > 0.1) & (middle[:, None] > middle) & other
        self.above = extents(over, maybe_over)

        flat = (self.size[:, 2] < 0.12) & self.floor
        inside = overlap > np.where(flat[:, None] | flat, 0.0, 0.4)
        supports = np.array(self.support)
        self.level = (supports[:, None] == supports) & (self.standing[:, None] == self.standing)
        opening = self.opening
        overhead = np.array([name in NAMES and NAMES[name].support == ("ceiling",) for name in names], bool)
        meets = ((self.upright_gap <= 0) & ~overhead & ~overhead[:, None]) | (opening & self.floor[:, None])
        across = np.maximum(self.size[:, :2].max(1)[:, None], self.size[:, :2].max(1))
        close = self.flat_gap < np.minimum(NEXT, 0.25 + 0.5 * across)
        aside = close & meets & self.level & ~inside & ~carried & ~carried.T & ~under & ~under.T & other
        near = (self.flat_gap < NEAR) & ((self.upright_gap < 1.0) | opening) & other
        self.next_to = extents(aside, near)

    def _place(self, plan: np.ndarray | None) -> dict[str, Extent]:
        """Where things are in the room; without its plan, nothing is sure but what stands on the floor."""
        on_floor = Extent(bits(self.loose), bits(self.bottom < 0.4))
        if plan is None or not self.boxes:
            return {place: Extent(0, self.all) for place in _PLACES} | {"floor": on_floor}
        start, along = plan, np.roll(plan, -1, 0) - plan
        spots = self.spots[:, :, None] - start
        share = np.clip((spots * along).sum(3) / (along**2).sum(1), 0, 1)
        to_wall = np.sqrt(((spots - share[..., None] * along) ** 2).sum(3)).min((1, 2))
        before = np.roll(along, 1, 0)
        convex = plan[before[:, 0] * along[:, 1] - before[:, 1] * along[:, 0] > 0]
        to_corner = np.sqrt(((self.spots[:, :, None] - convex) ** 2).sum(3)).min((1, 2))
        small = self.size[:, :2].max(1) < 2.5
        relative = np.abs(self.center - self.middle) / np.maximum(np.ptp(plan, axis=0), 0.1)
        whole = len(plan) == 4
        central = (relative < 0.17).all(1) & (to_wall > 0.8) & self.loose & whole
        maybe_central = (relative < 0.32).all(1) & (to_wall > 0.3) if whole else to_wall > 0.3
        return {
            "corner": Extent(bits((to_corner < 0.4) & self.loose & small), bits(to_corner < 1.1)),
            "middle": Extent(bits(central), bits(maybe_central)),
            "wall": Extent(bits((to_wall < 0.12) & self.loose & (self.size[:, 2] > 0.15)), bits(to_wall < 0.5)),
            "floor": on_floor,
        }

    def _find_between(self, first: int, second: int) -> Extent:
        start, way = self.center[first], self.center[second] - self.center[first]
        length = float(np.sqrt((way**2).sum()))
        if length < 0.2:
            return Extent(0, self.all)
        offset = self.center - start
        share = (offset[:, 0] * way[0] + offset[:, 1] * way[1]) / length**2
        aside = np.abs(offset[:, 0] * way[1] - offset[:, 1] * way[0]) / length
        apart = (self.within[:, [first, second]].max(1) < 0.1) & (self.within[[first, second]].max(0) < 0.1)
        level = (self.upright_gap[:, [first, second]] < 0.1).all(1) & self.level[:, [first, second]].all(1)
        level &= self.size[:, :2].max(1) < 0.6 * length
        sure = (share > 0.25) & (share < 0.75) & (aside < min(0.3, 0.2 * length)) & apart & level & (length < 4)
        possible = (share > 0) & (share < 1) & (aside < max(0.7, 0.4 * length))
        ends = 1 << first | 1 << second
        return Extent(bits(sure) & ~ends, bits(possible | sure) & ~ends)


def bits(flags: np.ndarray) -> int:
    """(N,) bool as a number."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def rows(matrix: np.ndarray) -> list[int]:
    """(N, N) bool as a number a row."""
    packed = np.packbits(matrix, axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def extents(sure: np.ndarray, possible: np.ndarray) -> list[Extent]:
    """Columns of two (N, N) bool: for each anchor, the things that stand so to it."""
    return [Extent(*pair) for pair in zip(rows(sure.T), rows((sure | possible).T), strict=True)]


def _clearly_less(values: np.ndarray) -> np.ndarray:
    """[i, j]: value i is less than value j by 20 % and 0.15."""
    return (values[:, None] < 0.8 * values) & (values[:, None] < values - 0.15)


def _exceeds(values: np.ndarray, ratio: float, least: float) -> np.ndarray:
    return (values[:, None] > ratio * values) & (values[:, None] > values + least)


def _turned(points: np.ndarray, forward: np.ndarray, way: int) -> np.ndarray:
    """Points from a box's own frame to the scene's (1), or back (-1)."""
    x, y, cosine, sine = points[..., 0], points[..., 1], forward[..., 0], way * forward[..., 1]
    if points.ndim == 4:
        cosine, sine = cosine[None], sine[None]
    return np.stack([x * cosine - y * sine, x * sine + y * cosine], -1)
