"""Runs of the baselines, and their recipes beside STELLAR's."""

from pathlib import Path

import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.image_baselines import train as baselines
from scanwise.methods.image_baselines.dino import DINO
from scanwise.methods.image_baselines.evaluate import load_encoder
from scanwise.methods.image_baselines.recipe import BaselineRecipe
from scanwise.methods.image_baselines.train import train
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.training.launch import make_fabric
from scanwise.training.recipe import read_recipe
from tests.methods.image_baselines.recipes import recipe
from tests.pictures import COLOURS, picture, write_folder


@pytest.mark.parametrize("method", ["mae", "dino", "supervised"])
def test_runs_leave_an_encoder(tmp_path, method):
    data = write_folder(write_folder(tmp_path / "data", 2), 1, "test", seed=500)
    metrics = train(recipe(method, data), tmp_path / "out", make_fabric(device="cpu"))
    assert {"knn_cls", "knn_dense"} <= set(metrics)
    encoder = load_encoder(tmp_path / "out" / "best.ckpt")
    assert encoder(torch.rand(1, 3, 16, 16)).dense.shape == (1, 16, 96)
    tensors = load(tmp_path / "out" / "best.ckpt").tensors
    probed, other = ("teacher.0.cls", "encoder.cls") if method == "dino" else ("encoder.cls", None)
    assert torch.equal(encoder.cls, tensors[probed])
    assert other is None or not torch.equal(encoder.cls, tensors[other])


def test_dino_is_validated_by_its_teacher(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(baselines, "image_features", lambda encoder, images: seen.append(encoder) or {"cls": images})
    monkeypatch.setattr(baselines, "knn_accuracy", lambda encode, *rest: encode(None) and {"knn_cls": 0.5})
    made = []
    init = DINO.__init__
    monkeypatch.setattr(DINO, "__init__", lambda self, recipe: (init(self, recipe), made.append(self))[0])
    train(recipe("dino", write_folder(tmp_path / "data", 2)), tmp_path / "out", make_fabric(device="cpu"))
    assert len(seen) == 1
    assert seen[0] is made[0].teacher[0]


def test_labels_cannot_be_learned_from_pictures_without(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for seed in range(4):
            picture(COLOURS["red"], seed).save(tmp_path / split / f"{seed}.png")
    with pytest.raises(InputError, match="without classes"):
        train(recipe("supervised", tmp_path), tmp_path / "out", make_fabric(device="cpu"))


@pytest.mark.parametrize("method", ["mae", "dino", "supervised"])
def test_the_recipes_that_ship_see_what_stellar_sees(method):
    recipes = Path(__file__).parents[3] / "recipes"
    baseline = read_recipe(recipes / f"{method}-cifar-tiny.yaml", BaselineRecipe)
    stellar = read_recipe(recipes / "stellar-cifar-tiny.yaml", StellarRecipe)
    assert baseline.method == method
    for key in ("data", "size", "image", "patch", "batch", "steps", "learning_rate", "weight_decay", "scale"):
        assert getattr(baseline, key) == getattr(stellar, key)


def test_what_is_no_baseline_is_refused(tmp_path):
    save(Checkpoint({}, {"kind": "stellar"}), tmp_path / "best.ckpt")
    with pytest.raises(InputError, match="none of mae, dino, supervised"):
        load_encoder(tmp_path)
