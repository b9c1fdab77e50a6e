"""Losses as computed by hand; what is rare is drawn oftener; a run learns, goes on, and leaves weights that work."""

import math
from dataclasses import asdict

import pytest
import torch

from scanwise.data.datasets import Draw, scene_paths
from scanwise.data.frames import FrameDataset
from scanwise.errors import InputError
from scanwise.methods.vision.data import Crops, collate
from scanwise.methods.vision.model import (
    RoomsVision,
    RoomsVisionRecipe,
    Words,
    balanced_rows,
    evaluate,
    name_loss,
    train,
    whole,
)  # fmt: skip
from scanwise.training.checkpoints import Checkpoint, save
from scanwise.training.images import read_network
from scanwise.training.launch import make_fabric
from scanwise.training.recipe import read_recipe
from scanwise.vision import Vision, load_vision
from tests.framed import framed_scene, write_framed
from tests.pictures import tiny_tokens

CLASSES = ["wall", "floor", "chair", "otherfurniture", "ceiling"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_framed(tmp_path_factory.mktemp("framed"), train=4, val=1)


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(["chair", "office chair", "mug", "floor"], CLASSES)


def test_loss_of_names_by_hand():
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [5.0, 5.0, 5.0]])
    rivals = torch.tensor([[True, False, True], [True, True, True], [True, True, True]])
    first = -math.log(math.e / (math.e + 1))  # the second name is no rival of the first
    second = -math.log(math.exp(3) / (1 + math.exp(3) + math.e))
    found = name_loss(logits, torch.tensor([0, 1, -1]), rivals)
    assert float(found) == pytest.approx((first + second) / 2, abs=1e-6)


def test_a_general_word_is_no_rival_of_a_special_one(words):
    place = {name: number for number, name in enumerate(words.names)}
    assert not words.rivals[place["office chair"], place["chair"]]  # an office chair is a chair as well
    assert words.rivals[place["chair"], place["office chair"]]
    assert words.rivals[place["mug"], place["chair"]]
    assert words.rivals.diagonal().all()


def test_words_are_said_in_many_ways(words):
    assert words.classes == ["wall", "floor", "chair", "ceiling"]
    assert words.class_row.tolist() == [0, 1, 2, -1, 3]
    assert words.sayings.shape[0] == len(words.names) + len(words.classes)
    assert torch.allclose(words.sayings.norm(dim=2), torch.ones(words.sayings.shape[:2]), atol=1e-5)
    chair, floor = words.sayings[0], words.sayings[3]
    assert (chair @ chair.T).mean() > (chair @ floor.T).mean() + 0.2


def test_rare_words_are_drawn_oftener_than_they_are():
    torch.manual_seed(0)
    words = torch.tensor([0] * 900 + [1] * 100 + [-1] * 50)
    rows = balanced_rows(words, torch.full_like(words, -1), 4000)
    assert (words[rows] >= 0).all()
    assert float((words[rows] == 1).float().mean()) == pytest.approx(10 / (30 + 10), abs=0.03)


def test_two_pictures_are_learned_and_imagenet_kept(data):
    torch.manual_seed(0)
    recipe = RoomsVisionRecipe(data=data, crop=64, samples=128)
    frames = FrameDataset(scene_paths(data, "train"), Crops(recipe.crop, random=False))
    model = RoomsVision(recipe, Words(frames.names, frames.classes))
    batch = collate([frames[Draw(number, (0,))] for number in (0, 2)])
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3)
    losses = []
    for _ in range(25):
        metrics = model.training_step(batch, 0.0)
        metrics["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append({name: float(value.detach()) for name, value in metrics.items()})
    assert losses[0]["kept"] == pytest.approx(0, abs=1e-4)
    assert losses[-1]["names"] < 0.3 * losses[0]["names"]
    assert losses[-1]["classes"] < 0.3 * losses[0]["classes"]


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
    own, trained = read_network(stellar).state_dict(), model._encoder.trunk.state_dict()
    assert all(torch.allclose(trained[name], value, atol=1e-3) for name, value in own.items())
    image = framed_scene(0).views[0].image
    seen, texts = model.encode_image(image), model.encode_texts(["chair", "floor"])
    assert (seen.shape[0], texts.shape) == (384, (2, 384))
    assert model.class_scores(seen.flatten(1).T).shape[0] == seen[0].numel()
    with pytest.raises(InputError, match="no STELLAR network"):
        train(recipe.model_copy(update={"trunk": "segment-rooms-small"}), tmp_path / "no", make_fabric(device="cpu"))


def test_evaluation_of_embeddings_that_are_right(data):
    """A stand-in encoder that says each pixel's own words: everything is found."""
    frames = FrameDataset(scene_paths(data, "val"), whole)
    words = Words(frames.names, frames.classes)
    texts = torch.nn.functional.normalize(words.sayings.mean(1), dim=1)
    known = {frames.names.index(name): texts[frames.names.index(name)] for name in ("floor", "chair", "mug")}

    class Oracle(torch.nn.Module):
        log_scale = torch.tensor(1.0)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            pixels = frames[Draw(self.number, (0,))][1]
            self.number += 1
            grid = torch.zeros(*pixels.words.shape, texts.shape[1])
            for word, text in known.items():
                grid[torch.from_numpy(pixels.words == word)] = text
            return grid.permute(2, 0, 1)[None]

    oracle = Oracle()
    oracle.number = 0
    metrics = evaluate(oracle, frames, words)
    assert metrics["names"] == pytest.approx(1.0)
    assert metrics["macc"] == pytest.approx(1.0)


def test_what_the_recipe_says_is_checked(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("data: here\ncrop: 100\n")
    with pytest.raises(InputError, match="crop"):
        read_recipe(path, RoomsVisionRecipe)


def test_the_shipped_recipe_is_one():
    from pathlib import Path

    recipes = Path(__file__).parents[3] / "recipes"
    assert read_recipe(recipes / "vision-stellar.yaml", RoomsVisionRecipe).trunk == "stellar-small"
    recipe = read_recipe(recipes / "vision-rooms-small.yaml", RoomsVisionRecipe)
    assert recipe.crop % 32 == 0
    assert recipe.batch % recipe.accumulate == 0
