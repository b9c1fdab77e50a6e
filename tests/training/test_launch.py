import pytest
import torch

from scanwise.errors import InputError
from scanwise.training.launch import make_fabric


def test_alone_it_is_one_process():
    fabric = make_fabric(device="cpu")
    assert (fabric.world_size, fabric.is_global_zero, str(fabric.device)) == (1, True, "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize(("option", "value"), [("device", "cuda"), ("strategy", "fsdp")])
def test_what_needs_cuda_says_so_and_which_parameter_it_is_about(option, value):
    with pytest.raises(InputError, match=value) as caught:
        make_fabric(**{option: value})
    assert caught.value.option == option
    assert "--" not in str(caught.value)
