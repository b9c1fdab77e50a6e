"""Cluster heads, soft cross-entropy and KoLeo, against hand-computed numbers and finite differences."""

import math

import pytest
import torch

from scanwise.nn.heads import ClusterHead, CosineHead, koleo, soft_cross_entropy


def test_soft_cross_entropy_by_hand():
    logits, targets = torch.tensor([[0.0, math.log(3) / 2], [0.0, 0.0]]), torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    first = -0.25 * math.log(1 / 4) - 0.75 * math.log(3 / 4)  # at temperature 1/2 the shares are 1/4 and 3/4
    assert float(soft_cross_entropy(logits, targets, 0.5)) == pytest.approx((first + math.log(2)) / 2, rel=1e-6)
    weighted = soft_cross_entropy(logits, targets, 0.5, torch.tensor([0.0, 1.0]))
    assert float(weighted) == pytest.approx(math.log(2) / 2, rel=1e-6)


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


def test_a_cluster_heads_logits_are_prototypes_times_unit_vectors():
    torch.manual_seed(0)
    head = ClusterHead(6, 16, 5, 40)
    logits = head(torch.randn(2, 3, 6))
    assert logits.shape == (2, 3, 40)
    assert (logits.abs() <= head.prototypes.weight.norm(dim=1) + 1e-5).all()
    assert 0.8 < float(head.prototypes.weight.detach().std()) < 1.2


def test_cosines_do_not_know_how_long_prototypes_are():
    torch.manual_seed(0)
    head, vectors = CosineHead(6, 8, 4, 10), torch.randn(3, 5, 6)
    cosines = head(vectors)
    assert cosines.shape == (3, 5, 10)
    assert float(cosines.detach().abs().max()) <= 1 + 1e-6
    with torch.no_grad():
        head.prototypes.weight.mul_(7)
    torch.testing.assert_close(head(vectors), cosines)
