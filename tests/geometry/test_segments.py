"""Graph-based segmentation, against the algorithm as it is written, over a tree."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scanwise.geometry.segments import segment


def tree_of(count, edges, weights):
    """Numbers of a minimum spanning forest's edges, by Kruskal's rule."""
    of, kept = list(range(count)), []
    for number in np.argsort(weights, kind="stable"):
        one, other = of[edges[number][0]], of[edges[number][1]]
        if one != other:
            kept.append(number)
            of = [one if each == other else each for each in of]
    return kept


def as_written(count, edges, weights, scale):
    """Algorithm 1 of the paper."""
    parts = [{node} for node in range(count)]
    inner = [0.0] * count
    of = list(range(count))
    for number in np.argsort(weights, kind="stable"):
        one, other = of[edges[number][0]], of[edges[number][1]]
        step = weights[number]
        if one != other and step <= min(inner[one] + scale / len(parts[one]), inner[other] + scale / len(parts[other])):
            for node in parts[other]:
                of[node] = one
            parts[one] |= parts[other]
            inner[one] = step
    return of


@given(st.integers(2, 30), st.integers(0, 2**31), st.sampled_from([0.05, 0.3, 1.0, 4.0]))
def test_parts_are_those_of_the_algorithm_over_a_spanning_tree(count, seed, scale):
    generator = np.random.default_rng(seed)
    edges = generator.integers(0, count, (4 * count, 2))
    weights = generator.permutation(np.linspace(0, 1, 4 * count))  # no two alike, so that there is one order
    kept = tree_of(count, edges, weights)
    found = segment(count, edges, weights, scale=scale)
    wanted = as_written(count, edges[kept], weights[kept], scale)
    same = found[:, None] == found
    assert (same == (np.array(wanted)[:, None] == np.array(wanted))).all()


def test_parts_that_are_too_small_join_over_their_smallest_step():
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    weights = np.array([0.0, 5.0, 7.0, 0.0])
    assert segment(5, edges, weights, scale=1.0).tolist() == [0, 0, 1, 2, 2]
    assert segment(5, edges, weights, scale=1.0, least=2).tolist() == [0, 0, 0, 1, 1]


def test_nodes_without_edges_are_parts_and_numbers_go_by_first_nodes():
    assert segment(4, np.array([[3, 1]]), np.array([0.0]), scale=1.0).tolist() == [0, 1, 2, 1]
    assert segment(3, np.zeros((0, 2), int), np.zeros(0), scale=1.0, least=5).tolist() == [0, 1, 2]
