"""nuScenes' metrics against numbers worked out by hand."""

import numpy as np
import pytest

from scanwise.evaluation.detection import (
    Detections,
    average_precision,
    detection_score,
    error_over_recall,
    matches,
    pair_errors,
    precision_curve,
)
from scanwise.geometry.box_arrays import Boxes


def boxes(*rows, classes=None, scores=None, sizes=(4.0, 2.0, 1.5), headings=0.0, velocities=(0.0, 0.0)) -> Boxes:
    """Boxes at (x, y)."""
    count = len(rows)
    return Boxes(
        np.array([(*row, 0.0) for row in rows]).reshape(-1, 3), np.tile(sizes, (count, 1)).astype(float),
        np.full(count, headings), np.tile(velocities, (count, 1)).astype(float),
        np.zeros(count, int) if classes is None else np.array(classes),
        np.ones(count) if scores is None else np.array(scores),
    )  # fmt: skip


def test_the_surest_takes_the_nearest_true_box():
    truth, predicted = np.array([[0.0, 0], [3, 0]]), np.array([[0.4, 0], [0.1, 0], [2.0, 0]])
    assert matches(truth, predicted, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [0, -1, -1]
    assert matches(truth, predicted, np.array([0.8, 0.9, 0.7]), 0.5).tolist() == [-1, 0, -1]
    assert matches(truth, predicted, np.array([0.9, 0.8, 0.7]), 4.0).tolist() == [0, 1, -1]
    assert matches(truth[:0], predicted, np.ones(3), 4.0).tolist() == [-1, -1, -1]


def test_a_pair_at_the_very_threshold_is_none():
    assert matches(np.zeros((1, 2)), np.array([[2.0, 0]]), np.ones(1), 2.0).tolist() == [-1]


def test_perfect_precision_is_one():
    precision, confidence = precision_curve(np.array([0.9, 0.5]), np.array([True, True]), 2)
    assert average_precision(precision) == pytest.approx(1)
    assert confidence[0] == 0.9
    assert confidence[100] == 0.5


def test_half_recall_at_full_precision():
    """Recalls .11 to .50 have precision 1, the other 50 of the 90 have 0: 40 / 90."""
    precision, _ = precision_curve(np.array([0.9]), np.array([True]), 2)
    assert average_precision(precision) == pytest.approx(40 / 90)


def test_a_wrong_one_first():
    """Wrong, then right, of one true box: as in the official tool precision rises in a line from 0 to 1/2 at recall 1.

    Above .1 it is at the 80 recalls r = .21 to 1, by r / 2 - .1: 48.4 / 2 - 8 = 16.2, of 90 times .9.
    """
    precision, _ = precision_curve(np.array([0.9, 0.8]), np.array([False, True]), 1)
    assert average_precision(precision) == pytest.approx(16.2 / 90 / 0.9)


def test_precision_below_a_tenth_counts_nothing():
    right = np.array([False] * 10 + [True])
    precision, _ = precision_curve(np.linspace(1, 0.5, 11), right, 1)
    assert average_precision(precision) == 0.0


def test_recall_below_a_tenth_counts_nothing():
    precision, confidence = precision_curve(np.array([0.9]), np.array([True]), 20)
    assert average_precision(precision) == 0.0
    assert error_over_recall(np.array([0.2]), np.array([0.9]), confidence) == 1.0


def test_an_error_is_the_mean_over_recalls_of_the_running_mean():
    """Two of two found, errors .2 (surer) and .6: running means .2 and .4, at recalls .5 and 1.

    Confidence falls from .9 at recall .5 to .5 at recall 1 in a line, and so the error rises: over recalls .11 to .50
    it is .2, over .51 to 1 its mean is .2 + .2 * mean(1/50 .. 50/50) = .2 + .2 * .51.
    """
    scores, errors = np.array([0.5, 0.9]), np.array([0.6, 0.2])
    _, confidence = precision_curve(scores, np.array([True, True]), 2)
    expected = (40 * 0.2 + 50 * (0.2 + 0.2 * 0.51)) / 90
    assert error_over_recall(errors, scores, confidence) == pytest.approx(expected)


def test_errors_that_are_not_known_are_passed_over():
    scores = np.array([0.9, 0.8])
    _, confidence = precision_curve(scores, np.array([True, True]), 2)
    assert error_over_recall(np.array([0.3, np.nan]), scores, confidence) == pytest.approx(0.3)
    assert error_over_recall(np.array([np.nan, np.nan]), scores, confidence) == 1.0


def test_errors_of_a_pair():
    truth = boxes((0, 0), sizes=(4, 2, 1), headings=0.1, velocities=(1, 0))
    found = boxes((3, 4), sizes=(2, 2, 2), headings=0.1 + np.pi - 0.2, velocities=(1, 2))
    errors = pair_errors(truth, found)
    assert errors["ate"] == pytest.approx(5)
    assert errors["ase"] == pytest.approx(1 - 4 / 12)  # 2 x 2 x 1 in common of 8 + 8 - 4
    assert errors["aoe"] == pytest.approx(np.pi - 0.2)
    assert pair_errors(truth, found, np.pi)["aoe"] == pytest.approx(0.2)
    assert errors["ave"] == pytest.approx(2)
    assert np.isnan(pair_errors(boxes((0, 0), velocities=(np.nan, np.nan)), found)["ave"])


def test_the_score_of_detection():
    assert detection_score(1.0, dict.fromkeys(("ate", "ase", "aoe", "ave"), 0.0)) == pytest.approx(0.9)
    errors = {"ate": 0.4, "ase": 0.2, "aoe": 3.0, "ave": float("nan")}
    assert detection_score(0.3, errors) == pytest.approx((1.5 + 0.6 + 0.8 + 0 + 0) / 10)


def test_two_sweeps_with_two_classes():
    """Cars: one of two found within half a metre, the other within 1.5 m; the only cone is not found.

    At .5 and 1 m precision is 1 at recalls .11 to .49, at .5 it is that after the wrong one, 1/2.
    """
    found = Detections(["car", "traffic_cone"])
    found.add(boxes((10, 0), (20, 0), classes=[0, 1]), boxes((10.2, 0), scores=[0.9]))
    found.add(boxes((5, 0)), boxes((6.5, 0), scores=[0.6]))
    car, cone = found.of_class(0), found.of_class(1)
    assert car["truths"] == 2
    assert car["ap_0.5"] == car["ap_1"] == pytest.approx((39 + 0.4 / 0.9) / 90)
    assert car["ap_2"] == car["ap_4"] == pytest.approx(1)
    assert cone["ap"] == 0
    assert np.isnan(cone["aoe"])
    assert cone["ate"] == 1.0
    whole = found.metrics()
    assert whole["map"] == pytest.approx(car["ap"] / 2)
    assert car["ap"] == pytest.approx((2 * (39 + 0.4 / 0.9) / 90 + 2) / 4)
    assert whole["ase"] == pytest.approx(0.5)  # cars 0, the cone 1
    assert whole["aoe"] == pytest.approx(0)
    assert whole["nds"] == pytest.approx(detection_score(whole["map"], whole))
    assert "| car | 71.9 |" in found.table()


def test_boxes_beyond_the_range_of_their_class_are_passed_over():
    found = Detections(["car", "traffic_cone"])
    found.add(boxes((49, 0), (51, 0), (29, 0), (31, 0), classes=[0, 0, 1, 1]), boxes((60, 0)))
    assert found.truths.tolist() == [1, 1]
    assert sum(map(len, found.scores[0, 2.0])) == 0


def test_classes_that_the_truth_lacks_are_left_out():
    found = Detections(["car", "bus"])
    found.add(boxes((10, 0)), boxes((10, 0), (30, 0), classes=[0, 1]))
    assert found.metrics()["map"] == pytest.approx(1)
    assert "bus" not in found.table()
    assert Detections(["car"]).metrics()["map"] == 0


def test_parts_of_several_processes_make_the_whole():
    random = np.random.default_rng(0)
    parts, whole = [Detections(["car"]), Detections(["car"])], Detections(["car"])
    for number in range(6):
        truth = boxes(*random.uniform(-30, 30, (5, 2)))
        predicted = boxes(*(truth.centers[:, :2] + random.normal(0, 1, (5, 2))), scores=random.uniform(0, 1, 5))
        for each in (parts[number % 2], whole):
            each.add(truth, predicted)
    joined = Detections(["car"])
    for part in parts:
        joined.extend(part)
    assert joined.metrics() == pytest.approx(whole.metrics(), nan_ok=True)
