"""The objects of a labelled scan: what each is called, how sure that is, where it is and how large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scanwise.geometry.objects import FoundObject, Placed, connected_parts, object_at
from scanwise.geometry.units import unit_of
from scanwise.scene import Scene

_FLOOR = 0.01  # quantile of the heights


@dataclass(frozen=True, eq=False)
class LabelledObject(Placed):
    """An object of a labelled scan; lengths in the unit of the scan's file, places in its frame.

    Attributes:
        id: its number in the column `object`.
        text: its word.
        number: among the objects of that word, the largest first, from 1: "chair 2".
        confidence: 0..1, mean over its points.
        runner_up: the next word that it could be, "" where there is but one.
        runner_up_confidence: 0..1.
        place: rows, centre, oriented box.
        floor_area: of the box, seen from above.
        volume: of the box.
        height_above_floor: of its lowest point.
        unit: of lengths.
    """

    id: int
    text: str
    number: int
    confidence: float
    runner_up: str
    runner_up_confidence: float
    place: FoundObject
    floor_area: float
    volume: float
    height_above_floor: float
    unit: str

    @property
    def name(self) -> str:
        """Word and number: "chair 2"."""
        return f"{self.text} {self.number}"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        place = self.place.facts()
        del place["score"]
        return {
            "id": self.id, "text": self.text, "name": self.name, "confidence": round(self.confidence, 4),
            "runner_up": self.runner_up, "runner_up_confidence": round(self.runner_up_confidence, 4), **place,
            "floor_area": round(self.floor_area, 4), "volume": round(self.volume, 4),
            "height_above_floor": round(self.height_above_floor, 4), "unit": self.unit,
        }  # fmt: skip


def objects_in(scene: Scene, object_of: np.ndarray, scores: np.ndarray, texts: Sequence[str]) -> list[LabelledObject]:
    """The objects of a scene.

    Args:
        scene: in metres, upright.
        object_of: (N,) int32 object of each point, 0..O-1, -1 = none; each has one word.
        scores: (N, K) of the words.
        texts: the K words.

    Returns:
        The O objects, by their ids.
    """
    rows = np.flatnonzero(object_of >= 0)
    if not len(rows):
        return []
    order = rows[np.argsort(object_of[rows], kind="stable")]
    members = np.split(order, np.cumsum(np.bincount(object_of[rows]))[:-1])
    floor = float(np.quantile(scene.points[scene.finite, 2], _FLOOR))
    scale = float(np.linalg.norm(scene.to_source[:3, 0]))
    words = [int(scores[of].sum(0).argmax()) for of in members]
    largest_first = sorted(range(len(members)), key=lambda each: -len(members[each]))
    numbers, seen = dict[int, int](), dict[int, int]()
    for each in largest_first:
        numbers[each] = seen[words[each]] = seen.get(words[each], 0) + 1
    return [
        _object(scene, each, numbers[each], words[each], of, scores, texts, floor, scale)
        for each, of in enumerate(members)
    ]


def connected_labels(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) int32 object of each point, where nothing better is known: connected points of one label; -1 = none.

    Args:
        points: (N, 3) metres.
        labels: (N,) -1 = none.
    """
    result, count = np.full(len(points), -1, np.int32), 0
    for label in np.unique(labels[labels >= 0]):
        for part in connected_parts(points, np.flatnonzero(labels == label)):
            result[part] = count
            count += 1
    return result


def _object(
    scene: Scene, each: int, number: int, word: int, rows: np.ndarray, scores: np.ndarray, texts: Sequence[str],
    floor: float, scale: float,
) -> LabelledObject:  # fmt: skip
    mean = scores[rows].mean(0, dtype=np.float64)
    others = np.where(np.arange(len(texts)) == word, -1.0, mean)
    runner_up = int(others.argmax()) if len(texts) > 1 else -1
    here = object_at(scene.points, scores[:, word], rows)
    length, width, height = here.size
    return LabelledObject(
        each, texts[word], number, float(mean[word]), "" if runner_up < 0 else texts[runner_up],
        max(float(others.max()), 0.0), here.moved(scene.to_source), float(length * width) * scale**2,
        float(length * width * height) * scale**3, float(here.center[2] - height / 2 - floor) * scale, unit_of(scene),
    )  # fmt: skip
