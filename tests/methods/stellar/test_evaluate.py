"""A trained network: from wherever its weights are, and what its tokens are good for."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from scanwise.data.images import read_images
from scanwise.errors import InputError
from scanwise.methods.stellar.evaluate import load_network, load_trunk, read_image, similarities, similarity
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.vision.stellar import StellarTrunk
from tests.methods.stellar.test_official import TINY, official
from tests.pictures import tiny_tokens, write_folder


@pytest.fixture
def network() -> SparseTokens:
    return tiny_tokens(8).eval()


@pytest.fixture
def run(network, tmp_path):
    """The folder of a run that left this network."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    save(Checkpoint(tensors, {"kind": "stellar", "network": asdict(network.config)}), tmp_path / "run" / "best.ckpt")
    return tmp_path / "run"


def test_a_network_of_a_run_as_it_is_shipped_and_as_it_is_published(network, run, tmp_path):
    images = torch.rand(2, 3, 16, 16)
    expected = network.encode(images).sparse
    torch.testing.assert_close(load_network(run).encode(images).sparse, expected)
    torch.testing.assert_close(load_network(run / "best.ckpt").encode(images).sparse, expected)
    stored = load(run)
    half = {name: value.half() if value.is_floating_point() else value for name, value in stored.tensors.items()}
    save_file(half, tmp_path / "small.safetensors", {"facts": json.dumps(stored.facts)})
    found = load_network(tmp_path / "small.safetensors").encode(images).sparse
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)
    save_file(official(**TINY, dim=4, hidden=10), tmp_path / "published.safetensors")
    assert load_network(tmp_path / "published.safetensors").config.tokens == TINY["tokens"]
    assert load_network(type(tmp_path)("stellar-small")).config.tokens == 16


def test_what_is_no_network_is_refused(run):
    stored = load(run)
    save(Checkpoint(stored.tensors, {"kind": "mae"}), run / "best.ckpt")
    with pytest.raises(InputError, match="no STELLAR network"):
        load_network(run)
    with pytest.raises(InputError, match="no STELLAR network"):
        load_trunk(run)


def test_a_trunk_from_a_run(network, run):
    image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    trunk = load_trunk(run, "sparse")
    torch.testing.assert_close(trunk.encode_image(image), StellarTrunk(network, "sparse").encode_image(image))
    assert list(trunk.model_hashes) == ["best.ckpt"]
    assert len(trunk.model_hashes["best.ckpt"]) == 64
    assert not any(value.requires_grad for value in trunk.network.parameters())


def test_pictures_are_scaled_to_whole_patches(tmp_path):
    Image.fromarray(np.zeros((50, 101, 3), np.uint8)).save(tmp_path / "a.png")
    network = SparseTokens(StellarRecipe(data=".", size="nano", image=16).network())
    picture, pixels = read_image(tmp_path / "a.png", network)
    assert picture.shape == (16, 32, 3)
    assert pixels.shape == (1, 3, 16, 32)
    assert read_image(tmp_path / "a.png", network, 24, square=True)[1].shape == (1, 3, 24, 24)
    assert pixels.dtype == torch.float32
    with pytest.raises(InputError, match="smaller than a patch"):
        read_image(tmp_path / "a.png", network, 2)


def test_similarity_is_highest_for_the_same_tokens_in_any_order():
    torch.manual_seed(0)
    tokens = torch.randn(5, 24)
    others = torch.stack([torch.randn(5, 24), tokens[torch.randperm(5)], tokens + 2 * torch.randn(5, 24)])
    found = similarity(tokens, others)
    assert float(found[1]) == pytest.approx(1, abs=1e-5)
    assert found[1] > found[2] > found[0]


def test_an_image_is_most_similar_to_itself(network, tmp_path):
    images = read_images(write_folder(tmp_path, 2))
    said = []
    _, query = read_image(tmp_path / "train" / "green" / "001.png", network, square=True)
    found = similarities(network, query, images, lambda stage, done: said.append(done))
    assert found.shape == (6,)
    assert int(found.argmax()) == 3
    assert float(found.max()) == pytest.approx(1, abs=1e-4)
    assert said == [1.0]
