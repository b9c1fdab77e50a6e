"""Sentences about a scan, answered by choosing among its things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from scanwise.errors import InputError
from scanwise.geometry.objects import FoundObject, object_at
from scanwise.scene import Scene
from scanwise.understand.answer import SURE, Answer, Candidate
from scanwise.understand.choosing.choose import Ranking, rank
from scanwise.understand.choosing.evidence import SURFACES, Evidence
from scanwise.understand.choosing.phrases import Phrase, Query
from scanwise.understand.choosing.ranker import GROUPS, Ranker

ALIKE = 0.5
"""The same, from which two choices are alike: the sentence does not tell them apart."""
FEWEST_POINTS = 4  # of a thing that has a box


@dataclass(frozen=True, eq=False)
class Meant:
    """What a sentence means, over the P parts of a scan.

    Attributes:
        parts: (P,) bool.
        scores: (P,) 0..1, belief that a part is meant.
        groups: of the things meant each (P,) bool, the likeliest first.
        others: (belief, noun that it looks most like, (P,) bool) of up to `most` choices, the one meant among them.
        confidence: 0..1, how likely the answer is right.
        presence: 0..1, how likely there is such a thing.
        reason: why it is not surer; "" where it is.
    """

    parts: np.ndarray
    scores: np.ndarray
    groups: list[np.ndarray]
    others: list[tuple[float, str, np.ndarray]]
    confidence: float
    presence: float
    reason: str


def check_without(without: Sequence[str]) -> None:
    """Refuses names of parts that there are not.

    Raises:
        InputError: one of them is none of `ranker.GROUPS`.
    """
    for name in without:
        if name not in GROUPS:
            raise InputError(f"{name}: what can be left out is {', '.join(GROUPS)}", option="without")


def meant_by(
    query: Query, evidence: Evidence, ranker: Ranker, mask: np.ndarray | None, presence: float,
    *, without: Sequence[str] = (), most: int = 5,
) -> Meant:  # fmt: skip
    """What a sentence means.

    Args:
        query: the sentence, parsed.
        evidence: of the scan.
        ranker: that chooses.
        mask: (P,) LESS's mean probabilities of the parts; None = LESS is not asked.
        presence: LESS's, 0..1; .5 where it is not asked.
        without: what is not looked at, of `ranker.GROUPS`.
        most: choices that are told of.
    """
    phrases = query.but or query.targets
    found = [_phrase(each, query, evidence, ranker, mask, presence, without, most) for each in phrases]
    if not query.but and len(found) == 1:
        return found[0]
    parts = np.any([each.parts for each in found], axis=0)
    groups = [group for each in found for group in each.groups]
    scores = np.max([each.scores for each in found], axis=0)
    if query.but:
        parts, scores = ~parts, 1 - scores
        groups = [parts]
    least = min(found, key=lambda each: each.confidence)
    return Meant(
        parts, scores, groups, [each for one in found for each in one.others[:1]],
        least.confidence, min(each.presence for each in found), least.reason,
    )  # fmt: skip


def _phrase(
    phrase: Phrase, query: Query, evidence: Evidence, ranker: Ranker, mask: np.ndarray | None, presence: float,
    without: Sequence[str], most: int,
) -> Meant:  # fmt: skip
    found = rank(evidence, ranker, phrase, query.view, mask, presence, without)
    with torch.no_grad():
        confidence, here = (float(each) for each in ranker.sure(torch.from_numpy(found.trust)))
    names = evidence.names([each.candidate for each in found.choices[:most]], phrase.noun)
    inside = [evidence.candidates.parts(each.candidate) for each in found.choices[:most]]
    others = [(each.mass, name, group) for each, name, group in zip(found.choices[:most], names, inside, strict=False)]
    if phrase.noun in SURFACES and not phrase.relations and not phrase.ranks:
        surface, sure = evidence.surface(phrase.noun)
        if surface.any():
            others[0] = (others[0][0], phrase.noun, surface)
            return Meant(surface, surface.astype(np.float32), [surface], others, sure, sure, "")
    groups = [evidence.candidates.parts(each.candidate) for each in found.meant]
    reason = _reason(phrase, found, names, confidence, here)
    return Meant(
        np.any(groups, axis=0), _belief(evidence, found), groups, others, confidence, here, reason
    )  # fmt: skip


def _belief(evidence: Evidence, found: Ranking) -> np.ndarray:
    """(P,) the ranker's belief in all candidates that a part belongs to."""
    belief = np.exp(found.scores - found.scores.max())
    belief = (belief / belief.sum()).astype(np.float32)
    levels = evidence.candidates.levels
    of_all = np.zeros(len(evidence.candidates), np.float32)
    of_all[found.rows] = belief
    result, before = np.zeros(levels.shape[1], np.float32), np.full(levels.shape[1], -1)
    for level in levels:
        result += np.where(level != before, of_all[level], 0)
        before = level
    return np.clip(result, 0, 1)


def _reason(phrase: Phrase, found: Ranking, names: list[str], confidence: float, here: float) -> str:
    """Why an answer is not surer, in a few words."""
    if confidence >= 0.5:
        return ""
    noun = phrase.noun or "thing"
    alike = sum(each.mass >= ALIKE * found.choices[0].mass for each in found.choices)
    if phrase.amount == 1 and alike > 1:
        return f"{alike} things fit about as well; the sentence does not tell them apart"
    if names and names[0] != noun:
        return f"nothing looks much like a {noun}; the nearest looks like {names[0]}"
    if here < 0.5:
        return f"there may be no such {noun} here"
    return f"which {noun} is meant is a guess"


def answer_from(
    scene: Scene, query: Query, meant: Meant, of_point: np.ndarray, words: list[tuple[str, float]], threshold: float
) -> Answer:
    """What is meant as an answer over the points of a scene.

    Args:
        scene: as it is worked on.
        query: the sentence.
        meant: over parts.
        of_point: (n,) part of each finite point.
        words: (word, share of LESS's attention).
        threshold: of presence, below which there is no such thing.
    """
    rows = np.flatnonzero(scene.finite)
    scores = np.zeros(len(scene), np.float32)
    scores[rows] = meant.scores[of_point]
    mask = np.zeros(len(scene), bool)
    mask[rows] = meant.parts[of_point]

    def place(parts: np.ndarray) -> FoundObject | None:
        own = rows[parts[of_point]]
        return object_at(scene.points, scores, own).moved(scene.to_source) if len(own) >= FEWEST_POINTS else None

    whole = place(meant.parts)
    objects = [each for each in map(place, meant.groups) if each is not None]
    candidates = [
        Candidate(number, name, belief * meant.presence, spot)
        for number, (belief, name, parts) in enumerate(meant.others, 1)
        if (spot := place(parts)) is not None
    ]
    found = whole is not None and meant.confidence >= SURE
    here = whole is not None and meant.presence >= threshold
    return Answer(
        query.text, mask, scores, found, meant.presence, whole, objects,
        [each.place for each in candidates[1:]], words, meant.confidence,
        "found" if found else "not sure" if here else "not here", candidates[:3], "" if found else meant.reason,
        query.unread,
    )  # fmt: skip
