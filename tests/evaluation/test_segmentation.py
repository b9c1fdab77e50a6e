import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from scanwise.evaluation.segmentation import Confusion


def test_iou_and_accuracy_by_hand():
    counts = Confusion(["a", "b", "c"])
    counts.add(np.array([0, 0, 0, 1, 1, -1]), np.array([0, 0, 1, 1, 2, 0]))
    np.testing.assert_allclose(counts.iou, [2 / 3, 1 / 3, np.nan])
    np.testing.assert_allclose(counts.accuracy, [2 / 3, 1 / 2, np.nan])
    assert counts.metrics() == pytest.approx({"miou": 1 / 2, "macc": 7 / 12, "accuracy": 3 / 5})
    assert "| a | 66.7 | 66.7 | 3 |" in counts.table()
    assert "| c |" not in counts.table()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_metrics_are_those_of_torchmetrics(seed):
    random = np.random.default_rng(seed)
    truth, predicted = random.integers(-1, 4, 400), random.integers(0, 4, 400)
    counts = Confusion(list("abcd"))
    for part in range(0, 400, 100):
        counts.add(truth[part : part + 100], predicted[part : part + 100])
    tensors = torch.from_numpy(predicted), torch.from_numpy(truth)
    metrics = counts.metrics()
    assert metrics["miou"] == pytest.approx(float(MulticlassJaccardIndex(4, ignore_index=-1)(*tensors)), abs=1e-6)
    assert metrics["macc"] == pytest.approx(float(MulticlassAccuracy(4, ignore_index=-1)(*tensors)), abs=1e-6)


def test_the_sum_over_processes_counts_every_point():
    counts = Confusion(["a", "b"])
    counts.add(np.array([0, 1]), np.array([0, 0]))
    assert counts.reduced(lambda matrix: 2 * matrix).matrix.sum() == 4


def test_nothing_measured_is_zero_and_not_an_error():
    assert Confusion(["a"]).metrics()["miou"] == 0


def test_a_confusion_matrix_is_drawn(tmp_path):
    counts = Confusion(["a", "b"])
    counts.add(np.array([0, 1, 1]), np.array([0, 1, 0]))
    counts.draw(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
