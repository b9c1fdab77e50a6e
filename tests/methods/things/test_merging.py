"""Parts joined, the surest pairs first, by the mean of the logits between groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scanwise.methods.things.merging import joined

CHAIN = np.array([[0, 1], [1, 2], [2, 3]])


def test_groups_are_joined_down_to_a_limit():
    sure, less, none = joined(4, CHAIN, np.array([5.0, 1.0, -3.0]), [4.0, 0.0, 9.0])
    assert sure.tolist() == [0, 0, 1, 2]
    assert less.tolist() == [0, 0, 0, 1]
    assert none.tolist() == [0, 1, 2, 3]


def test_two_seams_count_by_their_mean():
    """1 and 2 go together first; between them and 0 the seams say 3 and -5, so -1 together."""
    pairs, logits = np.array([[0, 1], [0, 2], [1, 2]]), np.array([3.0, -5.0, 4.0])
    assert joined(3, pairs, logits, [0.0])[0].tolist() == [0, 1, 1]
    assert joined(3, pairs, logits, [-1.0])[0].tolist() == [0, 0, 0]


def test_parts_that_touch_nothing_stay_alone():
    assert joined(3, np.zeros((0, 2), np.int64), np.zeros(0), [0.0])[0].tolist() == [0, 1, 2]


@given(st.integers(2, 12), st.integers(0, 1000))
def test_scales_are_nested(count, seed):
    generator = np.random.default_rng(seed)
    pairs = np.array([(one, other) for one in range(count) for other in range(one + 1, count)])
    pairs = pairs[generator.random(len(pairs)) < 0.5]
    fine, coarse = joined(count, pairs, generator.normal(size=len(pairs)), [0.5, -0.5])
    for group in range(fine.max() + 1):
        assert len(set(coarse[fine == group].tolist())) == 1
