"""The one list of classes of many labelled scenes, and their labels brought to it.

sources, classes = with_joined_classes(scene_paths(root, "train"))  # each source's labels number `classes`
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scanwise.data.datasets import SCENE_FILE, Source, read_source
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.progress import Progress, silent
from scanwise.scene import Scene

_IGNORED = 255  # what data sets without names of classes write for points that do not count
_SHOWN = 3


@dataclass(frozen=True)
class Renumbered:
    """A scene whose labels are brought to a list of classes; read when it is touched.

    Attributes:
        source: the scene.
        classes: names that its labels then number.
    """

    source: Source
    classes: tuple[str, ...]

    def read(self) -> Scene:
        """The scene. Raises InputError when it is damaged."""
        scene = read_source(self.source)
        if scene.labels is None:
            return scene
        labels, own = numbered(scene)
        if own == list(self.classes[: len(own)]):
            return replace(scene, labels=labels, classes=list(self.classes))
        places = {name: number for number, name in reversed(list(enumerate(self.classes)))}
        place = np.array([*(places.get(name, -1) for name in own), -1], np.int32)
        return replace(scene, labels=place[labels], classes=list(self.classes))


def numbered(scene: Scene) -> tuple[np.ndarray, list[str]]:
    """The labels (N,) int32 of a labelled scene among its classes, -1 = unlabelled, and the names of those.

    Where the scene names none, the classes are the numbers that occur, in their order, without 255: many data sets
    write that for "does not count".

    Raises:
        InputError: a label beyond the scene's own names.
    """
    assert scene.labels is not None
    if scene.classes is not None:
        highest = int(scene.labels.max(initial=-1))
        if highest >= len(scene.classes) and highest != _IGNORED:
            text = f"{scene.name}: has points of class {highest}, and names {len(scene.classes)} classes alone"
            raise InputError(text)
        return np.where(scene.labels >= len(scene.classes), -1, scene.labels).astype(np.int32), scene.classes
    values, which = np.unique(scene.labels, return_inverse=True)
    counts = (values >= 0) & (values != _IGNORED)
    place = np.where(counts, np.cumsum(counts) - 1, -1).astype(np.int32)
    return place[which.reshape(-1)], [str(value) for value in values[counts].tolist()]


def with_joined_classes(
    sources: Sequence[Source], progress: Progress = silent, *, known: Sequence[str] | None = None
) -> tuple[list[Source], list[str]]:
    """The scenes with their labels brought to one list of classes, and that list.

    Args:
        sources: labelled scenes, or some.
        progress: told ("classes", share done 0..1) where scenes must be read to know theirs.
        known: the list, where it is known already.

    Raises:
        InputError: as of `class_names`.
    """
    classes = class_names(sources, progress) if known is None else list(known)
    return [Renumbered(source, tuple(classes)) for source in sources], classes


def class_names(sources: Sequence[Source], progress: Progress = silent) -> list[str]:
    """The one list of classes of all these scenes, joined by name, or by number where none has names.

    A scene may name the first of them alone, as LAS names classes up to the highest that a file has. Of scene folders
    only the list of classes is read, of others the whole.

    Args:
        sources: labelled scenes, or some.
        progress: told ("classes", share done 0..1).

    Raises:
        InputError: some scenes name their classes and others have numbers alone.
    """
    lists = []
    for number, source in enumerate(sources, 1):
        stored = _stored_names(source)
        names = _Found.of(read_source(source)) if stored is None else _Found("", stored, True, Counter())
        lists.append(names)
        progress("classes", number / len(sources))
    return _joined(lists)


def class_counts(sources: Sequence[Source], progress: Progress = silent) -> tuple[list[str], list[int]]:
    """`class_names`, and how many points each class has in all these scenes, which are all read for it.

    Raises:
        InputError: as of `class_names`.
    """
    found = []
    for number, source in enumerate(sources, 1):
        found.append(_Found.of(read_source(source)))
        progress("classes", number / len(sources))
    classes = _joined(found)
    total = sum((each.counts for each in found), Counter[str]())
    return classes, [total.pop(name, 0) for name in classes]


@dataclass(frozen=True)
class _Found:
    """The classes of a scene: their names, whether it names them itself, and how many points have each."""

    name: str
    classes: list[str]
    named: bool
    counts: Counter[str]

    @classmethod
    def of(cls, scene: Scene) -> _Found:
        if scene.labels is None:
            return cls(scene.name, scene.classes or [], scene.classes is not None, Counter())
        labels, own = numbered(scene)
        points = np.bincount(labels[labels >= 0], minlength=len(own)).tolist()
        counts = Counter[str]()
        for name, count in zip(own, points, strict=True):
            counts[name] += count
        return cls(scene.name, own, scene.classes is not None, counts)


def _joined(found: Sequence[_Found]) -> list[str]:
    labelled = [each for each in found if each.classes]
    bare = next((each for each in labelled if not each.named), None)
    if bare is None:
        return _joined_names([each.classes for each in labelled])
    if any(each.named for each in labelled):
        raise InputError(f"{bare.name}: numbers its classes without naming them, and other scenes name theirs")
    return sorted({name for each in labelled for name in each.classes}, key=int)


def _joined_names(lists: Sequence[list[str]]) -> list[str]:
    longest: list[str] = max(lists, key=len, default=[])
    others = [names for names in lists if names != longest[: len(names)]]
    if not others:
        return longest
    joined = list(dict.fromkeys([*longest, *(name for names in others for name in names)]))
    which = f"{len(others)} of {len(lists)} scenes list other classes ({', '.join(others[0][:_SHOWN])}, ...)"
    text = f"{which}: joined by name, {len(joined)} in all"
    warnings.warn(text, ScanwiseWarning, stacklevel=4)
    return joined


def _stored_names(source: Source) -> list[str] | None:
    """The classes that a scene folder names, without reading its points; None = not known without."""
    if isinstance(names := getattr(source, "classes", None), tuple):
        return list(names)  # a scene brought to a list
    if not isinstance(source, Path):
        return None
    try:
        names = json.loads((source / SCENE_FILE).read_text(encoding="utf-8"))["classes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None
