"""Which scenes are chosen."""

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.methods.geopurify.selection import choose_scenes, most_diverse


def test_one_scene_of_each_kind_is_chosen():
    kinds = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    random = np.random.default_rng(0)
    summaries = np.repeat(kinds, [20, 3, 7, 2], axis=0) + random.normal(0, 0.3, (32, 2))
    chosen = most_diverse(summaries, 4, seed=0)
    assert np.unique(np.repeat(np.arange(4), [20, 3, 7, 2])[chosen]).tolist() == [0, 1, 2, 3]
    assert chosen == most_diverse(summaries, 4, seed=0)


def test_as_many_scenes_as_there_are_even_if_they_are_all_the_same(teacher):
    assert len(set(most_diverse(np.ones((5, 3)), 3, seed=1))) == 3
    with pytest.raises(InputError, match="pool of 2"):
        choose_scenes([None, None], teacher, 3)
