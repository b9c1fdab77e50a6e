"""The trunk is the classifier that it came from; embeddings have length 1; what stays as it is gets no gradient."""

import pytest
import torch

from scanwise.nn.dense_text import DIM, FROZEN_BLOCKS, STRIDE, PyramidTextEncoder, class_logits
from scanwise.vision.rooms import imagenet_trunk


@pytest.fixture(scope="module")
def network() -> PyramidTextEncoder:
    torch.manual_seed(0)
    return PyramidTextEncoder(imagenet_trunk().requires_grad_(True))


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(0)).byte()


def test_embeddings_at_each_fourth_pixel(network):
    with torch.no_grad():
        found = network(pictures(2, 64, 96))
    assert found.shape == (2, DIM, 64 // STRIDE, 96 // STRIDE)
    assert torch.allclose(found.norm(dim=1), torch.ones(2, 16, 24), atol=1e-5)


def test_its_own_scores_are_the_classifier_s(network):
    classifier = imagenet_trunk()
    images = pictures(1, 96, 96)
    with torch.no_grad():
        wanted = classifier._fc(classifier.extract_features((images.float() - 127) / 128).permute(0, 2, 3, 1))
        found = class_logits(network.trunk, network.trunk_maps(network.frozen_features(images)).last)
    assert torch.allclose(found, wanted, atol=1e-3)


def test_pictures_of_a_batch_do_not_see_each_other(network):
    images = pictures(2, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(images)[1:], network(images[1:]), atol=1e-4)


def test_every_layer_learns_but_the_first(network):
    maps = network.trunk_maps(network.frozen_features(pictures(1, 64, 64)))
    features = network.pyramid(maps).permute(0, 2, 3, 1).flatten(0, 2)
    weights = torch.randn(DIM, generator=torch.Generator().manual_seed(0))
    (network.embeddings(features) @ weights).sum().backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    frozen = {f"trunk._blocks.{number}" for number in range(FROZEN_BLOCKS)} | {"trunk._conv_stem"}
    head = {"trunk._conv_head", "trunk._fc", "log_scale"}  # not part of an embedding
    assert all(any(name.startswith(part) for part in frozen | head) for name in without)
    assert {name for name, parameter in network.named_parameters() if not parameter.requires_grad} == {
        name for name in without if any(name.startswith(part) for part in frozen)
    }
