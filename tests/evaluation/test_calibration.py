"""Reliability by hand, and the temperature that answers were drawn with."""

import numpy as np
import pytest
from scipy.special import softmax

from scanwise.evaluation.calibration import Reliability, best_temperature


def test_error_by_hand():
    found = Reliability.empty()
    found.add(np.array([[0.75, 0.25], [0.25, 0.75], [0.95, 0.05], [0.5, 0.5]]), np.array([0, 0, 0, -1]))
    # of two at .75 one is right; the one at .95 is; the fourth is not known
    assert found.error == pytest.approx((abs(1.5 - 1) + abs(0.95 - 1)) / 3)
    assert found.above(0.9) == pytest.approx((1 / 3, 1.0))
    assert found.table()[7] == pytest.approx([0.6667, 0.75, 0.5])


def test_certainty_falls_into_the_last_tenth():
    found = Reliability.empty()
    found.add(np.array([[1.0, 0.0]]), np.array([0]))
    assert found.count[9] == 1
    assert found.error == 0


def test_the_temperature_that_was_used_is_found():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (40_000, 5))
    truth = np.array([generator.choice(5, p=row) for row in softmax(logits, 1)])
    assert best_temperature(3 * logits, truth) == pytest.approx(3, rel=0.05)
    assert Reliability.of(logits, truth).error < 0.01 < Reliability.of(3 * logits, truth).error
