"""Ways to describe an object of a scene: forms that the solver finds to fit it alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scanwise.synth import lexicon
from scanwise.synth.layout import Layout, members
from scanwise.synth.phrases import ORDINALS, pick
from scanwise.synth.relations import (
    Above,
    Between,
    Closest,
    Coloured,
    Form,
    FromView,
    NextTo,
    Noun,
    On,
    Ordered,
    Placed,
    Sized,
    Under,
    View,
    meant,
)  # fmt: skip

KINDS = {
    "plain": 2.0, "coloured": 2.0, "sized": 2.0, "next": 3.0, "on": 2.0, "under": 2.5, "above": 2.0, "between": 3.0,
    "closest": 1.5, "farthest": 0.8, "place": 2.0, "side": 4.0, "ordered": 4.0,
}  # fmt: skip
_FILTERS = ("next", "on", "under", "above", "place")
_HAVE_FRONT = lexicon.names_in(
    "sofa,corner sofa,armchair,chair,office chair,lounge chair,bed,television,wall-mounted television,desk,monitor,"
    "wardrobe,cabinet,bookshelf,refrigerator,toilet,washbasin,stove,oven,piano,fireplace,TV stand"
)
"""What has a front of its own, so that "in front of it" can be read in two ways."""
_VIEWS = 10
_MOST_ORDERED = len(ORDINALS)


class Describer:
    """Proposes forms for the objects of a layout; the generator decides which.

    Args:
        layout: of the scene.
        poses: (4, 4) cameras to world, of which some become stated viewpoints.
        generator: of random numbers.
    """

    def __init__(self, layout: Layout, poses: Sequence[np.ndarray], generator: np.random.Generator) -> None:
        self.layout = layout
        self.generator = generator
        self.words = [lexicon.words_for(box.name, layout.lexicon.synonyms[box.name]) for box in layout.boxes]
        self._anchors: dict[int, list[Form]] = {}
        self._kinds: dict[int, tuple[list[str], np.ndarray]] = {}
        self.views = self._stated_views(poses)
        volume = layout.size.prod(1)
        self.landmarks = [
            place
            for place in range(len(layout.boxes))
            if (volume[place] > 0.08 or layout.boxes[place].name in lexicon.OPENINGS) and self.anchors(place)
        ]

    def describe(self, target: int) -> tuple[str, Form] | None:
        """A kind of KINDS and a form of it that fits the target alone; None where this try found none."""
        kinds, weights = self._possible_kinds(target)
        kind = kinds[int(np.searchsorted(weights, self.generator.random() * weights[-1]))]
        form = self.form(kind, target)
        if form is None:
            return None
        return (kind, form) if meant(form, self.layout) == self.layout.boxes[target].instance else None

    def form(self, kind: str, target: int) -> Form | None:
        """A form of this kind that fits the target, perhaps among others."""
        if kind == "plain":
            return Noun(self.word(target))
        if kind == "coloured":
            return self._base(target, colored=True)
        if kind in _FILTERS:
            return self._filtered(kind, target)
        if kind == "between":
            return self._between(target)
        if kind == "sized":
            return self._sized(target)
        if kind in ("closest", "farthest"):
            return self._closest(target, farthest=kind == "farthest")
        form: Form | None
        for _ in range(4):
            form = self.seen(target) if kind == "side" else self._ordered(target)
            if form is not None and form.extent(self.layout).single == target:
                return form
        return None

    def word(self, target: int) -> str:
        """A word for the thing: its own name more often than not, else a synonym."""
        words = self.words[target]
        return words[0] if self.generator.random() < 0.55 else pick(words, self.generator)

    def anchors(self, place: int) -> list[Form]:
        """Short forms that mean this thing alone."""
        if place not in self._anchors:
            self._anchors[place] = self._short_forms(place)
        return self._anchors[place]

    def _short_forms(self, place: int) -> list[Form]:
        box = self.layout.boxes[place]
        nouns = [Noun(word) for word in self.words[place]]
        forms: list[Form] = [form for form in nouns if form.extent(self.layout).single == place]
        if box.color and len(forms) < 2:
            colored = [Coloured(noun, box.color) for noun in nouns[:2]]
            forms += [form for form in colored if form.extent(self.layout).single == place]
        if not forms and lexicon.is_countable(nouns[0].word) and nouns[0].extent(self.layout).sure.bit_count() > 1:
            sized = [Sized(noun, "size", least) for noun in nouns[:1] for least in (False, True)]
            forms += [form for form in sized if form.extent(self.layout).single == place]
        return forms

    def _possible_kinds(self, target: int) -> tuple[list[str], np.ndarray]:
        if target not in self._kinds:
            layout, bit = self.layout, 1 << target
            alike = [Noun(word).extent(layout).sure.bit_count() for word in self.words[target]]
            unlikely = set()
            if max(alike) < 2:
                unlikely |= {"sized", "closest", "farthest", "ordered"}
            if not lexicon.is_countable(self.words[target][0]):
                unlikely |= {"sized", "ordered"}
            if not layout.boxes[target].color:
                unlikely.add("coloured")
            if not self.views:
                unlikely |= {"side", "ordered"}
            tables = {"next": layout.next_to, "on": layout.on, "under": layout.under, "above": layout.above}
            unlikely |= {kind for kind, table in tables.items() if not any(extent.sure & bit for extent in table)}
            if not any(extent.sure & bit for extent in layout.places.values()):
                unlikely.add("place")
            if all(Noun(word).extent(layout).single < 0 for word in self.words[target]):
                unlikely.add("plain")
            kinds = [kind for kind in KINDS if kind not in unlikely]
            self._kinds[target] = kinds, np.cumsum([KINDS[kind] for kind in kinds])
        return self._kinds[target]

    def _base(self, target: int, colored: bool) -> Form:
        noun, color = Noun(self.word(target)), self.layout.boxes[target].color
        return Coloured(noun, color) if colored and color else noun

    def _filtered(self, kind: str, target: int) -> Form | None:
        form = self.narrowed(self._base(target, self.generator.random() < 0.35), kind, target)
        if form is None:
            return None
        if self.generator.random() < 0.15:
            second = pick(_FILTERS, self.generator)
            return (second != kind and self.narrowed(form, second, target)) or form
        return form

    def narrowed(self, of: Form, kind: str, target: int) -> Form | None:
        """`of` with something more that is true of the target: "next", "on", "under", "above" or "place"."""
        layout, bit = self.layout, 1 << target
        if kind == "place":
            places = [place for place, extent in layout.places.items() if extent.sure & bit]
            if not lexicon.may_be_on_floor(layout.boxes[target].name):
                places = [place for place in places if place != "floor"]
            return Placed(of, pick(places, self.generator)) if places else None
        table = {"next": layout.next_to, "on": layout.on, "under": layout.under, "above": layout.above}[kind]
        anchors = [place for place, extent in enumerate(table) if extent.sure & bit]
        if kind == "next":
            anchors = [place for place in anchors if self._notable(target)[place]]
        else:
            anchors = [place for place in anchors if layout.boxes[place].name != layout.boxes[target].name]
        anchor = self.anchor(anchors)
        if anchor is None:
            return None
        if kind == "on":
            place = anchor.extent(layout).single
            top = place >= 0 and bool(layout.on_top[place].sure & bit) and self.generator.random() < 0.6
            return On(of, anchor, top)
        return {"next": NextTo, "under": Under, "above": Above}[kind](of, anchor)

    def _notable(self, target: int) -> np.ndarray:
        """(N,) bool: things large enough to say by them where the target is; nobody finds a door by a mug."""
        longest = self.layout.size.max(1)
        return longest > 0.35 * longest[target]

    def anchor(self, places: Sequence[int]) -> Form | None:
        """A form for one of these things: for it alone, if there is one, or for its sort ("a chair")."""
        if not places:
            return None
        place = pick(places, self.generator)
        forms = self.anchors(place)
        if forms:
            return forms[0] if self.generator.random() < 0.5 else pick(forms, self.generator)
        word = self.words[place][0]
        return Noun(word) if Noun(word).extent(self.layout).sure else None

    def _between(self, target: int) -> Form | None:
        layout = self.layout
        near = np.flatnonzero((layout.flat_gap[target] < 2.5) & (layout.upright_gap[target] < 0.1)).tolist()
        near = [place for place in near if place != target]
        for _ in range(8 if len(near) > 1 else 0):
            one, other = pick(near, self.generator), pick(near, self.generator)
            if one == other or not layout.between(one, other).sure >> target & 1:
                continue
            of = self._base(target, self.generator.random() < 0.35)
            word = self.words[one][0]
            if word == self.words[other][0]:
                return Between(of, Noun(word), Noun(word)) if lexicon.is_countable(word) else None
            first, second = self.anchors(one), self.anchors(other)
            if first and second:
                return Between(of, first[0], second[0])
        return None

    def _sized(self, target: int) -> Form | None:
        of = self._base(target, self.generator.random() < 0.2)
        if of.extent(self.layout).sure.bit_count() < 2:
            return None
        ways = [(quality, least) for quality in ("size", "size", "height", "width") for least in (False, True)]
        start = int(self.generator.integers(len(ways)))
        for quality, least in ways[start:] + ways[:start]:
            if quality == "height" and not self.layout.floor[target]:
                continue  # the highest picture may be the one that hangs highest
            form = Sized(of, quality, least)
            if form.extent(self.layout).single == target:
                pair = Sized(of, quality, least, two=True)
                return pair if pair.extent(self.layout).single == target and self.generator.random() < 0.6 else form
        return None

    def _closest(self, target: int, farthest: bool) -> Form | None:
        of = self._base(target, self.generator.random() < 0.25)
        alike = of.extent(self.layout)
        if alike.sure.bit_count() < 2:
            return None
        for _ in range(4 if self.landmarks else 0):
            place = pick(self.landmarks, self.generator)
            if alike.possible >> place & 1:
                continue
            form = Closest(of, pick(self.anchors(place), self.generator), farthest)
            if form.extent(self.layout).single == target:
                return form
        return None

    def seen(self, target: int) -> FromView | None:
        """To one side of something near, from a stated viewpoint."""
        layout = self.layout
        view = pick(self.views, self.generator)
        near = (layout.flat_gap[target] < 2.0) & (layout.upright_gap[target] < 0.05)
        near &= layout.level[target] & (layout.bottom < 1.8) & self._notable(target)
        places = [place for place in np.flatnonzero(near).tolist() if place != target and self.anchors(place)]
        axes = view.axes(layout)
        if not places or axes is None:
            return None
        looked = -1 if view.look is None else view.look.extent(layout).single
        place = looked if looked in places and self.generator.random() < 0.5 else pick(places, self.generator)
        across, along = (float(axis[target] - axis[place]) for axis in axes)
        if abs(across) > abs(along):
            side = "right" if across > 0 else "left"
        elif layout.boxes[place].name in _HAVE_FRONT or (along > 0 and layout.opening[place]):
            return None  # behind a door is the next room
        elif layout.hanging[target] or layout.opening[target] or (layout.hanging[place] and not layout.opening[place]):
            return None
        else:
            side = "behind" if along > 0 else "front"
        of = self._base(target, self.generator.random() < 0.3)
        if self.is_part_of(view, of):
            return None
        anchor = view.look if place == looked and view.look is not None else self.anchors(place)[0]
        return FromView(of, view, side, anchor)

    def is_part_of(self, view: View, of: Form) -> bool:
        """Whether what is meant might be what the viewer stands at or looks at."""
        possible = of.extent(self.layout).possible
        return any(form is not None and possible & form.extent(self.layout).sure for form in (view.stand, view.look))

    def _ordered(self, target: int) -> Form | None:
        of = self._base(target, self.generator.random() < 0.2)
        extent = of.extent(self.layout)
        count = extent.sure.bit_count()
        if extent.sure != extent.possible or not 2 <= count <= _MOST_ORDERED:
            return None
        view, first = pick(self.views, self.generator), "left" if self.generator.random() < 0.5 else "right"
        axes = view.axes(self.layout)
        if axes is None or self.is_part_of(view, of):
            return None
        right = axes[0] if first == "left" else -axes[0]
        number = sum(bool(right[place] <= right[target]) for place in members(extent.sure))
        if number > (count + 1) // 2:
            first, number = "right" if first == "left" else "left", count + 1 - number
        return Ordered(of, view, first, number)

    def _stated_views(self, poses: Sequence[np.ndarray]) -> list[View]:
        """Viewpoints that have words: those of some of the poses, and from doors into the room."""
        layout = self.layout
        if not layout.boxes:
            return []
        doors = [place for place, box in enumerate(layout.boxes) if box.name in ("door", "double door")]
        views = [View(self.anchors(place)[0], None) for place in doors if self.anchors(place)]
        volume = layout.size.prod(1)
        large = [place for place in np.argsort(-volume).tolist() if volume[place] > 0.05 or place in doors]
        large = [place for place in large if self.anchors(place) and layout.bottom[place] < 1.2]
        for pose in list(poses)[:: max(1, len(poses) // _VIEWS)]:
            view = self._view_of(np.asarray(pose, float), large)
            if view is not None and view not in views:
                views.append(view)
        return views

    def _view_of(self, pose: np.ndarray, large: list[int]) -> View | None:
        """What one would say about where a camera is and what it looks at, if that is near the truth."""
        layout = self.layout
        spot, way = pose[:2, 3], pose[:2, 2]
        length = float(np.sqrt((way**2).sum()))
        if length < 0.3 or len(large) < 2:
            return None
        to_middle = float(np.sqrt(((layout.middle - spot) ** 2).sum()))
        apart = np.sqrt(((layout.spots[large] - spot) ** 2).sum(2)).min(1)
        nearest = large[int(apart.argmin())]
        stand = None
        start = layout.middle
        if to_middle > 0.8:
            if apart.min() > 1.2:
                return None
            stand, start = self.anchors(nearest)[0], layout.center[nearest]
        offset = layout.center[large] - start
        distance = np.sqrt((offset**2).sum(1))
        ahead = (offset[:, 0] * way[0] + offset[:, 1] * way[1]) / length
        fit = np.where(distance > 1.0, ahead / np.maximum(distance, 0.1), -1)
        best = int(np.round(fit, 3).argmax())
        if fit[best] < 0.9 or (stand is not None and large[best] == nearest):
            return None
        return View(stand, self.anchors(large[best])[0])
