"""Objects in scores: what hangs together, and which part is the surest."""

import numpy as np

from scanwise.geometry.objects import connected_objects, object_at, surest_part


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


def test_a_box_in_the_frame_and_unit_of_a_file() -> None:
    """0.8 x 0.2 x 0.4 m at 30 degrees; the file is in millimetres and its y axis points up."""
    box = np.random.default_rng(0).uniform([-0.4, -0.1, 0], [0.4, 0.1, 0.4], (4000, 3))
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    found = object_at(box @ turn.T + [1, 2, 3], np.ones(4000), np.arange(4000))
    assert found.moved(np.eye(4)) is found
    to_source = np.eye(4)
    to_source[:3] = [[1000, 0, 0, 5], [0, 0, 1000, 0], [0, -1000, 0, 0]]
    moved = found.moved(to_source)
    np.testing.assert_allclose(moved.center, [1005, 3200, -2000], atol=10)
    np.testing.assert_allclose(moved.size, [800, 200, 400], atol=10)
    np.testing.assert_allclose(moved.up, [0, 1, 0], atol=1e-9)
    assert abs(np.degrees(moved.heading) - 30) < 1.5
    assert moved.facts()["up"] == [0, 1, 0]
