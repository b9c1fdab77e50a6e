"""A run learns, goes on, and leaves weights that work."""

from dataclasses import asdict

import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.vision.recipe import RoomsVisionRecipe
from scanwise.methods.vision.train import train
from scanwise.training.checkpoints import Checkpoint, save
from scanwise.training.images import load_tokens
from scanwise.training.launch import make_fabric
from scanwise.vision import Vision, load_vision
from tests.framed import framed_scene, write_framed
from tests.pictures import tiny_tokens


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_framed(tmp_path_factory.mktemp("framed"), train=4, val=1)


def test_a_run_validates_goes_on_and_leaves_weights(data, tmp_path):
    options = {"data": data, "crop": 64, "samples": 64, "batch": 2, "validate_every": 2, "checkpoint_every": 1}
    whole_run, halves = tmp_path / "whole", tmp_path / "halves"
    metrics = train(RoomsVisionRecipe(steps=2, **options), whole_run, make_fabric(device="cpu"))
    assert set(metrics) >= {"miou", "macc", "names", "step"}

    def stop(stage: str, done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RoomsVisionRecipe(steps=2, **options), halves, make_fabric(device="cpu"), progress=stop)
    assert train(RoomsVisionRecipe(steps=2, **options), halves, make_fabric(device="cpu")) == metrics
    model = load_vision(f"rooms:{whole_run / 'rooms-vision.safetensors'}")
    assert isinstance(model, Vision)
    assert model.card["metrics"]["miou"] == metrics["miou"]
    assert "mug" in model.card["names"]
    image = framed_scene(0).views[0].image
    assert torch.isfinite(model.encode_image(image)).all()


@pytest.fixture
def stellar(tmp_path):
    """An untrained STELLAR network, as a run leaves it."""
    network = tiny_tokens(8)
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    facts = {"kind": "stellar", "network": asdict(network.config)}
    save(Checkpoint(weights, facts), tmp_path / "stellar" / "best.ckpt")
    return tmp_path / "stellar"


def test_upon_features_that_no_label_taught(data, stellar, tmp_path):
    recipe = RoomsVisionRecipe(
        data=data, trunk=str(stellar), crop=64, samples=64, batch=2, steps=2, validate_every=2, workers=0
    )
    metrics = train(recipe, tmp_path / "run", make_fabric(device="cpu"))
    assert set(metrics) >= {"miou", "macc", "names"}
    model = load_vision(f"rooms:{tmp_path / 'run' / 'rooms-vision.safetensors'}")
    assert isinstance(model, Vision)
    assert list(model.model_hashes) == ["rooms-vision.safetensors"]  # conse, which ImageNet's labels taught, has no say
    own, trained = load_tokens(stellar).state_dict(), model.encoder.trunk.state_dict()
    assert all(torch.allclose(trained[name], value, atol=1e-3) for name, value in own.items())
    image = framed_scene(0).views[0].image
    seen, texts = model.encode_image(image), model.encode_texts(["chair", "floor"])
    assert (seen.shape[0], texts.shape) == (384, (2, 384))
    assert model.class_scores(seen.flatten(1).T).shape[0] == seen[0].numel()
    with pytest.raises(InputError, match="no STELLAR network"):
        train(recipe.model_copy(update={"trunk": "segment-rooms-small"}), tmp_path / "no", make_fabric(device="cpu"))
