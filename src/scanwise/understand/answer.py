"""What `ask` gives, and the sentences that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.evaluation.referring import Prediction
from scanwise.geometry.objects import FoundObject, Placed, connected_objects, object_at
from scanwise.scene import Scene
from scanwise.understand.labels import check_lengths
from scanwise.understand.words import check_sentence

_RUNNER_UP, _MOST_RUNNERS_UP = 0.1, 5
SURE = 0.5
"""Confidence from which a thing counts as found."""


@dataclass(frozen=True, eq=False)
class Candidate(Placed):
    """A thing that a sentence may mean.

    Attributes:
        id: 1 is the one that comes first.
        text: the noun that it looks most like.
        confidence: 0..1, how likely it is the one meant.
        place: its rows, centre and oriented box, in the frame and the unit of the scene's file.
    """

    id: int
    text: str
    confidence: float
    place: FoundObject

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        place = self.place.facts()
        del place["score"]
        return {"id": self.id, "text": self.text, "confidence": round(self.confidence, 4), **place}


@dataclass(frozen=True, eq=False)
class Answer:
    """The points that a sentence means.

    Attributes:
        text: the sentence.
        mask: (N,) bool, the points that it means, or what comes nearest.
        scores: (N,) float32, 0..1, how likely a point is meant; 0 for points that are not finite.
        found: whether the mask is likely right: `confidence` is at least .5.
        presence: 0..1, how sure it is that there is such a thing.
        place: centre and oriented box of it all, in the frame and the unit of the scene's file; None where the mask is
            empty.
        objects: where the sentence asks for several things ("all chairs"), each of them, the surest first; else
            `place` alone.
        runners_up: up to five other objects, the likeliest first.
        words: (word, share of LESS's attention); none where LESS was not asked.
        confidence: 0..1: of answers with .8, eight in ten are right, on rooms like those it was fitted on.
        status: "found"; "not sure": it may be one of `candidates`; "not here".
        candidates: the likeliest things, the one in the mask first.
        reason: why it is not surer; "" where it is.
        unread: words of the sentence that were not understood.
    """

    text: str
    mask: np.ndarray
    scores: np.ndarray
    found: bool
    presence: float
    place: FoundObject | None
    objects: list[FoundObject]
    runners_up: list[FoundObject]
    words: list[tuple[str, float]]
    confidence: float = 0.0
    status: str = "found"
    candidates: list[Candidate] = field(default_factory=list)
    reason: str = ""
    unread: tuple[str, ...] = ()


def check_sentences(texts: Sequence[str]) -> list[str]:
    """The sentences, trimmed.

    Raises:
        InputError: none, an empty one, or one of more than 500 characters.
    """
    trimmed = [" ".join(text.split()) for text in texts]
    if not trimmed:
        raise InputError('give a sentence, such as "the brown chair between the desk and the window"')
    check_lengths(trimmed, "sentence")
    return trimmed


def check_plain(texts: Sequence[str]) -> None:
    """Refuses what LESS alone cannot answer.

    Raises:
        InputError: a sentence says what something is not, or asks for several things.
    """
    for text in texts:
        check_sentence(text)


def answer_of(scene: Scene, text: str, prediction: Prediction, threshold: float) -> Answer:
    """What LESS says by itself: the thing is found where its presence reaches the threshold and some point is in it."""
    several = prediction.several is not None
    scores = prediction.scores if prediction.several is None else prediction.several
    mask = scores > 0.5
    rows = np.flatnonzero(mask)
    place = object_at(scene.points, scores, rows) if len(rows) else None
    objects = [] if place is None else (several and connected_objects(scene.points, scores, rows)) or [place]
    others = connected_objects(scene.points, scores, np.flatnonzero((scores > _RUNNER_UP) & ~mask))[:_MOST_RUNNERS_UP]
    place = place and place.moved(scene.to_source)
    objects, others = ([each.moved(scene.to_source) for each in some] for some in (objects, others))
    found = bool(prediction.presence >= threshold) and place is not None
    return Answer(
        text, mask, scores, found, prediction.presence, place, objects, others, prediction.words,
        confidence=prediction.presence, status="found" if found else "not here",
    )  # fmt: skip
