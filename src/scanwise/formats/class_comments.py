"""Names of classes in the comments of a file whose labels are numbers: `classes: ["wall", "floor"]`.

Many names are several such comments one after the other: readers of PLY exist that take lines of 1,000 letters at most.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scanwise.errors import ScanwiseWarning
from scanwise.scene import Scene

_WORD = "classes:"
_LONGEST = 200  # letters of names in a comment


def names_to_write(scene: Scene) -> list[str] | None:
    """The names of the column `label` that a writer makes of a scene; None = its labels, or their names, are unknown.

    An attribute `label`, an answer beside what the file had, is not what `classes` names.
    """
    if scene.labels is None or not scene.classes or "label" in scene.attributes:
        return None
    return list(scene.classes)


def comments_of(scene: Scene) -> list[str]:
    """The comments that name the classes of a scene, none where there are no names."""
    lines: list[list[str]] = []
    letters = _LONGEST
    for name in names_to_write(scene) or ():
        letters += len(json.dumps(name)) + 2
        if letters > _LONGEST:
            lines.append([])
            letters = len(json.dumps(name)) + 2
        lines[-1].append(name)
    return [f"{_WORD} {json.dumps(line)}" for line in lines]


def split_comments(comments: Iterable[str]) -> tuple[list[str] | None, list[str]]:
    """The names of classes among comments, and the other comments.

    Args:
        comments: without the sign that makes them one.
    """
    names: list[str] = []
    others: list[str] = []
    for comment in comments:
        found = _names_in(comment)
        if found is None:
            others.append(comment)
        else:
            names += found
    return names or None, others


def with_classes(scene: Scene, names: list[str] | None, where: object) -> Scene:
    """Gives a scene that was read the names of its labels, where it has labels and each has a name.

    Args:
        scene: without names; changed in place.
        names: what the file calls its classes.
        where: what a note begins with.

    Returns:
        The scene.
    """
    if names is None or scene.labels is None:
        return scene
    largest = int(scene.labels.max(initial=-1))
    if largest < len(names):
        scene.classes = names
    else:
        text = f"{where}: names {len(names)} classes and has label {largest}, so the names are left out"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
    return scene


def note_lost_names(scene: Scene, path: Path) -> None:
    """Says that a format without comments loses the names of classes, where there are any."""
    if names_to_write(scene) is not None:
        text = f"{path}: labels are written as numbers, without their names; .ply, .npz, .las or a folder keeps them"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)


def checked_names(value: Any) -> list[str] | None:
    """A list of texts as it is; None for anything else."""
    texts = isinstance(value, list) and len(value) > 0 and all(isinstance(name, str) for name in value)
    return value if texts else None


def _names_in(comment: str) -> list[str] | None:
    text = comment.strip().lstrip("#/ ")
    if not text.startswith(_WORD):
        return None
    try:
        return checked_names(json.loads(text[len(_WORD) :]))
    except (ValueError, RecursionError):
        return None
