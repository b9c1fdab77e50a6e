"""Objects in scores: what hangs together, and which part is the surest."""

import numpy as np

from scanwise.geometry.objects import connected_objects, surest_part


def test_two_heaps_are_two_pieces() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.uniform(0, 0.3, (300, 3)), generator.uniform(0, 0.3, (100, 3)) + 2
    points = np.concatenate([one, other, [[9.0, 9, 9]]])
    found = connected_objects(points, np.full(401, 0.4), np.arange(401))
    assert [len(each.rows) for each in found] == [300, 100]


def test_the_surest_piece_is_no_speck() -> None:
    near, far = np.random.default_rng(0).normal(0, 0.02, (2, 100, 3))
    points = np.concatenate([near, far + 5, [[9, 9, 9]]])
    scores = np.concatenate([np.full(100, 0.6), np.full(100, 0.7), [0.9]])
    assert sorted(surest_part(points, scores, np.arange(201))) == [*range(100, 200)]
    assert surest_part(points, scores, np.array([3, 200])).tolist() == [200]
