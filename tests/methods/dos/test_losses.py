import math

import pytest
import torch
from torch import nn

from scanwise.methods.dos.losses import clustering_loss, explained, softmap_loss, usage_from_prior, zipf_softmaps
from scanwise.nn.transport import zipf_prior


def test_the_loss_by_hand():
    """One prototype with targets (3/4, 1/4) and softmap (1/2, 1/2), one where both agree."""
    targets = torch.tensor([[0.75, 0.5], [0.25, 0.5]])
    scores = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    loss, entropies = softmap_loss(scores, targets)
    wanted = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(loss) == pytest.approx(wanted / 2, rel=1e-5)
    assert entropies.tolist() == pytest.approx([-0.75 * math.log(0.75) - 0.25 * math.log(0.25), math.log(2)])


def test_the_loss_is_torchs_divergence_of_softmaps_over_points():
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 7, generator=random).requires_grad_()
    targets = torch.softmax(3 * torch.randn(40, 7, generator=random), 0)
    divergence = nn.functional.kl_div(scores.log_softmax(0).T, targets.T, reduction="batchmean")
    loss, _ = softmap_loss(scores, targets)
    torch.testing.assert_close(loss, divergence)
    one, other = torch.autograd.grad(loss, scores)[0], torch.autograd.grad(divergence, scores)[0]
    torch.testing.assert_close(one, other)


def test_targets_are_softmaps_over_points_whose_mass_follows_zipf():
    scores = 5 * torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    prior = zipf_prior(6, 1.3)
    targets = zipf_softmaps(scores, prior, 30)
    torch.testing.assert_close(targets.sum(0), torch.ones(6))
    torch.testing.assert_close((targets * prior).sum(1), torch.full((50,), 1 / 50), rtol=0.02, atol=0)


def test_usage_by_hand():
    """Of four voxels three are the first prototype's: KL((3/4, 1/4) || (1/2, 1/2))."""
    plan = torch.tensor([[0.2, 0.1], [0.2, 0.1], [0.2, 0.1], [0.0, 0.1]])
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(usage_from_prior(plan, torch.tensor([0.5, 0.5]))) == pytest.approx(wanted)


def test_the_clustering_loss_is_torchs_cross_entropy():
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 7, generator=random)
    targets = torch.softmax(3 * torch.randn(40, 7, generator=random), 1)
    loss, entropy = clustering_loss(scores, targets)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(scores, targets))
    torch.testing.assert_close(entropy, torch.distributions.Categorical(targets).entropy().mean())


def test_height_explains_what_is_a_line_of_it():
    heights = torch.tensor([0.0, 1.0, 2.0, 3.0])
    other = torch.tensor([1.0, -1.0, -1.0, 1.0])  # uncorrelated, variance 1 beside 5/4
    assert float(explained(torch.stack([2 * heights, -heights], 1), heights)) == pytest.approx(1)
    assert float(explained(torch.stack([heights, other], 1), heights)) == pytest.approx(1.25 / 2.25)
    assert float(explained(torch.zeros(4, 2), heights)) == 0
