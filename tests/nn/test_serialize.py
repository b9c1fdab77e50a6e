import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.nn.serialize import ORDERS, decode, depth_of, encode


@settings(max_examples=30, deadline=None)
@given(depth=st.integers(1, 16), order=st.sampled_from(ORDERS), seed=st.integers(0, 2**30))
def test_decoding_gives_back_what_was_encoded(depth, order, seed):
    generator = torch.Generator().manual_seed(seed)
    grid = torch.randint(0, 2**depth, (50, 3), generator=generator)
    batch = torch.randint(0, 5, (50,), generator=generator)
    back, cloud = decode(encode(grid, batch, order, depth), order, depth)
    assert torch.equal(back, grid)
    assert torch.equal(cloud, batch)


@pytest.mark.parametrize("order", ["hilbert", "hilbert-trans"])
def test_a_hilbert_curve_goes_from_face_to_face(order):
    cells = torch.cartesian_prod(*[torch.arange(16)] * 3)
    along = cells[torch.argsort(encode(cells, None, order, 4))]
    assert torch.all((along[1:] - along[:-1]).abs().sum(1) == 1)


def test_z_order_puts_x_first_and_trans_puts_y_first():
    corners = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert encode(corners, None, "z", 1).tolist() == [4, 2, 1]
    assert encode(corners, None, "z-trans", 1).tolist() == [2, 4, 1]


def test_the_cloud_is_in_the_highest_bits():
    grid = torch.tensor([[3, 3, 3], [0, 0, 0]])
    assert encode(grid, torch.tensor([0, 1]), "z", 2).tolist() == [63, 64]


def test_depth_is_that_of_the_maximum_plus_one():
    assert depth_of(torch.tensor([[0, 0, 6]])) == 3
    assert depth_of(torch.tensor([[0, 0, 7]])) == 4
    assert depth_of(torch.zeros(0, 3, dtype=torch.long)) == 1


@pytest.mark.parametrize(
    ("grid", "order", "depth", "said"),
    [([[0, 0, 4]], "z", 2, "do not fit 2 bits"), ([[0, -1, 0]], "z", 2, "do not fit"), ([[0, 0, 0]], "x", 2, "none of"),
     ([[0, 0, 0]], "z", 17, "between 1 and 16")],
)  # fmt: skip
def test_wrong_input_is_refused(grid, order, depth, said):
    with pytest.raises(ValueError, match=said):
        encode(torch.tensor(grid), None, order, depth)
