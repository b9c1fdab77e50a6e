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
    logits = head(torch.randn(2, 3, 6))
    assert logits.shape == (2, 3, 40)
    assert (logits.abs() <= head.prototypes.weight.norm(dim=1) + 1e-5).all()
    assert 0.8 < float(head.prototypes.weight.detach().std()) < 1.2
