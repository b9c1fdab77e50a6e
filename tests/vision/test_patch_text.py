"""Cells are the patches of a network that stays as it is."""

import pytest
import torch

from scanwise.errors import InputError
from scanwise.nn.dense_text import DIM
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.vision.stellar import PatchTextEncoder
from tests.pictures import tiny_tokens


@pytest.fixture
def network() -> SparseTokens:
    return tiny_tokens(8)


def pictures(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, height, width), generator=torch.Generator().manual_seed(0)).byte()


def test_a_cell_is_what_the_network_says_of_its_patch(network):
    images = pictures(64, 96)
    found = PatchTextEncoder(network).frozen_features(images)
    half = torch.nn.functional.avg_pool2d(images.float() / 255, 2)
    with torch.no_grad():
        encoded = network.encode(half)
        both = torch.cat([encoded.dense, network.product(encoded)], 2)
    assert found.shape == (2, 48, 4, 6)
    torch.testing.assert_close(found[:, :, 1, 2], both[:, 1 * 6 + 2])


def test_embeddings_at_each_fourth_pixel(network):
    with torch.no_grad():
        found = PatchTextEncoder(network)(pictures(64, 96))
    assert found.shape == (2, DIM, 16, 24)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, 16, 24))


def test_the_network_stays_as_it_is(network):
    encoder = PatchTextEncoder(network)
    encoder(pictures(64, 64)).sum().backward()
    without = {name for name, parameter in encoder.named_parameters() if parameter.grad is None}
    assert without == {name for name, _ in encoder.named_parameters() if name.startswith("trunk.")} | {"log_scale"}


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="patches of 14 pixels"):
        PatchTextEncoder(tiny_tokens(14))
