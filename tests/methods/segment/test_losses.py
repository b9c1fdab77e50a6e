import pytest
import torch

from scanwise.methods.segment.losses import lovasz_softmax


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
