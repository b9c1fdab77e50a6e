"""Cluster heads and soft cross-entropy, against hand-computed numbers."""

import math

import pytest
import torch

from scanwise.nn.heads import ClusterHead, soft_cross_entropy


def test_soft_cross_entropy_by_hand():
    logits, targets = torch.tensor([[0.0, math.log(3) / 2], [0.0, 0.0]]), torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    first = -0.25 * math.log(1 / 4) - 0.75 * math.log(3 / 4)  # at temperature 1/2 the shares are 1/4 and 3/4
    assert float(soft_cross_entropy(logits, targets, 0.5)) == pytest.approx((first + math.log(2)) / 2, rel=1e-6)
    weighted = soft_cross_entropy(logits, targets, 0.5, torch.tensor([0.0, 1.0]))
    assert float(weighted) == pytest.approx(math.log(2) / 2, rel=1e-6)


def test_a_cluster_heads_logits_are_prototypes_times_unit_vectors():
    torch.manual_seed(0)
    head = ClusterHead(6, 16, 5, 40)
    vectors = torch.randn(2, 3, 6)
    logits = head(vectors)
    assert logits.shape == (2, 3, 40)
    assert (logits.abs() <= head.prototypes.weight.norm(dim=1) + 1e-5).all()
    units = torch.nn.functional.normalize(head.predictor(vectors), dim=-1)
    torch.testing.assert_close(logits, units @ head.prototypes.weight.T)
    assert 0.8 < float(head.prototypes.weight.detach().std()) < 1.2


def test_cosines_by_hand():
    head = ClusterHead(2, 4, 2, 2, unit=True)
    head.predictor = torch.nn.Identity()
    with torch.no_grad():
        head.prototypes.weight.copy_(torch.tensor([[0.0, 5.0], [3.0, 4.0]]))
    assert head(torch.tensor([[2.0, 0.0], [6.0, 8.0]])).flatten().tolist() == pytest.approx([0, 0.6, 0.8, 1])


def test_cosines_do_not_know_how_long_prototypes_are():
    torch.manual_seed(0)
    head, vectors = ClusterHead(6, 8, 4, 10, unit=True), torch.randn(3, 5, 6)
    cosines = head(vectors)
    assert cosines.shape == (3, 5, 10)
    assert float(cosines.detach().abs().max()) <= 1 + 1e-6
    with torch.no_grad():
        head.prototypes.weight.mul_(7)
    torch.testing.assert_close(head(vectors), cosines)
