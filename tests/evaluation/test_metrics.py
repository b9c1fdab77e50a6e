"""Metrics by hand, against torchmetrics, and by two processes."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import (
    BinaryAUROC,
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassJaccardIndex,
)

from scanwise.evaluation.metrics import (
    class_accuracy,
    class_iou,
    compute_masks,
    compute_points,
    compute_presence,
    gathered,
    iou,
    no_masks,
    no_points,
    no_presence,
    object_ious,
    summed,
    update_ious,
    update_masks,
    update_points,
    update_presence,
)

CLASSES = 5


def test_points_by_hand() -> None:
    empty = no_points(3)
    state = update_points(empty, np.array([0, 0, 0, 1, 1, -1]), np.array([0, 0, 1, 1, 2, 0]))
    np.testing.assert_array_equal(state, [[2, 1, 0], [0, 1, 1], [0, 0, 0]])
    assert not empty.any()  # nothing is changed in place
    np.testing.assert_allclose(class_iou(state), [2 / 3, 1 / 3, np.nan])
    np.testing.assert_allclose(class_accuracy(state), [2 / 3, 1 / 2, np.nan])
    assert compute_points(state) == pytest.approx({"miou": 1 / 2, "macc": 7 / 12, "accuracy": 3 / 5})
    assert compute_points(empty) == {"miou": 0, "macc": 0, "accuracy": 0}


@pytest.mark.parametrize(("truth", "predicted"), [([0, 1], [0, 3]), ([0, 1], [0, -1]), ([0, 3], [0, 1])])
def test_a_class_that_is_none_is_not_counted_as_another(truth: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match="outside the 3 classes"):
        update_points(no_points(3), np.array(truth), np.array(predicted))
    assert update_points(no_points(3), np.array([0, -1]), np.array([0, -1])).sum() == 1  # the second does not count


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), classes_there=st.integers(1, CLASSES))
def test_points_are_those_of_torchmetrics(seed: int, classes_there: int) -> None:
    random = np.random.default_rng(seed)
    truth, predicted = random.integers(-1, classes_there, 300), random.integers(0, classes_there, 300)
    state = no_points(CLASSES)
    for rows in np.array_split(np.arange(300), 7):
        state = update_points(state, truth[rows], predicted[rows])
    tensors = torch.from_numpy(predicted), torch.from_numpy(truth)
    same = {"num_classes": CLASSES, "ignore_index": -1}
    np.testing.assert_array_equal(state, MulticlassConfusionMatrix(**same)(*tensors))
    there = np.unique(truth[truth >= 0])
    ious = MulticlassJaccardIndex(average="none", **same)(*tensors).numpy()
    accuracies = MulticlassAccuracy(average="none", **same)(*tensors).numpy()
    np.testing.assert_allclose(class_iou(state)[there], ious[there], atol=1e-6)
    np.testing.assert_allclose(class_accuracy(state)[there], accuracies[there], atol=1e-6)
    found = compute_points(state)
    assert found["miou"] == pytest.approx(ious[there].mean(), abs=1e-6)
    assert found["macc"] == pytest.approx(accuracies[there].mean(), abs=1e-6)
    micro = MulticlassAccuracy(average="micro", **same)(*tensors)
    assert found["accuracy"] == pytest.approx(float(micro), abs=1e-6)


def test_masks_by_hand() -> None:
    truth = np.array([1, 1, 1, 1, 0, 0], bool)
    first, second, last = np.eye(6, dtype=bool)[[0, 1, 5]]
    half, quarter, none = first | second, first, last
    assert [iou(truth, mask) for mask in (half, quarter, none)] == [0.5, 0.25, 0]
    assert iou(none & half, none & half) == 0
    state = no_masks()
    for mask in (half, quarter, none):
        state = update_masks(state, truth, mask)
    expected = {"miou": 0.25, "acc25": 2 / 3, "acc50": 1 / 3, "sentences": 3}
    assert compute_masks(state) == pytest.approx(expected)
    assert compute_masks(update_ious(no_masks(), np.array([0.5, 0.25, 0]))) == pytest.approx(expected)
    assert compute_masks(no_masks()) == {}


def test_ious_with_every_object() -> None:
    instances = np.array([0, 0, 0, 0, 2, 2, -1, -1])
    mask = np.array([0, 0, 1, 1, 1, 0, 1, 0], bool)
    np.testing.assert_allclose(object_ious(mask, instances), [2 / 6, 0, 1 / 5])
    np.testing.assert_allclose(object_ious(np.zeros(8, bool), instances), 0)


def test_presence_by_hand() -> None:
    state = update_presence(no_presence(), np.array([True, True, False, False]), np.array([0.9, 0.4, 0.4, 0.1]))
    found = compute_presence(state)
    assert found["auc"] == pytest.approx(3.5 / 4)  # of four pairs three are in order, and one is level
    assert found["balanced"] == pytest.approx(0.75)
    assert found["threshold"] in (pytest.approx(0.25), pytest.approx(0.65))
    assert compute_presence(state[:2]) == compute_presence(state[2:]) == {}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.sampled_from([4, 1000]))
def test_presence_is_that_of_torchmetrics_and_no_threshold_is_better(seed: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    here, sure = random.random(80) < 0.6, random.integers(0, steps, 80) / steps
    here[:2] = True, False
    state = no_presence()
    for rows in np.array_split(np.arange(80), 5):
        state = update_presence(state, here[rows], sure[rows])
    found = compute_presence(state)
    official = BinaryAUROC()(torch.from_numpy(sure), torch.from_numpy(here).int())
    assert found["auc"] == pytest.approx(float(official), abs=1e-6)

    def balanced(threshold: float) -> float:
        return float((sure[here] >= threshold).mean() + (sure[~here] < threshold).mean()) / 2

    assert balanced(found["threshold"]) == pytest.approx(found["balanced"])
    assert found["balanced"] >= max(map(balanced, np.linspace(-0.01, 1.01, 500).tolist())) - 1e-9


def measured(rank: int, world: int) -> dict[str, float]:
    """What a process finds that has its share of the same points, masks and sentences, once they are put together."""
    random = np.random.default_rng(3)
    points, masks, presence = no_points(CLASSES), no_masks(), no_presence()
    for number in range(7):  # no multiple of two
        truth, predicted = random.integers(-1, CLASSES, (2, 50))
        sure = random.random(4)
        if number % world == rank:
            points = update_points(points, truth, predicted.clip(0))
            masks = update_masks(masks, truth > 1, predicted > 1)
            presence = update_presence(presence, sure > random.random(4), sure)
        else:
            random.random(4)
    parts = gathered(presence)
    return {
        **compute_points(summed(points)), **compute_masks(summed(masks)), **compute_presence(np.concatenate(parts)),
        "processes": len(parts),
    }  # fmt: skip


def work(rank: int, world: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    torch.save(measured(rank, world), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    multiprocessing.spawn(work, (2, str(tmp_path)), nprocs=2)
    alone = measured(0, 1)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        assert found.pop("processes") == 2
        assert found == pytest.approx({name: value for name, value in alone.items() if name != "processes"})
