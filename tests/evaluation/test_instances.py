"""Average precision of objects, worked out by hand."""

import numpy as np
import pytest

from scanwise.evaluation.instances import Matches, mean_metrics, object_overlaps


def test_overlaps_of_objects():
    truth = np.repeat([-1, 5, 7, 9], [100, 200, 200, 50])  # 9 is too small to be looked for
    predicted = np.repeat([-1, 0, 1, 1, 2], [100, 200, 100, 100, 50])
    ious, numbers, ignored = object_overlaps(predicted, truth)
    assert numbers.tolist() == [5, 7]
    np.testing.assert_allclose(ious, [[1, 0], [0, 1], [0, 0]])
    np.testing.assert_allclose(ignored, [0, 0, 1])


def test_precision_by_hand():
    """Surest first: right, wrong, right, of three true ones: 1/3 x 1 + 1/3 x 2/3."""
    matches = Matches()
    matches.add(np.array([[0.9, 0, 0], [0.2, 0.1, 0], [0, 0.6, 0]]), np.array([0.9, 0.8, 0.7]))
    assert matches.precision(0.5) == pytest.approx(1 / 3 + 2 / 9)
    assert matches.precision(0.75) == pytest.approx(1 / 3)
    assert matches.precision(0.25) == pytest.approx(1 / 3 + 2 / 9)
    assert matches.metrics()["ap"] == pytest.approx(((1 / 3 + 2 / 9) * 3 + 6 / 3 + 0) / 10)


def test_a_second_prediction_of_one_object_is_wrong():
    matches = Matches()
    matches.add(np.array([[0.9], [0.8]]), np.array([0.9, 0.5]))
    assert matches.right[0.5] == [True, False]
    assert matches.precision(0.5) == 1


def test_what_lies_where_nothing_is_asked_is_passed_over():
    matches = Matches()
    matches.add(np.array([[0.0], [0.8]]), np.array([0.9, 0.5]), np.array([0.9, 0.0]))
    assert matches.precision(0.5) == 1


def test_scenes_are_ranked_together():
    matches = Matches()
    matches.add(np.array([[0.9]]), np.array([0.2]))
    matches.add(np.array([[0.0]]), np.array([0.8]))
    assert matches.precision(0.5) == pytest.approx(0.25)  # the second is wrong, and surer


def test_nothing_found_and_nothing_there():
    matches = Matches()
    matches.add(np.zeros((0, 2)), np.zeros(0))
    assert matches.precision(0.5) == 0
    assert np.isnan(Matches().precision(0.5))
    assert mean_metrics({"chair": matches, "bed": Matches()})["ap50"] == 0
