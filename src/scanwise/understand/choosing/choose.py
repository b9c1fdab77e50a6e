"""The choice: candidates ranked by what speaks for them, and how far it can be trusted.

Shapes: C candidates, P parts, n of them that are looked at closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scanwise.understand.choosing.evidence import ALONE, FEATURES, RELATIONS, Chosen, Evidence
from scanwise.understand.choosing.phrases import ALL, UNSAID, Phrase, View
from scanwise.understand.choosing.ranker import TRUST, Ranker

_FIRST_RELATION, _RELATIONS = len(ALONE), len(RELATIONS)
_CLOSELY = 96  # candidates by their noun, and as many by LESS's mask
ENOUGH = 0.25
"""Belief in a choice, over that in the first, from which it is meant as well where several are."""
_MOST = 40  # of several
_SAME = 0.5  # share of the smaller candidate in the other from which they are one choice


@dataclass(frozen=True, eq=False)
class Choice:
    """A candidate that a phrase may mean.

    Attributes:
        candidate: its row.
        mass: 0..1, share of the ranker's belief in it and in what overlaps it.
    """

    candidate: int
    mass: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """What a phrase may mean.

    Attributes:
        meant: the choices that are meant: one, or several where the phrase asks for them.
        choices: apart from each other, the likeliest first.
        rows: (n,) candidates looked at.
        scores: (n,) of the ranker.
        numbers: (n, F) that they were ranked by.
        trust: (len(TRUST),) numbers that confidence is told from.
    """

    meant: list[Choice]
    choices: list[Choice]
    rows: np.ndarray
    scores: np.ndarray
    numbers: np.ndarray
    trust: np.ndarray


def numbers_of(
    evidence: Evidence, ranker: Ranker, phrase: Phrase, view: View | None, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Candidates that a phrase may mean, (n,) rows, and what speaks for them, (n, F).

    Args:
        evidence: of the scan.
        ranker: whose first half tells nouns.
        phrase: what is asked for.
        view: that the sentence states.
        mask: (P,) LESS's mean probabilities of parts; None = LESS is not asked.
    """
    alone = evidence.alone(phrase)
    first = score_alone(ranker, alone)
    rows = _closely(evidence, first)
    of_mask = np.zeros((len(alone), len(FEATURES) - alone.shape[1] - _RELATIONS), np.float32)
    if mask is not None:
        of_mask = evidence.mask(mask)
        rows = np.union1d(rows, _closely(evidence, of_mask[:, 2]))
    anchors = _anchors(evidence, ranker, phrase, view)
    among = evidence.among(phrase, view, evidence.apart(first), anchors)
    return rows, np.concatenate([alone[rows], among[rows], of_mask[rows]], 1)


def rank(
    evidence: Evidence, ranker: Ranker, phrase: Phrase, view: View | None, mask: np.ndarray | None, presence: float,
    without: Sequence[str] = (),
) -> Ranking:  # fmt: skip
    """The choices for a phrase.

    Args:
        evidence: as of `numbers_of`.
        ranker: as of `numbers_of`.
        phrase: as of `numbers_of`.
        view: as of `numbers_of`.
        mask: as of `numbers_of`.
        presence: LESS's, 0..1; .5 where it is not asked.
        without: what is not looked at, of `ranker.GROUPS`.
    """
    rows, numbers = numbers_of(evidence, ranker, phrase, view, mask)
    with torch.no_grad():
        scores = ranker(torch.from_numpy(numbers), without).numpy()
    choices = _choices(evidence, rows, scores)
    count = how_many(phrase.amount, choices)
    trust = _trust(rows, numbers, choices, count, presence, bool(phrase.noun))
    return Ranking(choices[:count], choices, rows, scores, numbers, trust)


def how_many(amount: int, choices: list[Choice]) -> int:
    """How many of the choices a phrase means."""
    alike = sum(each.mass >= ENOUGH * choices[0].mass for each in choices[:_MOST])
    return alike if amount in (ALL, UNSAID) else min(amount, len(choices))


def score_alone(ranker: Ranker, alone: np.ndarray) -> np.ndarray:
    """(C,) log-probabilities of candidates by themselves."""
    with torch.no_grad():
        return ranker.alone(torch.from_numpy(alone)).numpy()


def _closely(evidence: Evidence, scores: np.ndarray) -> np.ndarray:
    usable = np.flatnonzero(evidence.candidates.usable)
    return usable[np.argsort(-scores[usable], kind="stable")[:_CLOSELY]]


def _anchors(evidence: Evidence, ranker: Ranker, phrase: Phrase, view: View | None) -> dict[Phrase, Chosen]:
    """What each thing that a phrase and its view compare with may be; relations of those are not gone into."""
    wanted = [anchor for relation in phrase.relations for anchor in relation.anchors]
    if view is not None:
        wanted += [spot for spot in (view.stand, view.look) if spot is not None]
    found = dict[Phrase, Chosen]()
    for each in wanted:
        if each not in found:
            scores = score_alone(ranker, evidence.alone(each))
            if each.ranks:
                alike = evidence.apart(scores)
                scores = scores + 2 * evidence.among(replace(each, relations=()), None, alike, {}).sum(1)
            found[each] = evidence.apart(scores)
    return found


def _choices(evidence: Evidence, rows: np.ndarray, scores: np.ndarray) -> list[Choice]:
    """Candidates that do not overlap, the likeliest first, each with the belief in what overlaps it."""
    order = np.argsort(-scores, kind="stable")
    rows, belief = rows[order], np.exp(scores[order] - scores.max())
    belief /= belief.sum()
    same = evidence.candidates.overlaps(rows) > _SAME
    left, found = np.ones(len(rows), bool), list[Choice]()
    for place in range(len(rows)):
        if not left[place]:
            continue
        taken = left & same[place]
        found.append(Choice(int(rows[place]), float(belief[taken].sum())))
        left &= ~taken
    return sorted(found, key=lambda each: -each.mass)


def _trust(
    rows: np.ndarray, numbers: np.ndarray, choices: list[Choice], count: int, presence: float, noun: bool
) -> np.ndarray:
    """(len(TRUST),) what tells how sure the first `count` choices are; those among them are no rivals."""
    best = numbers[int(np.flatnonzero(rows == choices[0].candidate)[0])]
    value = dict(zip(FEATURES, best.tolist(), strict=True))
    mass = np.clip(sum(each.mass for each in choices[:count]), 1e-4, 1 - 1e-4)
    rival = choices[count].mass if len(choices) > count else 0.0
    said = best[_FIRST_RELATION : _FIRST_RELATION + _RELATIONS].sum()
    presence = float(np.clip(presence, 1e-4, 1 - 1e-4))
    found = {
        "mass": np.log(mass / (1 - mass)), "joint": value["joint"], "joint over best": value["joint over best"],
        "mask over best": value["mask over best"], "fit": value["fit"], "presence": np.log(presence / (1 - presence)),
        "relations": said, "color": value["color"], "rival": rival / mass, "noun": float(noun),
    }  # fmt: skip
    return np.array([found[name] for name in TRUST], np.float32)
