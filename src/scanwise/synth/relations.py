"""What a sentence says about an object, as a small logical form, and a solver that finds who it fits.

    desk = Noun("desk")
    form = NextTo(Coloured(Noun("chair"), "brown"), desk)
    solve(form, Layout(boxes, supports, floor_plan, vocabulary))  # {instance, ...}

Every form gives two answers (`Extent`): what surely fits, and what a listener could think fits. A form refers when both
are the same one object; it is about nothing when nobody could find anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from scanwise.synth.layout import Extent, Layout, bits, members
from scanwise.synth.lexicon import CLOSE_COLORS

SIDES = ("left", "right", "front", "behind")
_IN_SIGHT = 0.9
"""Radians from the line of sight: what is seen without turning one's head."""
_REACH = 2.5  # metres: farther from the anchor, nobody says "to the left of"


class Form:
    """A description. Forms nest: each narrows the one that it is `of`."""

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        raise NotImplementedError


def solve(form: Form, layout: Layout) -> set[int]:
    """Instances that a listener could take a form to mean."""
    return {layout.boxes[place].instance for place in members(form.extent(layout).possible)}


def meant(form: Form, layout: Layout) -> int:
    """Instance that a form means beyond doubt; -1 where there is none or more than one."""
    place = form.extent(layout).single
    return -1 if place < 0 else layout.boxes[place].instance


def nobody_finds(form: Form, layout: Layout) -> bool:
    """Whether a form is about nothing even for a listener who takes its noun loosely."""
    return not _loosely(form).extent(layout).possible


@dataclass(frozen=True)
class Noun(Form):
    """What goes by a word.

    Attributes:
        word: the noun.
        at_a_pinch: also what one would point to when there is nothing better.
    """

    word: str
    at_a_pinch: bool = False

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        return layout.word(self.word, self.at_a_pinch)


@dataclass(frozen=True)
class Coloured(Form):
    """Of those, the ones with a colour. Things without a clear one, or with one close to it, are in doubt."""

    of: Form
    color: str

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        of = self.of.extent(layout)
        close = (self.color, "", *CLOSE_COLORS[self.color])
        sure = possible = 0
        for place in members(of.possible):
            color = layout.boxes[place].color
            sure |= (color == self.color) << place
            possible |= (color in close) << place
        return Extent(of.sure & sure, possible)


@dataclass(frozen=True)
class Sized(Form):
    """The one of those that exceeds all others, or is exceeded by all.

    Attributes:
        of: those.
        quality: "size", "height" or "width".
        least: it is exceeded by all.
        two: said of a pair ("the smaller chair"), so there must be two.
    """

    of: Form
    quality: str
    least: bool = False
    two: bool = False

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        of = self.of.extent(layout)
        if self.two and (of.sure != of.possible or of.sure.bit_count() != 2):
            return Extent(0, of.possible)
        return _foremost(of, layout.exceeds(self.quality, self.least))


@dataclass(frozen=True)
class NextTo(Form):
    """Those beside any of the anchors, on the same level."""

    of: Form
    anchor: Form

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        return _standing_to(self, layout, layout.next_to)


@dataclass(frozen=True)
class On(Form):
    """Those that rest on any of the anchors.

    Attributes:
        of: those.
        anchor: what they rest on.
        top: on its upper face.
    """

    of: Form
    anchor: Form
    top: bool = False

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        return _standing_to(self, layout, layout.on_top if self.top else layout.on)


@dataclass(frozen=True)
class Under(Form):
    """Those that are below any of the anchors: under a table, below a window."""

    of: Form
    anchor: Form

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        return _standing_to(self, layout, layout.under)


@dataclass(frozen=True)
class Above(Form):
    """Those that hang above any of the anchors."""

    of: Form
    anchor: Form

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        return _standing_to(self, layout, layout.above)


@dataclass(frozen=True)
class Between(Form):
    """Those between two things, of one sort where `first` and `second` are the same form."""

    of: Form
    first: Form
    second: Form

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        of, first, second = (form.extent(layout) for form in (self.of, self.first, self.second))
        found = []
        for one in members(first.possible):
            for other in members(second.possible & ~(1 << one)):
                between, clear = layout.between(one, other), first.sure >> one & second.sure >> other & 1
                found.append(Extent(between.sure * clear, between.possible))
        return _both(of, _any(found))


@dataclass(frozen=True)
class Closest(Form):
    """The one of those that is closest to an anchor, which must be one.

    Attributes:
        of: those.
        anchor: the one thing.
        farthest: the one farthest from it instead.
    """

    of: Form
    anchor: Form
    farthest: bool = False

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        of, anchor = self.of.extent(layout), self.anchor.extent(layout).single
        if anchor < 0:
            return Extent(0, of.possible)
        others = Extent(of.sure & ~(1 << anchor), of.possible & ~(1 << anchor))
        return _foremost(others, layout.closer(anchor, self.farthest))


@dataclass(frozen=True)
class Placed(Form):
    """Those in a part of the room: "corner", "middle", "wall" (against one), "floor" (standing on it)."""

    of: Form
    place: str

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        return _both(self.of.extent(layout), layout.places[self.place])


