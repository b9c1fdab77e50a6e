"""LESS's losses by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from scanwise.methods.less.losses import area, dice, edges, point_contrast, weighted_bce
from scanwise.nn.kernel_maps import KernelMaps


def test_losses_by_hand() -> None:
    logits, target = torch.tensor([0.0, 2.0]), torch.tensor([True, False])
    expected = (20 * math.log(2) + math.log(1 + math.exp(2))) / 2
    assert weighted_bce(logits, target).item() == pytest.approx(expected, rel=1e-5)
    assert area(torch.tensor([0.0, math.log(3)])).item() == pytest.approx((0.5 + 0.75) / 2)
    assert dice(torch.tensor([50.0, -50.0, -50.0]), torch.tensor([True, False, True])).item() == pytest.approx(
        1 - 3 / 4
    )


def test_point_contrast_by_hand() -> None:
    feats = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    target = torch.tensor([True, True, False])
    # c = (.5, .5); s = exp(.5 / .05) for both; n = exp(20) for the first, exp(0) for the second
    ratios = [math.exp(10) / (math.exp(10) + math.exp(20)), math.exp(10) / (math.exp(10) + 1)]
    mine = point_contrast(feats, target).item()
    assert mine == pytest.approx(-sum(map(math.log, ratios)) / 2, rel=1e-4)
    official = point_contrast(feats, target, official=True).item()
    assert official == pytest.approx(-math.log(sum(ratios) / 2), rel=1e-4)
    assert point_contrast(feats, torch.zeros(3, dtype=torch.bool)).item() == 0


def test_edges_of_a_line() -> None:
    coords = torch.tensor([[x, 0, 0] for x in (4, 0, 1, 2, 3)])
    table = KernelMaps(coords, torch.zeros(5, dtype=torch.long)).submanifold(0)
    target = coords[:, 0] >= 2
    masks = torch.stack([target, target.new_zeros(5)], 1)
    assert edges(masks, table).T.tolist() == [[False, False, True, True, False], [False] * 5]


def test_contrast_with_drawn_points_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    feats = functional.normalize(torch.randn(2, 400, 3), dim=2) * 0.1 + torch.tensor([1.0, 0, 0])  # much alike
    target = torch.arange(400) < torch.tensor([[60], [0]])
    whole = point_contrast(feats, target)
    assert whole[1] == 0
    monkeypatch.setattr("scanwise.methods.less.losses._MOST_POSITIVES", 20)
    monkeypatch.setattr("scanwise.methods.less.losses._MOST_NEGATIVES", 80)
    drawn = torch.stack([point_contrast(feats, target)[0] for _ in range(50)])
    assert drawn.std() > 0
    assert drawn.mean().item() == pytest.approx(whole[0].item(), abs=3 * drawn.std().item() / 50**0.5 + 0.01)
