"""Runs of STELLAR: resume, and start from another run."""

import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.stellar.evaluate import load_network
from scanwise.methods.stellar.model import Stellar
from scanwise.methods.stellar.train import start_from, train
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.training.launch import make_fabric
from tests.methods.stellar.test_model import recipe
from tests.pictures import write_folder


def run_recipe(root, **changes):
    values = {"steps": 6, "batch": 4, "validate_every": 3, "checkpoint_every": 2, "size": "nano", "prototypes": 16,
              "decoder_width": 16, "decoder_depth": 1, "predictor": 16, "prototype_width": 8, "tokens": 4}  # fmt: skip
    return recipe().model_copy(update={"data": root, **values, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("pictures"), 4)
    return write_folder(root, 2, "test", seed=500)


@pytest.fixture
def fabric():
    return make_fabric(device="cpu")


def rows_of(out):
    lines = (out / "log.csv").read_text().splitlines()
    skip = lines[0].split(",").index("seconds")
    return [[value for place, value in enumerate(line.split(",")) if place != skip] for line in lines]


def test_a_run_that_was_stopped_has_the_losses_of_one_that_was_not(tmp_path, data, fabric, monkeypatch):
    settings = run_recipe(data, teacher=0.5, second_view=True)
    metrics = train(settings, tmp_path / "whole", fabric)
    assert {"mse", "psnr", "ssim", "knn_cls", "knn_sparse", "knn_dense"} <= set(metrics)
    step = Stellar.training_step
    calls = []

    def failing(self, batch, progress):
        calls.append(progress)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return step(self, batch, progress)

    monkeypatch.setattr(Stellar, "training_step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "parts", fabric)
    monkeypatch.setattr(Stellar, "training_step", step)
    train(settings, tmp_path / "parts", fabric)
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")
    first, second = (load_network(tmp_path / name / "best.ckpt").state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_starts_from_the_vit_of_another(tmp_path, data, fabric):
    train(run_recipe(data, steps=1), tmp_path / "first", fabric)
    network = load_network(tmp_path / "first" / "best.ckpt")
    settings = run_recipe(data, teacher=1.0)
    fresh = Stellar(settings, SparseTokens(settings.network()))
    start_from(fresh, tmp_path / "first" / "best.ckpt")
    assert torch.equal(fresh.network.encoder.positions, network.encoder.positions)
    assert torch.equal(fresh.teacher.encoder.positions, network.encoder.positions)
    other = run_recipe(data, size="tiny")
    with pytest.raises(InputError, match="does not fit"):
        start_from(Stellar(other, SparseTokens(other.network())), tmp_path / "first" / "best.ckpt")