@dataclass(frozen=True)
class View:
    """A viewpoint that a sentence states.

    Attributes:
        stand: where one stands; None = in the middle of the room.
        look: what one looks at; None = straight into the room, for somebody who comes in through a door.
    """

    stand: Form | None
    look: Form | None

    def axes(self, layout: Layout) -> tuple[np.ndarray, np.ndarray] | None:
        """Where things are in the view; None where the view is not clear.

        Returns:
            (N,) metres to the right of the line of sight and (N,) along it.
        """
        if self not in layout.axes:
            layout.axes[self] = self._find_axes(layout)
        return layout.axes[self]

    def _find_axes(self, layout: Layout) -> tuple[np.ndarray, np.ndarray] | None:
        start = layout.middle
        if self.stand is not None:
            place = self.stand.extent(layout).single
            if place < 0:
                return None
            start = layout.center[place]
        if self.look is None:
            if self.stand is None:
                return None
            way = layout.forward[place] * np.sign(_dot(layout.middle - start, layout.forward[place]))
        else:
            target = self.look.extent(layout).single
            if target < 0:
                return None
            way = layout.center[target] - start
        length = float(np.sqrt((way**2).sum()))
        if length < 0.8:
            return None
        offset, way = layout.center - start, way / length
        ahead = _dot(offset, way)
        right = offset[:, 0] * way[1] - offset[:, 1] * way[0]
        return np.round(right, 4), np.round(ahead, 4)


@dataclass(frozen=True)
class FromView(Form):
    """Those to one of SIDES of an anchor, as seen in a view; "front" is the viewer's side of it."""

    of: Form
    view: View
    side: str
    anchor: Form

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        of, anchor = self.of.extent(layout), self.anchor.extent(layout).single
        axes = self.view.axes(layout)
        if axes is None or anchor < 0:
            return Extent(0, of.possible)
        right, ahead = axes
        across, along = right - right[anchor], ahead - ahead[anchor]
        bearing = np.round(np.arctan2(right, ahead), 4)
        turn = bearing - bearing[anchor]
        if self.side == "left":
            across, turn = -across, -turn
        if self.side == "front":
            along = -along
        seen = (
            (ahead > 0.4) & (ahead[anchor] > 0.4) & (np.maximum(np.abs(bearing), np.abs(bearing[anchor])) < _IN_SIGHT)
        )
        near = (layout.flat_gap[anchor] < _REACH) & (layout.flat_gap[anchor] > 0.02)
        level = (layout.upright_gap[anchor] < 0.05) & layout.level[anchor]
        if self.side in ("left", "right"):
            sure = (across > 0.3) & (across > 1.2 * np.abs(along)) & (turn > 0.1)
            possible = (across > 0.05) | (turn > 0.02)
        else:
            sure = (along > 0.3) & (layout.flat_gap[anchor] < 1.0) & (along > 2 * np.abs(across)) & (np.abs(turn) < 0.2)
            possible = along > 0.05
        sure, possible = bits(sure & seen & near & level), bits(possible)
        return _both(of, Extent(sure & ~(1 << anchor), (possible | sure) & ~(1 << anchor)))


@dataclass(frozen=True)
class Ordered(Form):
    """The `number`-th (from 1) of those from the "left" or "right" in a view, when it is clear which they are."""

    of: Form
    view: View
    side: str
    number: int

    def extent(self, layout: Layout) -> Extent:
        """The objects that fit."""
        of, axes = self.of.extent(layout), self.view.axes(layout)
        if axes is None or of.sure != of.possible or of.sure.bit_count() < max(2, self.number):
            return Extent(0, of.possible)
        right, ahead = (axis[members(of.sure)] for axis in axes)
        order = np.argsort(right)
        turns = np.round(np.arctan2(right, ahead), 4)[order]
        if (
            ahead.min() < 0.4
            or np.abs(turns).max() > _IN_SIGHT
            or np.diff(right[order]).min() < 0.25
            or np.diff(turns).min() < 0.1
        ):
            return Extent(0, of.possible)
        place = int(order[self.number - 1 if self.side == "left" else len(order) - self.number])
        if self.number == 1 and (right[place] if self.side == "right" else -right[place]) < 0.2:
            return Extent(0, of.possible)  # the right one of two, and yet on the viewer's left
        found = 1 << members(of.sure)[place]
        return Extent(found, found)


def _standing_to(form: NextTo | On | Under | Above, layout: Layout, table: list[Extent]) -> Extent:
    anchors = form.anchor.extent(layout)
    found = [
        Extent(table[place].sure * (anchors.sure >> place & 1), table[place].possible)
        for place in members(anchors.possible)
    ]
    return _both(form.of.extent(layout), _any(found))


def _loosely(form: Form) -> Form:
    if isinstance(form, Noun):
        return replace(form, at_a_pinch=True)
    return replace(form, of=_loosely(form.of))  # type: ignore[attr-defined, type-var]


def _both(one: Extent, other: Extent) -> Extent:
    return Extent(one.sure & other.sure, one.possible & other.possible)


def _any(extents: list[Extent]) -> Extent:
    return reduce(
        lambda one, other: Extent(one.sure | other.sure, one.possible | other.possible), extents, Extent(0, 0)
    )


def _foremost(of: Extent, beats: list[int]) -> Extent:
    """The one of those that beats all others; possibly, each that none of them surely beats."""
    beaten = sure = 0
    for place in members(of.sure):
        beaten |= beats[place]
    for place in members(of.possible):
        others = of.possible & ~(1 << place)
        if not others & ~beats[place]:
            sure |= 1 << place & of.sure
    possible = of.possible & ~beaten
    return Extent(sure & possible, possible)


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sum of products over x and y, without BLAS: the same bits everywhere."""
    return one[..., 0] * other[..., 0] + one[..., 1] * other[..., 1]
