import pytest
import torch

from scanwise.methods.segment.losses import MOST, lovasz_softmax, root_weights


def test_the_lovasz_loss_is_one_minus_iou_at_the_corners():
    labels = torch.tensor([0, 0, 1, 1])
    hard = torch.eye(2)[torch.tensor([0, 1, 1, 1])]
    # class 0: one of two hit, none too many: IoU 1/2; class 1: two hit, one too many: IoU 2/3
    assert float(lovasz_softmax(hard, labels)) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert float(lovasz_softmax(torch.eye(2)[labels], labels)) == 0


def test_the_lovasz_loss_by_hand_between_the_corners():
    labels, probabilities = torch.tensor([0, 1]), torch.tensor([[0.6, 0.4], [0.3, 0.7]])
    # class 0: errors .4 (true) and .3; sets {first}: 1 - 0/1 = 1, both: 1 - 0/2 = 1; loss .4 * 1 + .3 * 0
    # class 1: errors .3 (true) and .4: {second}: 1 - 1/2 = 1/2, both: 1; loss .4 * 1/2 + .3 * 1/2
    assert float(lovasz_softmax(probabilities, labels)) == pytest.approx((0.4 + 0.35) / 2)


def test_rare_classes_weigh_more_by_hand():
    # one over the roots: 1/4, 1/2, 1; their mean 7/12
    assert root_weights([16, 4, 1]) == pytest.approx([3 / 7, 6 / 7, 12 / 7])


def test_no_class_weighs_too_much_and_one_that_is_not_there_weighs_one():
    weights = root_weights([1_000_000, 0, 1])
    assert weights[1] == 1
    assert weights[2] / weights[0] == pytest.approx(MOST)
    assert (weights[0] + weights[2]) / 2 == pytest.approx(1)
    assert root_weights([0, 0]) == [1, 1]
