"""KoLeo, against hand-computed numbers and finite differences."""

import math

import pytest
import torch

from scanwise.methods.stellar.losses import koleo


def test_koleo_by_hand():
    right, up, left = [2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]
    opposite = torch.tensor([[right, left]])  # unit vectors 2 apart: -log(1) = 0
    assert float(koleo(opposite)) == pytest.approx(0, abs=1e-6)
    third = -math.log(math.sqrt(2) / 2)  # each of the three has one at a right angle
    assert float(koleo(torch.tensor([[right, up, left]]))) == pytest.approx(third, rel=1e-5)


def test_koleo_looks_for_neighbours_in_the_group_alone():
    torch.manual_seed(0)
    groups = torch.randn(3, 4, 6)
    apart = torch.stack([koleo(group[None]) for group in groups]).mean()
    torch.testing.assert_close(koleo(groups), apart)


def test_koleo_has_the_gradient_of_its_values():
    torch.manual_seed(0)
    groups = torch.randn(1, 4, 3, requires_grad=True)
    koleo(groups).backward()
    for place in range(4):
        step = torch.zeros_like(groups)
        step[0, place, 1] = 1e-2
        with torch.no_grad():
            numeric = (koleo(groups + step) - koleo(groups - step)) / 2e-2
        assert float(groups.grad[0, place, 1]) == pytest.approx(float(numeric), rel=2e-2, abs=2e-3)


def test_koleo_of_equal_tokens_is_finite():
    groups = torch.ones(1, 3, 4, requires_grad=True)
    loss = koleo(groups)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(groups.grad).all()
