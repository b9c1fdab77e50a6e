"""What speaks for each candidate: its noun, colours, size, place among others, LESS's mask; numbers for a ranker.

Shapes: C candidates, D features of a 2D model, S classes of a 3D network, F numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import torch

from scanwise.synth.colours import COLOR_WORDS
from scanwise.synth.lexicon import CLOSE_COLORS
from scanwise.understand.choosing.candidates import Candidates
from scanwise.understand.choosing.phrases import Phrase, Relation, View
from scanwise.understand.choosing.relations import (
    PLACE_KINDS,
    Boxes,
    Room,
    above,
    at_place,
    axes_from,
    beside_in_view,
    between,
    flat_gap,
    gap,
    near,
    on,
    under,
)
from scanwise.understand.shapes import Shapes, joint
from scanwise.vision import Vision
from scanwise.vision.rooms import embed_texts

OTHERS = (
    "wall", "floor", "ceiling", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
    "counter", "desk", "curtain", "refrigerator", "shower curtain", "toilet", "sink", "bathtub", "lamp", "shelf", "box",
    "rug", "pillow", "plant", "television", "mirror", "clothes", "book", "cup", "bottle", "bowl", "basket", "bag",
    "toy", "clock", "stove",
)  # fmt: skip
"""What else could be there: a noun is told against these."""
SURFACES = ("wall", "floor", "ceiling")
"""What is asked for as a whole, and not as one of several."""
_LEAST = -12.0  # log-probabilities below do not count
_ALIKE = 0.72  # cosine of texts from which one of `OTHERS` may mean the same as a noun
_MOST_OTHERS = 12  # things alike that superlatives and orders compare
_SMOOTH = 0.03
_MIDDLING = 5  # row of `candidates.LIMITS`

ALONE = (
    "joint", "joint over best", "pictures", "shapes", "margin", "no noun",
    "color", "color over best", "not color",
    "log size", "log length", "log height", "born", "life", "pieces", "bottom", "top", "at floor", "flat",
)  # fmt: skip
"""Numbers of a candidate by itself."""
RELATIONS = (
    "near", "nearest", "farthest", "on", "under", "above", "between", "view", "order", "corner", "middle", "wall",
    "floor", "size", "height", "width",
)  # fmt: skip
"""Numbers of a candidate among others: log of how true it is; 0 where a sentence does not say it."""
MASK = ("mask", "mask over best", "fit", "fit over best", "share", "alone")
"""Numbers of LESS's mask."""
FEATURES = (*ALONE, *RELATIONS, *MASK)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Candidates that a phrase may mean, apart from each other, with shares that sum to 1."""

    rows: np.ndarray
    shares: np.ndarray


@dataclass(eq=False)
class Evidence:
    """What is known of the candidates of a scan, whatever is asked.

    Attributes:
        candidates: C of them.
        pictures: (C, D) float32 lifted features; None without pictures.
        vision: that they are of.
        shapes: (C, S) of a 3D network; None without one.
    """

    candidates: Candidates
    pictures: torch.Tensor | None
    vision: Vision | None
    shapes: Shapes | None
    _nouns: dict[str, np.ndarray] = field(default_factory=dict)
    _logits: dict[str, torch.Tensor] = field(default_factory=dict)

    @cached_property
    def boxes(self) -> Boxes:
        """Of the candidates."""
        return Boxes(self.candidates.low, self.candidates.high, self.candidates.center)

    @cached_property
    def room(self) -> Room:
        """Of all of them."""
        usable = self.candidates.usable
        return Room(
            np.quantile(self.boxes.low[usable], 0.01, axis=0), np.quantile(self.boxes.high[usable], 0.99, axis=0),
            self.candidates.floor,
        )  # fmt: skip

    # One candidate by itself

    def alone(self, phrase: Phrase) -> np.ndarray:
        """(C, len(ALONE)) of a phrase, its relations apart."""
        count = len(self.candidates)
        known = phrase.noun and not (self.pictures is None and self.shapes is None)
        nouns = self._noun(phrase.noun) if known else np.zeros((count, 4), np.float32)
        best = nouns[self.candidates.usable, 0].max(initial=_LEAST)
        unsaid = np.full(count, float(not phrase.noun), np.float32)
        colors = self._colors(phrase)
        noun = np.stack([nouns[:, 0], nouns[:, 0] - best, nouns[:, 1], nouns[:, 2], nouns[:, 3], unsaid], 1)
        return np.concatenate([noun, colors, self._build], 1).astype(np.float32)

    def _noun(self, word: str) -> np.ndarray:
        """(C, 4) log-probabilities of a noun: of all evidence, of pictures, of shapes, and all over the next best."""
        if word not in self._nouns:
            self._nouns[word] = self._find_noun(word)
        return self._nouns[word]

    def _find_noun(self, word: str) -> np.ndarray:
        words = [word, *(other for other, like in zip(OTHERS, _likeness(word), strict=True) if like < _ALIKE)]
        pictures, of_shapes, known = self._of_words(words)
        both = joint(pictures, of_shapes, known).log_softmax(1)
        zero = torch.zeros(len(both))
        columns = [
            both[:, 0], zero if pictures is None else pictures.log_softmax(1)[:, 0],
            zero if of_shapes is None else of_shapes[:, 0].log(), both[:, 0] - both[:, 1:].max(1).values,
        ]  # fmt: skip
        return torch.stack(columns, 1).clamp(_LEAST, -_LEAST).numpy()

    def names(self, rows: list[int], noun: str) -> list[str]:
        """What each of some candidates looks most like, of a noun and `OTHERS`."""
        if self.pictures is None and self.shapes is None:
            return [noun or "thing"] * len(rows)
        words = [*([noun] if noun else []), *(other for other in OTHERS if other != noun)]
        return [words[place] for place in joint(*self._of_words(words, rows)).argmax(1).tolist()]

    def _of_words(
        self, words: list[str], rows: list[int] | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Of all candidates, or of some: what pictures and shapes say of words, as `shapes.joint` takes it."""
        some: list[int] | slice = slice(None) if rows is None else rows
        pictures = of_shapes = known = None
        if self.pictures is not None:
            pictures = torch.stack([self._logit(each)[some] for each in words], 1)
        if self.shapes is not None:
            of_shapes, known = replace(self.shapes, probabilities=self.shapes.probabilities[some]).of_texts(words)
        return pictures, of_shapes, known

    def surface(self, word: str) -> tuple[np.ndarray, float]:
        """(P,) bool: parts whose thing, at a middling scale, is likeliest this; and how sure that is, 0..1."""
        level = self.candidates.levels[_MIDDLING]
        found = self._noun(word)[level]
        parts, sizes = found[:, 3] > 0, self.candidates.things.sizes.numpy()
        sure = float((np.exp(found[parts, 0]) * sizes[parts]).sum() / max(sizes[parts].sum(), 1))
        return parts, sure

    def _logit(self, word: str) -> torch.Tensor:
        if word not in self._logits:
            assert self.vision is not None
            assert self.pictures is not None
            embedding = self.vision.encode_texts([word]).float().to(self.pictures.device)
            self._logits[word] = (self.pictures @ embedding[0]).cpu() * self.vision.scale
        return self._logits[word]

    def _colors(self, phrase: Phrase) -> np.ndarray:
        """(C, 3) logs of how far a candidate has the colours that are said, over the best, and has not others."""
        shares = self.candidates.colors
        wanted = np.zeros((len(shares), 3), np.float32)
        for color in phrase.colors:
            close = [COLOR_WORDS.index(each) for each in CLOSE_COLORS[color]]
            found = shares[:, COLOR_WORDS.index(color)] + 0.4 * shares[:, close].sum(1)
            wanted[:, 0] += np.log(found + 0.05)
        for color in phrase.not_colors:
            wanted[:, 2] += np.log(1.05 - shares[:, COLOR_WORDS.index(color)])
        wanted[:, 1] = wanted[:, 0] - wanted[self.candidates.usable, 0].max(initial=-9.0)
        return wanted

    @cached_property
    def _build(self) -> np.ndarray:
        """(C, 10) of size, place and how a candidate came about."""
        found, boxes = self.candidates, self.boxes
        size = np.maximum(boxes.size, 0.02)
        bottom, top = boxes.low[:, 2] - found.floor, boxes.high[:, 2] - found.floor
        pieces = found.sums(np.ones((len(found.things), 1), np.float32))[:, 0]
        return np.stack([
            np.log(found.sizes), np.log(size[:, :2].max(1)), np.log(size[:, 2]), found.born / 4,
            np.log(found.gone - found.born + 0.0), np.log(pieces), bottom, top, bottom < 0.12, size[:, 2] < 0.1,
        ], 1).astype(np.float32)  # fmt: skip

    # LESS's mask

    def mask(self, of_parts: np.ndarray) -> np.ndarray:
        """(C, len(MASK)) of what LESS makes of a sentence, mean probabilities (P,) of parts."""
        sizes, usable = self.candidates.sizes, self.candidates.usable
        inside = self.candidates.means(of_parts[:, None])[:, 0]
        weights = self.candidates.things.sizes.numpy()
        total = float((of_parts * weights).sum()) + 1.0
        fit = np.log(inside * sizes / (sizes + total - inside * sizes) + 1e-3)
        logit = np.log(inside + 1e-4) - np.log1p(1e-4 - inside)
        share = np.log(inside * sizes / total + 1e-3)
        return np.stack([
            logit, logit - logit[usable].max(initial=-9.0), fit, fit - fit[usable].max(initial=-9.0), share,
            np.full(len(sizes), np.log(total) / 5),
        ], 1).astype(np.float32)  # fmt: skip

    # One candidate among others

    def apart(self, scores: np.ndarray, most: int = _MOST_OTHERS) -> Chosen:
        """The best candidates that do not overlap, each with the share of those that it stands for."""
        rows = np.flatnonzero(self.candidates.usable)
        rows = rows[np.argsort(-scores[rows], kind="stable")][:60]
        shares = np.exp(scores[rows] - scores[rows[0]])
        inside = self.candidates.overlaps(rows) > 0.5
        left, kept, weights = np.ones(len(rows), bool), list[int](), list[float]()
        for place in range(len(rows)):
            if left[place] and len(kept) < most:
                taken = left & inside[place]
                kept.append(place)
                weights.append(float(shares[taken].max()))
                left &= ~inside[place]
        weights_of = np.array(weights)
        return Chosen(rows[kept], weights_of / weights_of.sum())

    def among(self, phrase: Phrase, view: View | None, alike: Chosen, anchors: dict[Phrase, Chosen]) -> np.ndarray:
        """(C, len(RELATIONS)) of what a phrase says of a candidate and others.

        Args:
            phrase: what is asked for.
            view: that the sentence states.
            alike: candidates that have its noun and colours.
            anchors: phrase -> what it may mean, of all that the phrase and the view compare with.
        """
        found = np.zeros((len(self.candidates), len(RELATIONS)), np.float32)
        for quality, least in phrase.ranks:
            self._add(found, quality, self._foremost(self._measure(quality, least), alike), False)
        for relation in phrase.relations:
            name, true = self._relation(relation, view, alike, anchors)
            self._add(found, name, true, relation.negated)
        return found

    def _add(self, found: np.ndarray, name: str, true: np.ndarray, negated: bool) -> None:
        true = np.clip(1 - true if negated else true, 0, 1)
        found[:, RELATIONS.index(name)] += np.log((true + _SMOOTH) / (1 + _SMOOTH))

    def _relation(
        self, relation: Relation, view: View | None, alike: Chosen, anchors: dict[Phrase, Chosen]
    ) -> tuple[str, np.ndarray]:
        """The number that a relation counts for, and (C,) how true it is of each candidate, 0..1."""
        kind = relation.kind
        if kind in PLACE_KINDS:
            return kind, at_place(self.boxes, kind, self.room)
        if kind.startswith(("first", "from")):
            return "order", self._ordered(kind.rpartition(" ")[2], relation.number, view, alike, anchors)
        chosen = [anchors[each] for each in relation.anchors]
        if not chosen:
            return "near", np.ones(len(self.candidates))
        if kind == "between":
            return kind, self._between(chosen)
        if kind in ("nearest", "farthest"):
            return kind, self._closest(chosen[0], alike, kind == "farthest")
        of_anchors = [self._standing(kind, each, view, anchors) for each in chosen]
        name = "view" if kind in ("left", "right", "front", "behind") else kind
        return name, np.min(of_anchors, axis=0)

    def _standing(self, kind: str, chosen: Chosen, view: View | None, anchors: dict[Phrase, Chosen]) -> np.ndarray:
        """(C,) how true a relation to an anchor is, whichever it is."""
        boxes, others = self.boxes, self.boxes[chosen.rows]
        if kind in ("left", "right", "front", "behind"):
            stand, look = self._spots(view, anchors, default=others.center[0, :2])
            seen = axes_from(boxes, stand, look)
            true = beside_in_view(kind, seen, axes_from(others, stand, look), flat_gap(boxes, others))
        else:
            true = {"near": near, "on": on, "under": under, "above": above}[kind](boxes, others)
        weights = chosen.shares / chosen.shares.max()
        return (true * ~self._same(chosen.rows) * weights).max(1)

    def _same(self, rows: np.ndarray) -> np.ndarray:
        """(C, n) whether a candidate has most of its parts in common with some others."""
        found = self.candidates
        weights = found.things.sizes.numpy()
        inside = found.sums((found.members(rows) * weights).T.astype(np.float32))
        return inside > 0.5 * np.minimum(found.sizes[:, None], found.sizes[rows])

    def _between(self, chosen: list[Chosen]) -> np.ndarray:
        first, second = chosen[0], chosen[-1]
        true = between(self.boxes, self.boxes[first.rows], self.boxes[second.rows])
        weights = np.minimum.outer(first.shares / first.shares.max(), second.shares / second.shares.max())
        weights = weights * (first.rows[:, None] != second.rows)
        rows = np.concatenate([first.rows, second.rows])
        same = self._same(rows)
        true = true * ~same[:, : len(first.rows), None] * ~same[:, None, len(first.rows) :]
        return (true * weights).max((1, 2))

    def _closest(self, chosen: Chosen, alike: Chosen, farthest: bool) -> np.ndarray:
        """(C,) how likely each is the nearest of its kind, or the farthest."""
        anchors = self.boxes[chosen.rows]
        same = self._same(chosen.rows)
        result = np.zeros(len(self.candidates))
        for place, share in enumerate(chosen.shares):
            distance = gap(self.boxes, anchors[np.array([place])])[:, 0]
            middle = np.linalg.norm(self.boxes.center - anchors.center[place], axis=1)
            value = (distance + middle) / 2
            true = self._foremost(value if farthest else -value, alike, scale=0.15) * ~same[:, place]
            result += share * true
        return result

    def _measure(self, quality: str, least: bool) -> np.ndarray:
        size = np.maximum(self.boxes.size, 0.02)
        value = np.log({"size": size.prod(1), "height": size[:, 2], "width": size[:, :2].max(1)}[quality])
        return -value if least else value

    def _foremost(self, values: np.ndarray, alike: Chosen, scale: float = 0.2) -> np.ndarray:
        """(C,) how likely no other of its kind has a greater value: the product over those."""
        weights = alike.shares / alike.shares.max()
        beaten = 1 / (1 + np.exp(-np.clip((values[alike.rows] - values[:, None]) / scale, -30, 30)))
        beaten = np.where(self._same(alike.rows), 0, np.maximum(2 * beaten - 1, 0) * weights)
        return (1 - beaten).prod(1)

    def _ordered(
        self, side: str, number: int, view: View | None, alike: Chosen, anchors: dict[Phrase, Chosen]
    ) -> np.ndarray:
        """(C,) how likely each is the `number`-th of its kind from a side."""
        stand, look = self._spots(view, anchors, default=self.boxes.center[alike.rows, :2].mean(0))
        right, _ = axes_from(self.boxes, stand, look)
        value = -right if side == "right" else right
        weights = alike.shares / alike.shares.max()
        before = 1 / (1 + np.exp(-np.clip((value[:, None] - value[alike.rows]) / 0.1, -30, 30)))
        count = (np.where(self._same(alike.rows), 0, before) * weights).sum(1)
        return np.exp(-(((count - (number - 1)) / 0.5) ** 2) / 2)

    def _spots(
        self, view: View | None, anchors: dict[Phrase, Chosen], default: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(2,) where one stands and (2,) what one looks at; without a view, one looks from the middle of the room."""
        middle = (self.room.low + self.room.high)[:2] / 2
        stand = look = None
        if view is not None and view.stand is not None:
            stand = self.boxes.center[anchors[view.stand].rows[0], :2]
        if view is not None and view.look is not None:
            look = self.boxes.center[anchors[view.look].rows[0], :2]
        if look is None:
            look = default if stand is None else middle
        return middle if stand is None else stand, look


def _likeness(word: str) -> np.ndarray:
    """Cosines of a word and each of `OTHERS`."""
    return (_embedded(word) @ _embedded(*OTHERS).T)[0].numpy()


@lru_cache(maxsize=1024)
def _embedded(*words: str) -> torch.Tensor:
    return embed_texts(list(words))
