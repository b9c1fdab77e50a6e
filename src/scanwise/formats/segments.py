"""Objects of ScanNet and Matterport3D: a segment for each vertex or face, and objects that are groups of segments."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_json
from scanwise.scene import Box


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a mesh.

    Attributes:
        named: id and raw category of each object, in the file's order.
        ids: (N,) int32 object of each vertex or face, -1 = none.
    """

    named: list[tuple[int, str]]
    ids: np.ndarray

    def boxes(self, points: np.ndarray, instances: np.ndarray) -> list[Box]:
        """A box around each object that has points.

        Args:
            points: (N, 3) metres.
            instances: (N,) object of each point, -1 = none.
        """
        there = [(number, name) for number, name in self.named if number in instances]
        return [Box.around(points[instances == number], number, name) for number, name in there]


def read_objects(groups: Path, segments: Path, count: int, what: str) -> Objects | None:
    """The objects of a mesh; None, with a warning where only one of the two files is missing.

    Args:
        groups: JSON with `segGroups`: id, label and segments of each object.
        segments: JSON with `segIndices`: the segment of each vertex or face.
        count: how many of those there are.
        what: what they are, for errors: "vertices of the mesh".

    Raises:
        InputError: a file is damaged, or has not `count` segments.
    """
    absent = [file for file in (groups, segments) if not file.is_file()]
    if len(absent) == 1:
        text = f"{absent[0]}: missing, so the scene has no instances and no boxes; download it as well"
        warnings.warn(text, ScanwiseWarning, stacklevel=5)
    if absent:
        return None
    indices = _segments(segments, count, what)
    ids, named = np.full(count, -1, np.int32), []
    for number, name, members in _groups(groups):
        ids[np.isin(indices, members)] = number
        named.append((number, name))
    return Objects(named, ids)


def _segments(path: Path, count: int, what: str) -> np.ndarray:
    try:
        indices = np.array(read_json(path)["segIndices"], np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: damaged; no list segIndices of numbers in it") from error
    if indices.shape != (count,):
        raise InputError(f"{path}: {indices.size} segIndices for the {count} {what}; download both again")
    return indices


def _groups(path: Path) -> list[tuple[int, str, list[int]]]:
    """Id, raw category and segments of each object."""
    try:
        return [
            (int(group["id"]), str(group["label"]), [int(member) for member in group["segments"]])
            for group in read_json(path)["segGroups"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged; no list segGroups with id, label and segments in it") from error
