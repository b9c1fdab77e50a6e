"""Parts joined into things, the surest pairs first.

Average linkage: two groups belong together as their pairs' mean logit says (as in "Hierarchical Agglomerative Graph
Clustering", arXiv 2106.05610); joined until that falls below a limit, so that limits give nested scales.

Shapes: P parts, E pairs of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np


def joined(count: int, pairs: np.ndarray, logits: np.ndarray, limits: Sequence[float]) -> list[np.ndarray]:
    """Groups of parts.

    Args:
        count: P.
        pairs: (E, 2) of parts that touch, each once.
        logits: (E,) that both are of one thing.
        limits: mean logits below which groups stay apart.

    Returns:
        For each limit (P,) int32 group of each part, numbered from 0 in the order of their first parts.
    """
    forest = _Forest(count, pairs, logits)
    found = dict[float, np.ndarray]()
    for limit in sorted(limits, reverse=True):
        forest.join(limit)
        found[limit] = forest.numbered()
    return [found[limit] for limit in limits]


class _Forest:
    """Groups with the sum and the number of the logits of the pairs between them."""

    def __init__(self, count: int, pairs: np.ndarray, logits: np.ndarray) -> None:
        self._above = list(range(count))
        self._beside: list[dict[int, tuple[float, int]]] = [{} for _ in range(count)]
        self._heap: list[tuple[float, int, int]] = []
        for (one, other), logit in zip(pairs.tolist(), logits.tolist(), strict=True):
            self._beside[one][other] = self._beside[other][one] = (logit, 1)
            self._heap.append((-logit, one, other))
        heapq.heapify(self._heap)

    def join(self, limit: float) -> None:
        """Joins all groups that belong together by at least this mean logit."""
        heap, beside = self._heap, self._beside
        while heap and -heap[0][0] >= limit:
            negative, one, other = heapq.heappop(heap)
            total, number = beside[one].get(other, (np.nan, 1))
            if -negative == total / number:  # else one of them is gone, or grew
                self._union(one, other)

    def _union(self, one: int, other: int) -> None:
        beside = self._beside
        if len(beside[one]) < len(beside[other]):
            one, other = other, one
        self._above[other] = one
        gone, beside[other] = beside[other], {}
        for third, (total, number) in gone.items():
            del beside[third][other]
            if third != one:
                more, count = beside[one].get(third, (0.0, 0))
                total, number = total + more, number + count
                beside[one][third] = beside[third][one] = (total, number)
                heapq.heappush(self._heap, (-total / number, one, third))

    def numbered(self) -> np.ndarray:
        """(P,) int32 group of each part."""
        above, number = self._above, dict[int, int]()
        groups = np.empty(len(above), np.int32)
        for part in range(len(above)):
            top = part
            while above[top] != top:
                top = above[top]
            groups[part] = number.setdefault(top, len(number))
        return groups
