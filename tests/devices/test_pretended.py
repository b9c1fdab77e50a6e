"""The pretended device refuses what CUDA refuses, allows what it allows, and counts."""

import pytest
import torch
import torch.nn.functional as F

from tests.devices import pretended


def test_two_devices_do_not_mix(there):
    linear = torch.nn.Linear(4, 2).to(there)
    with pytest.raises(RuntimeError, match="same device"):
        linear(torch.ones(3, 4))
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(3, device=there) + torch.ones(3)
    with pytest.raises(RuntimeError, match="indices should be"):
        torch.ones(4)[torch.tensor([1], device=there)]
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
        torch.ones(3, device=there).numpy()


def test_what_cuda_allows_is_allowed(there):
    values = torch.arange(4.0, device=there)
    assert (values * torch.tensor(2.0)).tolist() == [0, 2, 4, 6]
    assert values[torch.tensor([0, 3])].tolist() == [0, 3]
    assert values[[1, 2]].tolist() == [1, 2]
    assert torch.tensor([1.0], device=there).device == there
    values[1:3] += 1
    assert values.cpu().numpy().tolist() == [0, 2, 3, 3]
    with there:
        assert torch.zeros(2).device == torch.tensor([1]).device == there


def test_gradients_and_autocast(there):
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(4, 2), torch.rand(3, 4)
    linear(x).sum().backward()
    wanted = linear.weight.grad.clone()
    linear.zero_grad()
    linear.to(there)(x.to(there)).sum().backward()
    assert torch.allclose(linear.weight.grad.cpu(), wanted)
    with torch.autocast(pretended.NAME, torch.bfloat16):
        product = linear(x.to(there))
        assert product.dtype == torch.bfloat16
        assert F.layer_norm(product, (2,)).dtype == torch.float32


def test_a_kernel_that_cuda_lacks(there):
    rows = torch.ones(3, 2, device=there, dtype=torch.bfloat16, requires_grad=True)
    starts, order = torch.tensor([0, 2], device=there), torch.tensor([0, 1, 2], device=there)
    F.embedding_bag(order, rows, starts, mode="max").sum().backward()
    with pytest.raises(RuntimeError, match="embedding_bag_backward_cuda_max"):  # by what comes next
        torch.zeros(1, device=there)


def test_launches_and_waits_are_counted(there):
    x = torch.ones(3, 2, device=there)
    with pretended.counted() as counts:
        (x.view(2, 3) + 1).sum().item()
    assert counts.launches.total() == 2
    assert counts.waits == 1
    assert counts.bytes == (6 + 6 + 6 + 1) * 4
