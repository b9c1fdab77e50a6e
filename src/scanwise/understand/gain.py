"""What learning brings, measured on known things that are kept apart: as shipped, learned, and learned from scratch.

fitted, tested = kept_apart(scans, words)
measured(scans, fitted, tested, words, texts)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from scanwise.evaluation.segmentation import Confusion
from scanwise.understand.known import KnownScan
from scanwise.understand.learning import Learned, described_by_shape, examples_of, fit, known_counts, learn_head
from scanwise.understand.things import Things
from scanwise.understand.words import plain

SHARE = 4  # one thing in so many is kept apart
FEWEST = 8  # known things, below which all are learned from and nothing is measured


def kept_apart(scans: Sequence[KnownScan]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What is known, in two: things to learn from, and things to measure by; of each scan (N,) rows of words, -1 = not.

    Every fourth thing of a word is kept apart, the largest first learned from; none where fewer than eight are known.
    Where labels are of points alone, or a scan has but large parts known, parts count as things.
    """
    fitted, tested, seen, total = [], [], dict[int, int](), 0
    for each in scans:
        prepared, known = each.prepared, each.known
        things = prepared.things
        test = np.full(len(known), -1, np.int32)
        if things is not None:
            counts = known_counts(prepared, known, int(known.max(initial=0)) + 1)[:, :-1]
            labels = np.where(counts.sum(1) > 0, counts.argmax(1), -1)
            objects = things.objects(labels)
            of_point = objects[things.of_voxel[prepared.surface.voxels.of_point]]
            sizes = np.bincount(objects[objects >= 0], counts.sum(1)[objects >= 0])
            total += len(sizes)
            for thing in np.argsort(-sizes, kind="stable").tolist():
                word = int(labels[objects == thing][0])
                seen[word] = seen.get(word, 0) + 1
                if seen[word] % SHARE == 0:
                    rows = prepared.surface.finite[of_point == thing]
                    test[rows] = known[rows]
        tested.append(test)
        fitted.append(np.where(test >= 0, -1, known).astype(np.int32))
    if total < FEWEST:
        return [each.known for each in scans], [np.full_like(each.known, -1) for each in scans]
    return fitted, tested


def measured(
    scans: Sequence[KnownScan], fitted: Sequence[np.ndarray], tested: Sequence[np.ndarray], words: list[str],
    texts: Sequence[str],
) -> dict[str, dict[str, float]]:  # fmt: skip
    """MIoU and accuracy (0..1) on the points that were kept apart, of each way; none where there are no such points.

    Args:
        scans: that something is known of.
        fitted: of each what is learned from.
        tested: of each what is measured by.
        words: that are known.
        texts: what else labels choose from.
    """
    if not any((each >= 0).any() for each in tested):
        return {}
    pairs = [(each.prepared, known) for each, known in zip(scans, fitted, strict=True)]
    learned = learn_head(pairs, words, texts=texts, reviewed=False)
    scratch = _from_scratch(scans, fitted, words)
    ways = {"shipped": None, "learned": learned, "from scratch": scratch}
    result = {}
    for name, head in ways.items():
        confusion = Confusion(learned.words)  # means are over those that the known things have
        for each, test in zip(scans, tested, strict=True):
            if (test >= 0).any():
                found = _labels_from_scratch(each, scratch) if head is scratch else _labels(each, head, learned.words)
                confusion.add(test, found)
        metrics = confusion.metrics()
        result[name] = {"miou": metrics["miou"], "accuracy": metrics["accuracy"]}
    return result


def _labels(scan: KnownScan, head: Learned | None, names: Sequence[str]) -> np.ndarray:
    """(N,) words of a scan's points, by a head or as shipped."""
    prepared = scan.prepared
    logarithms = prepared.log_votes(names)
    if head is not None:
        logarithms = head(logarithms, [plain(name) for name in names], prepared.described)
    return _of_points(scan, logarithms)


def _labels_from_scratch(scan: KnownScan, head: Learned) -> np.ndarray:
    """(N,) words of a scan's points, by a head that knows nothing but how parts look."""
    things = scan.prepared.things
    assert isinstance(things, Things)
    parts = described_by_shape(scan.prepared.surface, things)
    flat = torch.full((len(things), len(head.words)), -float(np.log(len(head.words))))
    return _of_points(scan, things.votes(head(flat, head.words, parts).exp()))


def _of_points(scan: KnownScan, of_parts: torch.Tensor) -> np.ndarray:
    """(N,) int32 likeliest of values (P, K), -1 = points that are nowhere."""
    things, surface = scan.prepared.things, scan.prepared.surface
    assert things is not None
    result = np.full(len(scan.known), -1, np.int32)
    result[surface.finite] = of_parts.argmax(1).numpy()[things.of_voxel[surface.voxels.of_point]]
    return result


def _from_scratch(scans: Sequence[KnownScan], fitted: Sequence[np.ndarray], words: list[str]) -> Learned:
    """The same labels without anything learned before: a head on size, shape, height and colour of parts."""
    found, source = [], ""
    for each, known in zip(scans, fitted, strict=True):
        things = each.prepared.things
        assert isinstance(things, Things)
        parts = described_by_shape(each.prepared.surface, things)
        flat = torch.full((len(things), len(words)), -float(np.log(len(words))))
        counts = known_counts(each.prepared, known, len(words))
        made = examples_of(things, parts.features, flat, counts)
        made.weights[torch.from_numpy(counts[:, :-1].sum(1) == 0)] = 0
        found.append(made)
        source = parts.source
    return Learned(words, *fit(found, pull=1.0), source, {})
