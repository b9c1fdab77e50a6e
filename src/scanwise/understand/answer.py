"""What `ask` gives, and the sentences that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scanwise.errors import InputError
from scanwise.evaluation.referring import Prediction
from scanwise.geometry.objects import FoundObject, connected_objects, object_at
from scanwise.scene import Scene
from scanwise.understand.labels import check_lengths
from scanwise.understand.words import check_sentence

_RUNNER_UP, _MOST_RUNNERS_UP = 0.1, 5


@dataclass(frozen=True, eq=False)
class Answer:
    """The points that a sentence means.

    Attributes:
        text: the sentence.
        mask: (N,) bool, the points that it means.
        scores: (N,) float32, 0..1, 0 for points that are not finite.
        found: whether there is such a thing; where not, the mask says what comes nearest.
        presence: 0..1, how sure that is.
        place: centre and oriented box of it all, in the frame and the unit of the scene's file; None where the mask is
            empty.
        objects: where the sentence asks for several things ("all chairs"), each of them, the surest first; else
            `place` alone.
        runners_up: up to five other objects, the likeliest first.
        words: (word, share of attention).
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


def check_sentences(texts: Sequence[str]) -> list[str]:
    """The sentences, trimmed.

    Raises:
        InputError: none, an empty one, one of more than 500 characters, or one that says what something is not, or
            asks for several things.
    """
    trimmed = [" ".join(text.split()) for text in texts]
    if not trimmed:
        raise InputError('give a sentence, such as "the brown chair between the desk and the window"')
    check_lengths(trimmed, "sentence")
    for text in trimmed:
        check_sentence(text)
    return trimmed


def answer_of(scene: Scene, text: str, prediction: Prediction, threshold: float) -> Answer:
    """What a prediction says: the thing is found where its presence reaches the threshold and some point is in it."""
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
    return Answer(text, mask, scores, found, prediction.presence, place, objects, others, prediction.words)
