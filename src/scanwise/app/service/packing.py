"""Labels and answers as a few small arrays, and back without loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from scanwise.scene import Scene
from scanwise.understand.answer import Answer
from scanwise.understand.labels import Labels
from scanwise.understand.objects import objects_in

_ODD = np.uint64(0x9E3779B97F4A7C15)


def labels_arrays(labels: Labels) -> dict[str, Any]:
    """The arrays of labels; of scores, which points of a thing share, each row once."""
    table, row = _distinct(labels.scores)
    return {"indices": labels.indices, "object_of": labels.object_of, "table": table, "row": row}


def labels_from(arrays: dict[str, np.ndarray], texts: list[str], facts: dict[str, Any], scene: Scene) -> Labels:
    """The labels of such arrays.

    Args:
        arrays: of `labels_arrays`.
        texts: their words.
        facts: of the work.
        scene: that was labelled.
    """
    scores = arrays["table"][arrays["row"]]
    objects = objects_in(scene, arrays["object_of"], scores, texts)
    return Labels(arrays["indices"], scores, texts, arrays["object_of"], objects, scene, facts)


def _distinct(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows (R, K) of scores (N, K), and which (N,) each point has."""
    mixed = np.zeros(len(scores), np.uint64)
    for column in np.ascontiguousarray(scores.T).view(np.uint32):
        mixed = (mixed ^ column) * _ODD
        mixed ^= mixed >> np.uint64(29)
    _, first, row = np.unique(mixed, return_index=True, return_inverse=True)
    table = scores[first]
    if not np.array_equal(table[row], scores):  # two rows of one hash
        return scores, np.arange(len(scores), dtype=np.int32)
    return table, row.astype(np.int32)


def things_facts(labels: Labels) -> list[dict[str, Any]]:
    """The things of labels, for JSON."""
    return [each.facts() for each in labels.objects]


def answer_arrays(answer: Answer) -> dict[str, Any]:
    """The arrays of an answer: its points, and those of each candidate."""
    arrays: dict[str, Any] = {"mask": np.packbits(answer.mask), "count": np.array(len(answer.mask))}
    for number, each in enumerate(candidates_of(answer)):
        arrays[f"rows{number}"] = rows_of(each).astype(np.int32)
    return arrays


def candidates_of(answer: Answer) -> list[Any]:
    """The likeliest things that a sentence may mean, at most three, the likeliest first."""
    told = getattr(answer, "candidates", None)
    if told is None:
        told = [*([] if answer.place is None else [answer.place]), *answer.runners_up]
    return list(told)[:3]


def rows_of(candidate: Any) -> np.ndarray:
    """(n,) rows of a candidate's points."""
    place = getattr(candidate, "place", candidate)
    return np.asarray(place.rows)


def answer_facts(answer: Answer) -> dict[str, Any]:
    """What an answer says, for JSON; places are in the frame and unit of the scan's file."""
    return {
        "text": answer.text,
        "found": answer.found,
        "presence": round(float(answer.presence), 4),
        "confidence": round(float(getattr(answer, "confidence", answer.presence)), 4),
        "points": int(answer.mask.sum()),
        "object": None if answer.place is None else _place(answer.place),
        "candidates": [_candidate(each) for each in candidates_of(answer)],
    }


def _place(place: Any) -> dict[str, Any]:
    facts = dict(place.facts())
    return {name: facts[name] for name in ("points", "center", "size", "heading", "up")}


def _candidate(each: Any) -> dict[str, Any]:
    confidence = getattr(each, "confidence", getattr(each, "score", 0.0))
    return {
        "id": int(getattr(each, "id", -1)), "text": str(getattr(each, "text", "")),
        "confidence": round(float(confidence), 4), "points": len(rows_of(each)),
        "center": np.round(np.asarray(each.center, float), 4).tolist(),
        "size": np.round(np.asarray(each.size, float), 4).tolist(),
    }  # fmt: skip
