"""The factorisation and the decoder."""

import math
from dataclasses import asdict, replace

import pytest
import torch

from scanwise.nn.sparse_tokens import FourierPositions, PatchDecoder, SparseTokens, TokenConfig, token_config
from scanwise.nn.vit import ViTConfig
from tests.pictures import PatchVQ

SMALL = TokenConfig(
    ViTConfig(image=16, patch=4, width=24, depth=2, heads=3, mlp=48), tokens=5, decoder_width=16, decoder_depth=1,
    decoder_heads=2, decoder_mlp=32, prototypes=12, prototype_width=8, predictor=20,
)  # fmt: skip


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SparseTokens(SMALL).eval()


def test_each_patch_distributes_itself_over_the_tokens(network):
    encoded = network.encode(torch.rand(2, 3, 16, 16))
    shares = network.spatial(encoded)
    assert shares.shape == (2, 16, 5)
    torch.testing.assert_close(shares.sum(2), torch.ones(2, 16))
    dense, sparse = network.dense_project(encoded.dense[1, 7]), network.sparse_project(encoded.sparse[1])
    cosines = sparse @ dense / (sparse.norm(dim=1) * dense.norm())
    torch.testing.assert_close(shares[1, 7], (cosines / 0.06).softmax(0), atol=1e-5, rtol=1e-4)


def test_the_product_has_no_more_ranks_than_tokens(network):
    product = network.product(network.encode(torch.rand(1, 3, 16, 16)))
    assert product.shape == (1, 16, 24)
    assert torch.linalg.matrix_rank(product[0]) <= 5


def test_every_patch_a_token():
    torch.manual_seed(0)
    network = SparseTokens(replace(SMALL, tokens=0))
    encoded = network.encode(torch.rand(2, 3, 16, 16))
    assert torch.equal(encoded.sparse, encoded.dense)
    assert torch.equal(network.product(encoded), encoded.dense)
    torch.testing.assert_close(network.spatial(encoded) @ encoded.sparse, encoded.dense)
    assert network.reconstruct(torch.rand(2, 3, 16, 16)).shape == (2, 3, 16, 16)


def test_the_dense_bottleneck_reconstructs_without_the_tokens(network):
    dense = SparseTokens(replace(SMALL, bottleneck="dense"))
    dense.load_state_dict(network.state_dict())
    encoded = network.encode(torch.rand(1, 3, 16, 16))
    encoded.sparse = torch.full_like(encoded.sparse, torch.nan)
    assert torch.isfinite(dense.decode(encoded)).all()
    assert torch.isnan(network.decode(encoded)).all()


def test_pictures_of_any_size_come_back_in_their_size(network):
    assert network.reconstruct(torch.rand(2, 3, 12, 28)).shape == (2, 3, 12, 28)


def test_fourier_positions_by_hand():
    positions = FourierPositions(4)
    positions.matrix.copy_(torch.tensor([[0.25, 1.0], [0.5, 0.0]]))
    code = positions(1, 2)  # centres at x = -1/2 and 1/2, y = 0
    angle = 2 * math.pi * 0.5 * 0.25
    expected = [math.sin(angle), math.cos(angle), math.sin(math.pi), math.cos(math.pi)]
    torch.testing.assert_close(code[1], torch.tensor(expected), atol=1e-6, rtol=0)
    assert positions(3, 5).shape == (15, 4)


def test_codes_of_a_tokenizer():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 16, 16)
    tokenizer = PatchVQ(images, patch=4, codes=6)
    network = SparseTokens(replace(SMALL, codes=6))
    assert network.decode(network.encode(images)).shape == (4, 16, 6)
    again = network.reconstruct(images, tokenizer)
    assert again.shape == images.shape
    assert torch.cdist(tokenizer._patches(again), tokenizer.book.expand(4, -1, -1)).amin(2).max() < 1e-3
    with pytest.raises(ValueError, match="tokenizer"):
        network.reconstruct(images)


def test_the_decoder_reads_patches_in_their_places():
    torch.manual_seed(0)
    decoder = PatchDecoder(6, 8, 1, 2, 16, patch=4)
    decoder.transformer.blocks = torch.nn.ModuleList()  # without attention each patch speaks for itself
    features = torch.randn(1, 6, 6)
    changed = features.clone()
    changed[0, 4] += 1
    difference = (decoder(features, (2, 3)) - decoder(changed, (2, 3))).abs().sum((0, 1))
    rows, columns = difference.nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 7, 4, 7)


def test_prototypes_are_free_where_the_facts_do_not_say():
    stored = {key: value for key, value in asdict(SMALL).items() if key != "unit_prototypes"}
    assert token_config(stored) == SMALL
    torch.manual_seed(0)
    free = SparseTokens(token_config(stored))
    unit = SparseTokens(token_config(stored | {"unit_prototypes": True}))
    unit.load_state_dict(free.state_dict())
    images = torch.rand(2, 3, SMALL.encoder.image, SMALL.encoder.image)
    cls = free.encode(images).cls
    lengths = free.cls_head.prototypes.weight.norm(dim=1)
    torch.testing.assert_close(unit.cls_head(cls) * lengths, free.cls_head(cls))
    assert unit.token_head.unit
    assert not free.token_head.unit
