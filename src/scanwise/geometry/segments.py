"""Graph-based segmentation: parts within which no step is large beside what the part is like.

The rule of Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation" (IJCV 2004): edges in ascending
order join two parts if the step between them is at most min(Int(A) + k / |A|, Int(B) + k / |B|), where Int is the
largest step within a part. Theirs runs over all edges of a graph, ours over those of its minimum spanning tree, which
compiled code finds: what is left are as many steps as there are voxels, and parts are joined over their smallest steps.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import minimum_spanning_tree

_LEAST = 1e-9  # a weight of 0 would be no edge to scipy


def segment(count: int, edges: np.ndarray, weights: np.ndarray, *, scale: float, least: int = 1) -> np.ndarray:
    """Parts of a graph.

    Args:
        count: N nodes.
        edges: (E, 2) nodes that each edge joins; edges given twice, in either direction, count by the smaller weight.
        weights: (E,) >= 0, the steps.
        scale: k: the larger, the larger the parts.
        least: nodes of a part; smaller ones are joined over their smallest step where they have any.

    Returns:
        (N,) int32 part of each node, 0..P-1 in the order of their first nodes.
    """
    first, second, steps = _tree(count, edges, weights)
    parts = _Parts(count)
    refused = parts.join(first, second, steps, scale)
    if least > 1:
        parts.join_small(first[refused], second[refused], least)
    return parts.numbered()


def _tree(count: int, edges: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of a minimum spanning forest, by ascending weight."""
    low, high = np.minimum(edges[:, 0], edges[:, 1]), np.maximum(edges[:, 0], edges[:, 1])
    order = np.lexsort((weights, high, low))
    low, high, steps = low[order], high[order], np.asarray(weights, float)[order]
    own = np.ones(len(low), bool)
    own[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    own &= low != high
    graph = csr_matrix((steps[own] + _LEAST, (low[own], high[own])), shape=(count, count))
    tree = minimum_spanning_tree(graph).tocoo()
    ascending = np.argsort(tree.data, kind="stable")
    return tree.row[ascending], tree.col[ascending], tree.data[ascending] - _LEAST


class _Parts:
    """Parts that are joined two by two (union-find, paths halved)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))
        self._sizes = [1] * count

    def _top(self, node: int) -> int:
        above = self._above
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    def _union(self, one: int, other: int) -> int:
        if self._sizes[one] < self._sizes[other]:
            one, other = other, one
        self._above[other] = one
        self._sizes[one] += self._sizes[other]
        return one

    def join(self, first: np.ndarray, second: np.ndarray, steps: np.ndarray, scale: float) -> np.ndarray:
        """Joins over the edges that the rule allows; the numbers of those that it refuses."""
        most = [scale] * len(self._above)  # Int + k / size, of each top
        refused = []
        for number, (one, other, step) in enumerate(zip(first.tolist(), second.tolist(), steps.tolist(), strict=True)):
            one, other = self._top(one), self._top(other)
            if step <= most[one] and step <= most[other]:
                top = self._union(one, other)
                most[top] = step + scale / self._sizes[top]
            else:
                refused.append(number)
        return np.array(refused, int)

    def join_small(self, first: np.ndarray, second: np.ndarray, least: int) -> None:
        """Joins over the remaining edges, the smallest first, where one of the parts has fewer nodes than this."""
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            one, other = self._top(one), self._top(other)
            if one != other and min(self._sizes[one], self._sizes[other]) < least:
                self._union(one, other)

    def numbered(self) -> np.ndarray:
        """(N,) int32 part of each node."""
        tops = np.array([self._top(node) for node in range(len(self._above))], np.int64)
        _, place, inverse = np.unique(tops, return_index=True, return_inverse=True)
        rank = np.empty(len(place), np.int32)
        rank[np.argsort(place)] = np.arange(len(place), dtype=np.int32)
        return rank[inverse.reshape(-1)]
