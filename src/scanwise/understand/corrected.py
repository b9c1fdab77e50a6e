"""Corrections put into labels and answers: corrected points keep their word, things are merged, split and named.

corrected(labels, store.corrections())
answered(answer, store.corrections(), scene)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from scanwise.evaluation.referring import Prediction
from scanwise.geometry.components import connected_points
from scanwise.geometry.objects import REACH
from scanwise.scene import Scene
from scanwise.understand.answer import Answer, answer_of
from scanwise.understand.corrections import Correction
from scanwise.understand.labels import Labels
from scanwise.understand.objects import objects_in


def known_words(corrections: Sequence[Correction], count: int) -> tuple[np.ndarray, list[str]]:
    """What is known of the words of a scan's points.

    Args:
        corrections: in force, the oldest first; a later one overrules.
        count: N points.

    Returns:
        (N,) int32 row of the words, -1 = not known; the words, in the order in which they were first given.
    """
    words: list[str] = []
    known = np.full(count, -1, np.int32)
    for each in corrections:
        if each.kind == "word":
            known[each.mask] = _place(words, each.text) if each.text else -1
    kept, numbers = np.unique(known[known >= 0], return_inverse=True)
    known[known >= 0] = numbers
    return known, [words[number] for number in kept.tolist()]


def corrected(labels: Labels, corrections: Sequence[Correction]) -> Labels:
    """Labels with corrections put into them.

    A corrected point has its word with confidence 1. Words that were not asked for come after those that were. Things
    that were merged have one word: that which was given to some of their points, else the likeliest of all together.

    Args:
        labels: of the scan, as of `Prepared.label`.
        corrections: in force, the oldest first.
    """
    said = [each for each in corrections if each.kind != "meant"]
    if not said:
        return labels
    state = _State(labels)
    for each in said:
        if each.kind == "thing":
            state.join(each.mask)
        else:
            state.name(each.mask, each.text, whole=each.whole)
    return state.labels(labels, len(said))


def answered(answer: Answer, corrections: Sequence[Correction], scene: Scene) -> Answer:
    """An answer, in whose place comes what was last said to be meant by the same sentence, if anything was.

    Args:
        answer: of the scan.
        corrections: in force, the oldest first.
        scene: that was asked.
    """
    asked = answer.text.casefold()
    for each in reversed(corrections):
        if each.kind == "meant" and each.text.casefold() == asked:
            scores = each.mask.astype(np.float32)
            return answer_of(scene, answer.text, Prediction(scores, float(scores.any())), 0.5)
    return answer


class _State:
    """Words, scores and objects of the points while corrections are put in."""

    def __init__(self, labels: Labels) -> None:
        self.scene = labels.scene
        self.texts, self.indices, self.scores = list(labels.texts), labels.indices.copy(), labels.scores.copy()
        self.object_of = labels.object_of.copy()
        self.said = np.zeros(len(self.indices), bool)

    def name(self, mask: np.ndarray, text: str, *, whole: bool) -> None:
        """Points get a word, or lose theirs."""
        rows = np.flatnonzero(mask)
        self.said[rows] = True
        if not text:
            self.indices[rows], self.scores[rows], self.object_of[rows] = -1, 0, -1
            return
        place = _place(self.texts, text)
        if place == self.scores.shape[1]:
            column = np.zeros((len(self.scores), 1), np.float32)
            self.scores = np.concatenate([self.scores, column], 1)
        before = self.indices[rows]
        self.indices[rows], self.scores[rows] = place, 0
        self.scores[rows, place] = 1
        if whole:
            self.object_of[rows] = self._next()
        else:
            self._group(rows[(before != place) | (self.object_of[rows] < 0)], place)

    def join(self, mask: np.ndarray) -> None:
        """Points become one thing, which has one word."""
        rows = np.flatnonzero(mask & self.scene.finite)
        if not len(rows):
            return
        self.object_of[rows] = self._next()
        given = rows[self.said[rows] & (self.indices[rows] >= 0)]
        votes = self.scores[given if len(given) else rows].sum(0)
        if not votes.any():
            self.object_of[rows] = -1
            return
        others = rows[self.indices[rows] != votes.argmax()]
        self.indices[others], self.scores[others] = votes.argmax(), votes / votes.sum()

    def _group(self, rows: np.ndarray, place: int) -> None:
        """Puts points that were given a word into the thing of that word that they touch, or into new ones."""
        rows = rows[self.scene.finite[rows]]
        if not len(rows):
            return
        points = self.scene.points
        low, high = points[rows].min(0) - REACH, points[rows].max(0) + REACH
        there = (self.indices == place) & (self.object_of >= 0)
        there[rows] = False
        near = np.flatnonzero(there & (points >= low).all(1) & (points <= high).all(1))
        touched = np.full(len(rows), -1)
        if len(near):
            distance, nearest = cKDTree(points[near]).query(points[rows], distance_upper_bound=REACH)
            inside = distance <= REACH
            touched[inside] = self.object_of[near[nearest[inside]]]
        parts = connected_points(points[rows], REACH)
        for part in range(int(parts.max()) + 1):
            ids = touched[(parts == part) & (touched >= 0)]
            self.object_of[rows[parts == part]] = np.bincount(ids).argmax() if len(ids) else self._next()

    def _next(self) -> int:
        return int(self.object_of.max(initial=-1)) + 1

    def labels(self, before: Labels, count: int) -> Labels:
        """The labels, with their objects numbered anew."""
        object_of = np.where(self.scene.finite, self.object_of, -1)
        inside = object_of >= 0
        object_of[inside] = np.unique(object_of[inside], return_inverse=True)[1]
        indices = np.where(self.scene.finite, self.indices, -1).astype(np.int32)
        objects = objects_in(self.scene, object_of, self.scores, self.texts)
        facts = dict(before.facts) | {"corrections": {"count": count, "points": int(self.said.sum())}}
        return replace(
            before, indices=indices, scores=self.scores, texts=self.texts, object_of=object_of.astype(np.int32),
            objects=objects, facts=facts,
        )  # fmt: skip


def _place(words: list[str], word: str) -> int:
    """Where a word is in a list, case apart; it is added at the end where it is not there."""
    for place, each in enumerate(words):
        if each.casefold() == word.casefold():
            return place
    words.append(word)
    return len(words) - 1
