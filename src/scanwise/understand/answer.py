"""Asking a scene for one thing in a sentence: `ask(scene, "the chair by the sink")`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.referring import Prediction, second_pass
from scanwise.geometry.objects import Found, found_at, pieces
from scanwise.methods.less.model import LESS, load_trained, predict
from scanwise.nn.surface import Surface
from scanwise.scene import Scene
from scanwise.training.checkpoints import is_shipped

SHIPPED_MODEL = "less-rooms"
LONGEST = 500  # characters of a sentence
_RUNNER_UP, _MOST_RUNNERS_UP = 0.1, 5


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one sentence.

    Attributes:
        text: the sentence. mask: (N,) bool, the points that it means. scores: (N,) float32, 0..1, 0 for points that
            are not finite. found: whether there is such a thing; where not, the mask says what comes nearest.
        presence: 0..1, how sure that is. place: centre and oriented box of it all, None where the mask is empty.
        objects: where the sentence asks for several things ("all chairs"), each of them, the surest first; else
            `place` alone. runners_up: up to five other objects, the likeliest first.
        words: (word, share of attention).
    """

    text: str
    mask: np.ndarray
    scores: np.ndarray
    found: bool
    presence: float
    place: Found | None
    objects: list[Found]
    runners_up: list[Found]
    words: list[tuple[str, float]]


def ask(
    scene: Scene, text: str | Sequence[str], *, model: LESS | str | Path = SHIPPED_MODEL, explain: bool = False
) -> Answer | list[Answer]:
    """The points that a sentence means; of several sentences a list, the scene made ready once.

    Args:
        model: a trained LESS, a checkpoint, a run's folder, or shipped weights by name.
        explain: say which words were attended to.

    Raises:
        InputError: an empty sentence, one of more than 500 characters, a model that is none, or no finite points.
    """
    texts = check_sentences([text] if isinstance(text, str) else text)
    network = model if isinstance(model, LESS) else load_model(Path(model))
    if scene.colors is None and "color" in network.recipe.features:
        note = "no colours: found by shape alone, which the network did not learn by; expect mistakes"
        warnings.warn(note, ScanwiseWarning, stacklevel=2)
    surface = Surface(scene)
    predictions = [
        second_pass(surface, text, found, network.recipe.voxel)
        for text, found in zip(texts, predict(network, scene, texts, explain=explain, surface=surface), strict=True)
    ]
    threshold = float(network.threshold)
    answers = [answer_of(scene, *each, threshold) for each in zip(texts, predictions, strict=True)]
    return answers[0] if isinstance(text, str) else answers


def load_model(model: Path) -> LESS:
    """A trained LESS, in evaluation mode.

    Raises:
        InputError: there is none, or it is something else; where the shipped weights are missing, how to get some.
    """
    if str(model) == SHIPPED_MODEL and not model.exists() and not is_shipped(model):
        raise InputError(
            f"{SHIPPED_MODEL}: this installation has no such weights; install a release that ships them, or train: "
            "`scanwise train less recipes/less-rooms-tiny.yaml`, then --model out/less-rooms-tiny"
        )
    return load_trained(model)


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


def answer_of(scene: Scene, text: str, prediction: Prediction, threshold: float) -> Answer:
    """What a prediction says: the thing is found where its presence reaches the threshold and some point is in it."""
    several = prediction.several is not None
    scores = prediction.scores if prediction.several is None else prediction.several
    mask = scores > 0.5
    rows = np.flatnonzero(mask)
    place = found_at(scene.points, scores, rows) if len(rows) else None
    objects = [] if place is None else (several and pieces(scene.points, scores, rows)) or [place]
    others = pieces(scene.points, scores, np.flatnonzero((scores > _RUNNER_UP) & ~mask))[:_MOST_RUNNERS_UP]
    found = bool(prediction.presence >= threshold) and place is not None
    return Answer(text, mask, scores, found, prediction.presence, place, objects, others, prediction.words)
