import numpy as np
import pytest
import torch

from scanwise.methods.detect.losses import box_loss, draw_gaussian, focal_loss, gaussian_radius


@pytest.mark.parametrize(("length", "width", "overlap"), [(5.0, 2.0, 0.1), (1.0, 1.0, 0.5), (12.0, 3.0, 0.3)])
def test_a_box_moved_by_the_radius_keeps_the_overlap(length, width, overlap):
    radius = gaussian_radius(length, width, overlap)
    assert 0 < radius < width
    shared = (length - radius) * (width - radius)
    assert shared / (2 * length * width - shared) == pytest.approx(overlap)


def test_a_bell_of_height_one_that_does_not_lower_others():
    heat = np.zeros((5, 6), np.float32)
    heat[2, 3] = 0.99
    draw_gaussian(heat, 2.0, 2.0, 1.0)  # standard deviation (2 * 1 + 1) / 6 = .5
    assert heat[2, 2] == 1
    assert heat[2, 3] == pytest.approx(0.99)
    assert heat[2, 1] == pytest.approx(np.exp(-2))
    assert heat[1, 1] == pytest.approx(np.exp(-4))
    assert heat[2, 4] == heat[0, 2] == 0


def test_a_bell_at_the_edge_is_cut():
    heat = np.zeros((3, 3), np.float32)
    draw_gaussian(heat, 0.0, 2.0, 2.0)
    assert heat[2, 0] == 1
    assert heat[2, 0] == heat.max()


def test_focal_loss_by_hand():
    likely = torch.tensor([0.8, 0.3, 0.5])
    heat = torch.tensor([1.0, 0.0, 0.6]).view(1, 1, 1, 3)
    expected = -(0.2**2 * np.log(0.8) + 0.3**2 * np.log(0.7) + 0.4**4 * 0.5**2 * np.log(0.5))
    assert float(focal_loss(torch.logit(likely).view(1, 1, 1, 3), heat)) == pytest.approx(expected, rel=1e-5)
    assert float(focal_loss(torch.full((1, 1, 2, 2), -20.0), torch.zeros(1, 1, 2, 2))) == pytest.approx(0, abs=1e-6)


def test_what_is_not_known_of_a_box_is_not_taught():
    found = torch.tensor([[1.0, 2.0], [0.0, 0.0]], requires_grad=True)
    wanted = torch.tensor([[0.0, float("nan")], [0.0, 4.0]])
    loss = box_loss(found, wanted, torch.tensor([1.0, 0.5]))
    assert float(loss.detach()) == pytest.approx((1 + 0.5 * 4) / 2)
    loss.backward()
    assert found.grad.tolist() == [[0.5, 0.0], [0.0, -0.25]]


def test_no_boxes_cost_nothing():
    assert float(box_loss(torch.zeros(0, 3), torch.zeros(0, 3), torch.ones(3))) == 0
