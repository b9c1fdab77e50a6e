"""Sentences about scenes, on their way into a network: what they ask for, which are drawn, how scenes may change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from scanwise.data.augment import Augmentation, moved, rotation
from scanwise.data.clouds import Cloud, Sample
from scanwise.errors import InputError
from scanwise.scene import Referral, Scene

VIEW_WORDS = (
    "left", "right", "front", "behind", "facing", "face", "faces", "faced", "leftmost", "rightmost", "back", "ahead",
    "clockwise", "counterclockwise", "north", "south", "east", "west", "northern", "southern", "eastern", "western",
    "looking", "look", "entering", "enter", "rear", "opposite", "forward", "backward", "beyond",
)  # fmt: skip
_VIEW = re.compile(rf"\b(?:{'|'.join(VIEW_WORDS)})\b", re.IGNORECASE)
AUGMENTATION = Augmentation(tilt=0.02, scale=(0.98, 1.02), jitter=0.003, color_jitter=5, color_shift=10)
_PLURAL = re.compile(
    r"^(?:please )?(?:(?:can|could) you )?(?:(?:find|show|show me|mark|select|highlight|point to|look for|where are|"
    r"give me|i want|i mean) )?(?:the )?(?:all|every|both|each|two|three|four|five|six|several|these|those)\b"
    r"(?! (?:is|are)\b)(?!.*\bone\b)",
    re.IGNORECASE,
)
_NOUNS_END = re.compile(
    r"\b(?:of|on|in|at|by|near\w*|next|beside|close\w*|under\w*|below|beneath|above|over|between|against|behind|with|from|"
    r"to|along|across|opposite|around|inside|far\w*|fur\w*|left|right|that|which|who|is|are|standing|hanging|lying)\b|[^\w\s-]",
    re.IGNORECASE,
)
_MANY_OF_IT = re.compile(r"^(?:.*\s)?the\s(?:.*\s)?(?!(?:this|canvas|gas|lens)$)\w*[^s\Wui]s$", re.IGNORECASE)
_SWAY = 0.05  # radians about the vertical, for every sentence
T = TypeVar("T")


# What a sentence asks for


def view_dependent(sentence: str) -> bool:
    """Whether a sentence may change its meaning when the scene is mirrored or turned."""
    return _VIEW.search(sentence) is not None


def plural(sentence: str) -> bool:
    """Whether it asks for several things: "all chairs", "find both lamps"; not "of all chairs the one by the door"."""
    return _PLURAL.match(sentence) is not None


def names_many(sentence: str) -> bool:
    """Whether what it asks for has a name in the plural, which several pieces may make up: "the red cabinets"."""
    named = _NOUNS_END.split(sentence.strip(), maxsplit=1)[0].strip()
    return _MANY_OF_IT.match(named) is not None and re.search(r"\bone\b", sentence) is None


# Training samples


def draw_sentences(scene: Scene, count: int, generator: np.random.Generator) -> tuple[list[Referral], bool]:
    """So many of a scene's sentences, and whether none of them depends on the view.

    The first is drawn at random. When its meaning does not depend on the view, so are the others that are drawn, where
    there are enough.

    Raises:
        InputError: the scene has no sentences.
    """
    if not scene.sentences:
        raise InputError(f"{scene.name}: has no sentences to train on; `scanwise synth rooms` writes some")
    order = [scene.sentences[index] for index in generator.permutation(len(scene.sentences))]
    free = [each for each in order if not view_dependent(each.text)]
    if not view_dependent(order[0].text) and len(free) >= count:
        return free[:count], True
    chosen = [order[index % len(order)] for index in range(count)]
    return chosen, not any(view_dependent(each.text) for each in chosen)


def augmented(cloud: Cloud, generator: np.random.Generator, *, points: int, augment: bool, free: bool) -> Cloud:
    """Some of the points, changed at random.

    Args:
        cloud: the scene's points.
        generator: random numbers.
        points: most that are kept; 0 = all.
        augment: whether they are changed.
        free: no sentence depends on the view, so they are mirrored and turned by quarters as well.
    """
    if points and len(cloud) > points:
        cloud = cloud.take(np.sort(generator.choice(len(cloud), points, replace=False)))
    if augment:
        matrix = rotation(2, generator.uniform(-_SWAY, _SWAY))
        if free:
            matrix = _quarter_turn(generator) @ np.diag([*generator.choice([-1.0, 1.0], 2), 1.0]) @ matrix
        cloud = AUGMENTATION(moved(cloud, matrix), generator)
    return cloud


def _quarter_turn(generator: np.random.Generator) -> np.ndarray:
    return rotation(2, np.pi / 2 * int(generator.integers(4)))


def by_sentence(scenes: Sequence[Iterable[T]]) -> list[T]:
    """What B scenes have of k sentences each, in a batch's order: sentence j of scene b in place j * B + b."""
    return [each for row in zip(*scenes, strict=True) for each in row]


# Answers


def of_points(values: np.ndarray, sample: Sample, count: int) -> np.ndarray:
    """(count,) float32 of a scene's points, from values (m,) of its voxels; 0 for points that are not finite."""
    result = np.zeros(count, np.float32)
    result[sample.row] = values[sample.of_point]
    return result
