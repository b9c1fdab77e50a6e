"""Asking a scene for one thing in a sentence: `ask(scene, "the chair by the sink")`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.methods.less import LESS, Prediction, load_trained, predict
from scanwise.objects import Found, found_at, pieces
from scanwise.scene import Scene

LONGEST = 500  # characters of a sentence
_RUNNER_UP, _MOST_RUNNERS_UP = 0.1, 5


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one sentence.

    Attributes:
        text: the sentence. mask: (N,) bool, the points that it means. scores: (N,) float32, 0..1, 0 for points that
            are not finite. found: whether there is such a thing; where not, the mask says what comes nearest.
        presence: 0..1, how sure that is. place: its centre and oriented box, None where the mask is empty.
        runners_up: up to five other objects, the likeliest first. words: (word, share of attention).
    """

    text: str
    mask: np.ndarray
    scores: np.ndarray
    found: bool
    presence: float
    place: Found | None
    runners_up: list[Found]
    words: list[tuple[str, float]]


def ask(
    scene: Scene, text: str | Sequence[str], *, model: LESS | str | Path, explain: bool = False
) -> Answer | list[Answer]:
    """The points that a sentence means; of several sentences a list, the scene made ready once.

    Args:
        model: a trained LESS, a checkpoint, or a run's folder. explain: say which words were attended to.

    Raises:
        InputError: an empty sentence, one of more than 500 characters, a model that is none, or no finite points.
    """
    texts = check_sentences([text] if isinstance(text, str) else text)
    network = model if isinstance(model, LESS) else load_trained(Path(model))
    predictions = predict(network, scene, texts, explain=explain)
    threshold = float(network.threshold)
    answers = [_answer(scene, *each, threshold) for each in zip(texts, predictions, strict=True)]
    return answers[0] if isinstance(text, str) else answers


def check_sentences(texts: Sequence[str]) -> list[str]:
    """The sentences, trimmed.

    Raises:
        InputError: none, an empty one, or one of more than 500 characters.
    """
    trimmed = [" ".join(text.split()) for text in texts]
    if not trimmed:
        raise InputError('give a sentence, such as "the brown chair between the desk and the window"')
    for place, text in enumerate(trimmed, 1):
        if not text:
            raise InputError(f"sentence {place} of {len(trimmed)} is empty")
        if len(text) > LONGEST:
            raise InputError(
                f'sentence {place} ("{text[:30]}...") has {len(text)} characters; at most {LONGEST} are read'
            )
    return trimmed


def _answer(scene: Scene, text: str, prediction: Prediction, threshold: float) -> Answer:
    scores = prediction.scores
    mask = scores > 0.5
    rows = np.flatnonzero(mask)
    place = found_at(scene.points, scores, rows) if len(rows) else None
    others = pieces(scene.points, scores, np.flatnonzero((scores > _RUNNER_UP) & ~mask))
    found = bool(prediction.presence >= threshold) and place is not None
    return Answer(text, mask, scores, found, prediction.presence, place, others[:_MOST_RUNNERS_UP], prediction.words)
