"""Masks of patches: how many are kept, where they lie."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scanwise.nn import masks

CPU = torch.device("cpu")


@given(
    st.integers(2, 9), st.integers(2, 9), st.floats(0.05, 0.95), st.floats(0, 1), st.floats(0, 1), st.integers(0, 99)
)
def test_each_view_keeps_so_many_different_patches(rows, columns, ratio, focal, blocks, seed):
    torch.manual_seed(seed)
    keep = masks.draw(5, (rows, columns), ratio, focal=focal, blocks=blocks, device=CPU)
    assert keep.shape == (5, max(1, round(rows * columns * (1 - ratio))))
    assert ((keep >= 0) & (keep < rows * columns)).all()
    assert all(len(set(row.tolist())) == keep.shape[1] for row in keep)


def test_the_official_number_is_rounded_down_in_floating_point():
    noise = torch.rand(2, 64)
    assert masks.kept(noise, 0.8).shape[1] == 13
    assert masks.kept(noise, 0.8, official=True).shape[1] == 12
    assert masks.kept(noise, 0.75, official=True).shape[1] == 16


def test_the_lowest_noise_is_kept_lowest_first():
    assert masks.kept(torch.tensor([[0.5, 0.1, 0.9, 0.3]]), 0.5).tolist() == [[1, 3]]


def test_focus_by_hand():
    lowered = masks.focus(torch.zeros(1, 16), torch.tensor([[1]]), torch.tensor([[2]]), torch.tensor([[0.5]]))
    grid = lowered.view(4, 4)
    assert float(grid[1, 2]) == -1
    assert float(grid[1, 0]) == pytest.approx(-torch.exp(torch.tensor(-4 / 8)).item())
    assert float(grid[3, 3]) == pytest.approx(-torch.exp(torch.tensor(-5 / 8)).item())


def test_a_block_is_kept_whole():
    torch.manual_seed(0)
    noise = masks.block(torch.rand(1, 36), torch.tensor([[2]]), torch.tensor([[3]]), 3)
    inside = {6 * row + column for row in (2, 3, 4) for column in (3, 4, 5)}
    assert set(masks.kept(noise, 0.75)[0].tolist()) == inside


def test_focused_views_lie_together():
    torch.manual_seed(0)

    def spread(keep):
        places = torch.stack([keep // 12, keep % 12], 2).float()
        return (places - places.mean(1, keepdim=True)).norm(dim=2).mean()

    scattered = masks.draw(200, (12, 12), 0.8, focal=0.0, blocks=0.0, device=CPU)
    focused = masks.draw(200, (12, 12), 0.8, focal=1.0, blocks=0.0, device=CPU)
    blocked = masks.draw(200, (12, 12), 0.8, focal=0.0, blocks=1.0, device=CPU)
    assert spread(focused) < 0.9 * spread(scattered)
    assert spread(blocked) < 0.8 * spread(scattered)


def test_a_grid_must_be_what_is_said():
    with pytest.raises(ValueError, match="no square"):
        masks.focus(torch.zeros(1, 15), torch.tensor([[1]]), torch.tensor([[1]]), torch.tensor([[0.3]]))
    with pytest.raises(ValueError, match="not"):
        masks.block(torch.zeros(1, 15), torch.tensor([[1]]), torch.tensor([[1]]), 2, (4, 4))


def test_a_block_in_a_wide_grid_by_hand():
    noise = masks.block(torch.ones(1, 12), torch.tensor([[1]]), torch.tensor([[2]]), 2, (3, 4))
    assert noise.view(3, 4).tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
