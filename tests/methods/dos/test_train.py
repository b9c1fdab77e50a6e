import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.shards import write_shards
from scanwise.methods.dos import evaluate
from scanwise.methods.dos.model import DOS
from scanwise.methods.dos.train import train
from scanwise.methods.segment.model import Segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.training.backbones import load_backbone
from scanwise.training.checkpoints import load, start_from
from scanwise.training.launch import make_fabric
from tests.methods.dos.small import LADDER, recipe_of
from tests.scenes import labelled_scene, write_scenes

RUN = {
    "batch": 2, "steps": 8, "validate_every": 4, "checkpoint_every": 2, "momentum": 0.9, "drop_path": 0.1,
    "probe_scenes": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=4, val=2)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, train(recipe_of(data=data, **RUN), out, make_fabric(device="cpu"))


def losses(out: Path) -> list[tuple[str, str]]:
    with (out / "log.csv").open() as stream:
        return [(row["step"], row["loss"]) for row in csv.DictReader(stream)]


def test_a_run_leaves_metrics_pictures_and_the_teachers_backbone(run):
    out, metrics = run
    assert {"score", "linear", "knn"} <= metrics.keys()
    assert 0 < metrics["linear"] <= 1
    assert metrics["score"] == metrics["linear"]
    with (out / "log.csv").open() as stream:
        row = next(csv.DictReader(stream))
    assert {"loss", "agreement", "rank", "usage", "entropy"} <= row.keys()
    assert (out / "features.png").stat().st_size > 2000


def test_a_run_that_was_stopped_goes_on_bit_for_bit_with_its_teacher(run, data, tmp_path, monkeypatch):
    whole, _ = run
    recipe, fabric = recipe_of(data=data, **RUN), make_fabric(device="cpu")
    step = DOS.after_step

    def interrupted(model: DOS, progress: float) -> None:
        step(model, progress)
        if progress >= 5 / 8:
            raise RuntimeError("the power went")

    monkeypatch.setattr(DOS, "after_step", interrupted)
    with pytest.raises(RuntimeError, match="power"):
        train(recipe, tmp_path, fabric)
    monkeypatch.setattr(DOS, "after_step", step)
    train(recipe, tmp_path, fabric)
    assert losses(tmp_path) == losses(whole)
    one, two = load(whole / "last.ckpt"), load(tmp_path / "last.ckpt")
    assert one.tensors.keys() == two.tensors.keys()
    assert all(torch.equal(one.tensors[name], value) for name, value in two.tensors.items())
    assert not torch.equal(
        one.tensors["model.backbone.network.embedding.linear.weight"],
        one.tensors["model.student.backbone.network.embedding.linear.weight"],
    )


def test_the_checkpoint_starts_a_supervised_run_and_gives_a_backbone(run, data):
    path = run[0] / "best.ckpt"
    model = Segmenter(SegmentRecipe(data=data, backbone="tiny", decoder=1), ["a", "b"])
    start_from(model, path)
    teacher = load(path).tensors["backbone.network.embedding.linear.weight"]
    assert torch.equal(model.backbone.network.embedding.linear.weight, teacher)
    frozen = load_backbone(path)
    sample, feats = frozen.encode(labelled_scene(9))
    assert feats.shape == (len(sample), frozen.backbone.channels)
    assert (frozen.voxel, frozen.features) == (0.1, ("color", "normal"))


def test_a_backbone_that_learned_with_mask_tokens_is_loaded_as_well(data, tmp_path):
    recipe = recipe_of(data=data, **(RUN | LADDER["naive"] | {"steps": 1}))
    train(recipe, tmp_path, make_fabric(device="cpu"))
    _, feats = load_backbone(tmp_path / "best.ckpt").encode(labelled_scene(9))
    assert np.isfinite(feats).all()


def test_without_labels_the_last_weights_are_kept(data, tmp_path, monkeypatch):
    read = evaluate.read_source

    def unlabelled(path):
        scene = read(path)
        scene.labels = None
        return scene

    monkeypatch.setattr(evaluate, "read_source", unlabelled)
    recipe = recipe_of(data=data, **(RUN | {"steps": 3, "validate_every": 1}))
    metrics = train(recipe, tmp_path, make_fabric(device="cpu"))
    assert metrics == {"score": pytest.approx(2 / 3), "step": 3}


def test_the_last_weights_are_kept_where_that_is_wanted(data, tmp_path, monkeypatch):
    scores = iter([0.9, 0.5, 0.1])
    monkeypatch.setattr(
        "scanwise.methods.dos.train.validation_of", lambda sources: lambda module: {"score": next(scores)}
    )
    settings = RUN | {"steps": 3, "validate_every": 1, "keep": "last"}
    metrics = train(recipe_of(data=data, **settings), tmp_path, make_fabric(device="cpu"))
    assert metrics == {"score": 0.1, "step": 3}
    last = load(tmp_path / "last.ckpt").under("model.")
    assert all(torch.equal(last[name], value) for name, value in load(tmp_path / "best.ckpt").tensors.items())


def test_scenes_may_come_in_shards(tmp_path):
    scenes = [labelled_scene(seed, 600) for seed in range(4)]
    write_shards(scenes[:2], tmp_path / "data" / "train", scenes_per_shard=2)
    write_shards(scenes[2:], tmp_path / "data" / "val", scenes_per_shard=2)
    recipe = recipe_of(data=tmp_path / "data", **(RUN | {"steps": 1}))
    assert train(recipe, tmp_path / "out", make_fabric(device="cpu"))["linear"] > 0
