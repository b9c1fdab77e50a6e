"""The trunk's features lie where the picture's patches lie, and are those of the network."""

import numpy as np
import pytest
import torch

from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.vision.stellar import StellarTrunk

RECIPE = StellarRecipe(data=".", size="nano", image=16, crop_size=8, tokens=4, prototypes=12, predictor=16,
                       prototype_width=8, decoder_width=16, decoder_depth=1)  # fmt: skip


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SparseTokens(RECIPE.network())


def test_features_are_the_networks_patch_by_patch(network):
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        encoded = network.eval().encode(pixels)
    for kind, values in (("dense", encoded.dense), ("sparse", network.product(encoded))):
        found = StellarTrunk(network, kind).encode_image(image)
        assert found.shape == (96, 4, 6)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.flatten(1).T, values[0].detach())


def test_pictures_of_any_shape_become_whole_patches(network):
    trunk = StellarTrunk(network, side=24)
    for shape, grid in (((48, 96), (6, 12)), ((10, 10), (6, 6)), ((7, 900), (6, 24)), ((240, 320), (6, 8))):
        assert trunk.encode_image(np.zeros((*shape, 3), np.uint8)).shape == (trunk.dim, *grid)
    assert StellarTrunk(network, side=30).encode_image(np.zeros((30, 31, 3), np.uint8)).shape == (trunk.dim, 8, 8)
    with pytest.raises(ValueError, match="smaller than a patch"):
        StellarTrunk(network, side=2)
