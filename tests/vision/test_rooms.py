"""Scores are the weighted sum of both models'; images of any shape are taken; weights that are none are refused."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.errors import InputError
from scanwise.nn.dense_text import DIM, PyramidTextEncoder
from scanwise.vision import Vision, load_vision, rooms
from scanwise.vision.conse import CROP, STRIDE, Conse
from scanwise.vision.rooms import Rooms, embed_texts, even_starts, imagenet_trunk, load_weights, save_weights, scaled

CARD = {"kind": "rooms-vision", "names": ["mug", "sofa"], "classes": ["floor", "otherfurniture"]}
FUSION = {"rooms": 0.5, "conse": 0.25}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "rooms-vision.safetensors"
    save_weights(PyramidTextEncoder(imagenet_trunk()).state_dict(), CARD | {"fusion": FUSION}, path)
    return path


@pytest.fixture(scope="module")
def model(weights) -> Rooms:
    return Rooms(weights)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_it_is_a_vision(model, weights):
    assert isinstance(model, Vision)
    assert model.name == f"rooms:{weights}"
    assert weights.name in model.model_hashes
    assert len(model.model_hashes) == 3


def test_scores_are_the_weighted_sum_of_both(model):
    image, texts = picture(120, 160), ["mug", "floor", "zebra"]
    features = model.encode_image(image)
    assert features.shape == (DIM + 1000, 44, 60)
    flat = features.flatten(1).T
    scores = model.scale * flat @ model.encode_texts(texts).T
    own = float(model.encoder.log_scale.exp()) * flat[:, :DIM] @ embed_texts(texts).T
    other = 100 * flat[:, DIM:] @ Conse().encode_texts(texts).T
    assert torch.allclose(scores, 0.5 * own + 0.25 * other, atol=1e-3)
    assert torch.allclose(flat[:, :DIM].norm(dim=1), torch.ones(len(flat)), atol=1e-4)


def test_class_scores_are_those_of_its_words(model):
    features = torch.randn(5, DIM + 1000, generator=torch.Generator().manual_seed(0))
    wanted = model.scale * features @ model.encode_texts(["mug", "sofa", "floor"]).T
    assert torch.allclose(model.class_scores(features), wanted, atol=1e-3)


def test_conse_s_part_is_what_conse_sees(monkeypatch):
    monkeypatch.setattr(rooms, "CROP_STRIDE", STRIDE)
    image = picture(60, 60)
    assert torch.allclose(Conse().encode_image(image, even_starts), Conse().encode_image(image), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (333, 500), (64, 32)])
def test_images_of_any_shape(size):
    result = scaled(picture(*size))
    assert result.shape[0] % 32 == result.shape[1] % 32 == 0
    assert min(result.shape[:2]) == 352
    assert max(result.shape[:2]) <= 4 * 352
    assert (scaled(picture(*size)[:, :, 0]).std(-1) == 0).all()  # grey stays grey


@pytest.mark.parametrize("length", [240, 241, 480, 640, 1920])
def test_crops_reach_both_borders_without_a_gap(length):
    starts = even_starts(length)
    assert starts[0] == 0
    assert starts[-1] == length - CROP
    assert all(0 < late - early <= rooms.CROP_STRIDE for early, late in pairwise(starts))


def test_weights_come_back_with_their_card(weights):
    tensors, card = load_weights(weights)
    assert card == CARD | {"fusion": FUSION}
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert weights.stat().st_size < 30e6


def test_weights_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        load_vision(f"rooms:{tmp_path / 'nowhere.safetensors'}")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(InputError, match="torn"):
        load_vision(f"rooms:{torn}")
    other = tmp_path / "other.safetensors"
    save_weights({"x": torch.zeros(2)}, {"kind": "something"}, other)
    with pytest.raises(InputError, match="not weights of a rooms vision"):
        load_vision(f"rooms:{other}")
    save_weights({"x": torch.zeros(2)}, CARD, other)
    with pytest.raises(InputError, match="not those of this version"):
        load_vision(f"rooms:{other}")


def test_none_shipped_says_how_to_make_some(monkeypatch):
    monkeypatch.setattr(rooms, "SHIPPED", "nothing.safetensors")
    with pytest.raises(InputError, match="scanwise train vision"):
        load_vision("rooms")


def test_the_largest_weight_that_costs_nothing_is_chosen():
    path = Path(__file__).parents[2] / "scripts" / "choose_fusion.py"
    spec = importlib.util.spec_from_file_location("choose_fusion", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found = {0.0: 0.30, 0.5: 0.32, 1.0: 0.315, 2.0: 0.29, script.ALONE: 0.9}
    assert script.choose(found) == 1.0
