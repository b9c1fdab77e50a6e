"""Labels, answers, features and measures where tensors lie elsewhere are those of the CPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import scanwise
from scanwise import devices
from scanwise.app.features import load_frozen
from scanwise.errors import InputError
from scanwise.methods.segment.evaluate import evaluate
from scanwise.methods.segment.model import load_segmenter
from scanwise.methods.stellar.evaluate import image_features, similarity
from scanwise.nn.pooling import pool
from scanwise.training.backbones import random_backbone
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.vision import load_vision
from tests.pictures import tiny_tokens
from tests.scenes import labelled_scene, write_scenes
from tests.small_less import random_scan
from tests.worlds import ColourVision, corner_scene

NAMES = ["red", "green", "blue"]


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """Every device computes for itself."""

    def begin(name: str) -> None:
        monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / name))

    return begin


def test_label(there, no_cache):
    found = []
    for device in (torch.device("cpu"), there):
        no_cache(device.type)
        prepared = scanwise.prepare(corner_scene(), vision=ColourVision(), purify="learned", device=device)
        found.append(prepared.label(NAMES))
    np.testing.assert_allclose(found[0].scores, found[1].scores, atol=2e-3)


def test_label_with_the_shipped_models(there, no_cache):
    found = []
    for device in (torch.device("cpu"), there):
        no_cache(device.type)
        prepared = scanwise.prepare(corner_scene(2), vision=load_vision("rooms"), device=device)
        found.append(prepared.label(["wall", "floor", "sofa"]))
        assert prepared.shapes is not None
    np.testing.assert_allclose(found[0].scores, found[1].scores, atol=0.02)
    assert (found[0].indices == found[1].indices).mean() > 0.98


def test_ask(there):
    found = [scanwise.ask(random_scan(), "the chair", device=device) for device in (torch.device("cpu"), there)]
    np.testing.assert_allclose(found[0].scores, found[1].scores, atol=1e-3)
    assert found[0].presence == pytest.approx(found[1].presence, abs=1e-3)


def test_features(there):
    frozen = random_backbone("tiny", 0.1, ("color", "normal"))
    here = frozen.encode(labelled_scene(1))[1]
    elsewhere = replace(frozen, backbone=frozen.backbone.to(there)).encode(labelled_scene(1))[1]
    np.testing.assert_allclose(here, elsewhere, atol=1e-4)


def test_weights_come_and_go(there, tmp_path):
    """Saved from there, loaded here, and back."""
    layer = torch.nn.Linear(3, 2).to(there)
    save(Checkpoint(dict(layer.state_dict()), {"kind": "linear"}), tmp_path / "a.ckpt")
    weights = load(tmp_path / "a.ckpt").tensors
    assert weights["weight"].device.type == "cpu"
    again = torch.nn.Linear(3, 2).to(there)
    again.load_state_dict(weights)
    assert again.weight.device == there
    assert torch.equal(again.weight.cpu(), layer.weight.cpu())


@pytest.mark.filterwarnings("ignore::scanwise.errors.ScanwiseWarning")
def test_measures(there, tmp_path):
    data = write_scenes(tmp_path / "scenes", test=2)
    model = load_segmenter(Path("segment-rooms-small"))
    sources = sorted((data / "test").iterdir())
    found = [evaluate(model.to(device), sources) for device in (torch.device("cpu"), there)]
    assert found[0]["all"].metrics().keys() == found[1]["all"].metrics().keys()


def test_pooling_has_the_numbers_of_the_cpu(there):
    generator = np.random.default_rng(0)
    neighbours = generator.integers(0, 50, (50, 6)).astype(np.int32)
    weights = torch.rand(50, 6).softmax(1)
    values = torch.rand(50, 3)
    assert torch.allclose(pool(values, neighbours, weights, 3), pool(values.to(there), neighbours, weights, 3).cpu())


def test_pictures(there):
    network, pictures = tiny_tokens(4).eval(), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        here = image_features(network, pictures)
        tokens = network.encode(pictures).sparse
        network.to(there)
        elsewhere = image_features(network, pictures.to(there))
        found = network.encode(pictures.to(there)).sparse
    for name, values in here.items():
        assert torch.allclose(values, elsewhere[name].cpu(), atol=1e-4)
    assert torch.allclose(similarity(tokens[0], tokens), similarity(found[0], found).cpu(), atol=1e-4)


@pytest.mark.parametrize("name", ["rooms", "conse"])
def test_the_2d_models(name, there):
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    here, elsewhere = load_vision(name), load_vision(name).to(there)
    features = elsewhere.encode_image(picture)
    assert features.device == there
    assert torch.allclose(here.encode_image(picture), features.cpu(), atol=1e-3)
    assert elsewhere.encode_texts(["wall"]).device.type == "cpu"
    assert elsewhere.class_scores(features.flatten(1).T).device == there


def test_names_of_devices():
    assert devices.find("cpu") == torch.device("cpu")
    assert devices.find("auto").type in ("cpu", "cuda")
    for name in ("gpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(InputError, match="auto, cpu, cuda"):
            devices.find(name)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA device here"):
            devices.find("cuda:0")
        with pytest.raises(InputError, match="no CUDA device here"):
            load_frozen(Path("dos-rooms-small"), "cuda")
