"""Classes of scenes and of weights, matched by name: numbers alone say nothing about what they number.

    scene, left_out = translated(scene, model.classes)      # labels among the model's classes
    left_out_text(left_out)                                  # "1,200 points of classes ... (lamp, rug) ..."

Two names are the same where they differ in case, spaces, hyphens and underscores alone ("other-vehicle"). Where both
lists are of vocabularies that are shipped (ScanNet's 20, S3DIS, SemanticKITTI, nuScenes, Waymo, LAS, the open names of
made rooms), words of the same meaning ("bookcase", "bookshelf") and broader ones ("bus" is one of SemanticKITTI's other
vehicles, "office chair" a chair) do as well, where the model has no class of the very name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from scanwise.data.classes import numbered
from scanwise.errors import InputError
from scanwise.formats import kitti, las, nuscenes, s3dis, waymo
from scanwise.formats.scannet_labels import SCANNET_20
from scanwise.scene import Scene
from scanwise.synth.classes import NAMES

_SAME = (
    ("bookshelf", "bookcase"),
    ("person", "pedestrian"),
    ("traffic sign", "sign"),
    ("trunk", "tree trunk"),
    ("road", "driveable surface", "road surface"),
    ("other ground", "other flat"),
    ("traffic cone", "construction cone"),
)
_BROADER = {
    "bus": "other vehicle",  # as in SemanticKITTI's own map of raw labels
    "construction vehicle": "other vehicle",
    "trailer": "other vehicle",
    "low vegetation": "vegetation",
    "medium vegetation": "vegetation",
    "high vegetation": "vegetation",
}
_SHOWN = 3


def match_classes(own: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Where each class of a scene is among a model's.

    Args:
        own: K names, those of the scene.
        classes: names of the model's.

    Returns:
        (K + 1,) int32 index into `classes`, -1 = none; the last, -1, is for points without a label, so that
        `match_classes(...)[labels]` translates them.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(classes):
        places.setdefault(_key(name), place)
    both_known = _is_of(own, _SHIPPED) and _is_of(classes, _SHIPPED)
    result = []
    for name in own:
        words = [_key(name), *(_other_words(name, own) if both_known else ())]
        exact = classes.index(name) if name in classes else -1
        result.append(exact if exact >= 0 else next((places[word] for word in words if word in places), -1))
    return np.array([*result, -1], np.int32)


def translated(scene: Scene, classes: Sequence[str]) -> tuple[Scene, dict[str, int]]:
    """A scene with its labels among a model's classes.

    Args:
        scene: labelled; without names its classes are called by their numbers, and 255 is none.
        classes: names of the model's.

    Returns:
        The scene, in which points of classes that the model does not know are unlabelled, and how many points of each
        of those classes there are.

    Raises:
        InputError: no labels, labels beyond the scene's own names, or not one class in common.
    """
    if scene.labels is None:
        raise InputError(f"{scene.name}: has no labels to measure against")
    labels, own = numbered(scene)
    place = match_classes(own, classes)
    if not (place >= 0).any():
        raise InputError(
            f"{scene.name}: its classes ({_some(own)}) and those of the weights ({_some(classes)}) have none in "
            "common; measure on scenes with classes of the weights"
        )
    counts = np.bincount(labels[labels >= 0], minlength=len(own)).tolist()
    left_out = {name: counts[number] for number, name in enumerate(own) if place[number] < 0 and counts[number]}
    return replace(scene, labels=place[labels], classes=list(classes)), left_out


def left_out_text(left_out: Mapping[str, int]) -> str:
    """One line about points of classes that a model does not know; "" where there are none.

    Args:
        left_out: points of each such class.
    """
    if not any(left_out.values()):
        return ""
    names = sorted(left_out, key=lambda name: (-left_out[name], name))
    points = f"{sum(left_out.values()):,} points of classes that the weights do not know"
    return f"{points} ({_some(names)}) count as unlabelled"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _other_words(name: str, own: Sequence[str]) -> list[str]:
    """Keys of words of the same meaning as a name of a shipped vocabulary, then of broader ones."""
    word = _key(name)
    broader = _BROADER_KEYS.get(word)
    if broader is None and not _is_of(own, _BENCHMARKS):  # there "trunk" is a tree's, and here a piece of furniture
        broader = _kinds().get(word)
    return [*_SAME_KEYS.get(word, ()), *(() if broader is None else (broader, *_SAME_KEYS.get(broader, ())))]


def _is_of(names: Sequence[str], vocabularies: Sequence[frozenset[str]]) -> bool:
    """Whether all these names are of one of the vocabularies."""
    return bool(names) and any(words.issuperset(map(_key, names)) for words in vocabularies)


@cache
def _kinds() -> dict[str, str]:
    """Of the key of each open name the key of its class."""
    return {_key(name): _key(entry.kind) for name, entry in NAMES.items()}


_LISTS = (SCANNET_20, s3dis.CLASSES, kitti.CLASSES, nuscenes.CLASSES, waymo.CLASSES, las.ASPRS)
_BENCHMARKS = tuple(frozenset(map(_key, names)) for names in _LISTS)
_SHIPPED = (*_BENCHMARKS, frozenset(map(_key, (*SCANNET_20, *NAMES))))
_SAME_KEYS = {_key(name): [_key(word) for word in group if word != name] for group in _SAME for name in group}
_BROADER_KEYS = {_key(name): _key(word) for name, word in _BROADER.items()}
