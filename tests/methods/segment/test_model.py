import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.clouds import Cloud, collate, sample_of
from scanwise.data.datasets import read_source, scene_paths
from scanwise.data.shards import write_shards
from scanwise.errors import InputError
from scanwise.formats import folder
from scanwise.methods.segment.evaluate import evaluate, predict
from scanwise.methods.segment.model import Segmenter, load_segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.methods.segment.train import train
from scanwise.nn.tiles import tiles
from scanwise.training.checkpoints import start_from
from scanwise.training.launch import make_fabric
from tests.scenes import CLASSES, labelled_scene, write_scenes


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=4, val=2, test=2)


def recipe(data, **more) -> SegmentRecipe:
    return SegmentRecipe.model_validate(
        {"data": data, "backbone": "tiny", "voxel": 0.1, "batch": 2, "steps": 40, "validate_every": 40} | more
    )


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("run")
    metrics = train(recipe(data), out, make_fabric(device="cpu"))
    return out, metrics


def test_it_learns_to_tell_floor_wall_and_block(run):
    out, metrics = run
    assert metrics["miou"] > 0.8
    model = load_segmenter(out / "best.ckpt")
    assert model.classes == CLASSES
    scene = labelled_scene(77)
    assert (predict(model, scene) == scene.labels).mean() > 0.9


def test_each_point_of_the_input_gets_one_prediction(run):
    model = load_segmenter(run[0] / "best.ckpt")
    scene = labelled_scene(5)
    points = scene.points.copy()
    points[[3, 700]] = np.nan
    predicted = predict(model, replace(scene, points=points))
    assert predicted.shape == (len(scene),)
    assert predicted.dtype == np.int32
    assert np.flatnonzero(predicted < 0).tolist() == [3, 700]


def test_a_scene_in_tiles_is_predicted_nearly_as_in_one(run):
    model = load_segmenter(run[0] / "best.ckpt")
    scene = labelled_scene(5)
    whole = predict(model, scene)
    model.recipe = model.recipe.model_copy(update={"most_voxels": 300})
    sample = sample_of(Cloud.of(scene), model.recipe.voxel, ("color",))
    assert len(tiles(sample.centers, 300, 1.0)) > 1
    assert (predict(model, scene) == whole).mean() > 0.9


@pytest.mark.parametrize("missing", ["colors", "normals"])
def test_colour_or_normals_may_be_missing(run, missing):
    model = load_segmenter(run[0] / "best.ckpt")
    bare = replace(labelled_scene(5), **{missing: None})
    assert (predict(model, bare) >= 0).all()


def test_seen_and_unseen_models_are_counted_apart(run, data):
    counts = evaluate(load_segmenter(run[0] / "best.ckpt"), scene_paths(data, "test"))
    blocks = {name: int(confusion.matrix[2].sum()) for name, confusion in counts.items()}
    assert blocks["seen"] + blocks["unseen"] == blocks["all"] == 1000
    assert counts["unseen"].matrix[:2].sum() == 0
    assert counts["all"].matrix.sum() == 3000


def test_shards_train_as_folders_do(data, tmp_path):
    for split in ("train", "val"):
        write_shards(scenes_of(data, split), tmp_path / split, scenes_per_shard=3)
    losses = []
    for root in (data, tmp_path):
        out = tmp_path / f"run-{root.name}"
        train(recipe(root, steps=2), out, make_fabric(device="cpu"))
        losses.append((out / "log.csv").read_text().splitlines()[1].split(",")[1])
    assert losses[0] == losses[1]


def scenes_of(root, split):
    return [read_source(source) for source in scene_paths(root, split)]


def test_a_linear_probe_leaves_the_backbone_as_it_was(run, data, tmp_path):
    out, _ = run
    settings = recipe(data, decoder=0, freeze=True, init=str(out / "best.ckpt"), steps=3)
    train(settings, tmp_path, make_fabric(device="cpu"))
    start, probe = (load_segmenter(path / "best.ckpt").backbone.state_dict() for path in (out, tmp_path))
    assert all(torch.equal(start[name], value) for name, value in probe.items())


def test_another_encoder_is_refused(run, data):
    other = Segmenter(recipe(data, backbone="small"), CLASSES)
    with pytest.raises(InputError, match="does not fit"):
        start_from(other, run[0] / "best.ckpt")


def test_scenes_without_labels_are_named(run, data, tmp_path):
    model = load_segmenter(run[0] / "best.ckpt")
    folder.write(replace(labelled_scene(1), labels=None, name="bare"), tmp_path / "bare")
    with pytest.raises(InputError, match="bare: has no labels"):
        evaluate(model, [tmp_path / "bare"])


def test_a_cloud_is_judged_the_same_beside_others(run):
    model = load_segmenter(run[0] / "best.ckpt")
    samples = [sample_of(Cloud.of(labelled_scene(seed)), 0.1, model.recipe.features) for seed in (1, 2)]
    with torch.no_grad():
        alone, both = model(collate(samples[1:])), model(collate(samples))
    torch.testing.assert_close(both[len(samples[0]) :], alone, rtol=1e-3, atol=1e-4)


def test_mixed_precision_learns_too(data, tmp_path):
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        out = tmp_path / precision
        train(recipe(data, steps=8, precision=precision), out, make_fabric(device="cpu", precision=precision))
        losses[precision] = [float(line.split(",")[1]) for line in (out / "log.csv").read_text().splitlines()[1:]]
    assert losses["bf16-mixed"][-1] < losses["bf16-mixed"][0]
    assert losses["bf16-mixed"][0] != losses["32-true"][0]


def test_the_model_is_had_without_the_training_loop():
    code = "import scanwise.methods.segment.model, sys; print('lightning_fabric' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_weights_of_something_else_are_no_segmenter():
    with pytest.raises(InputError, match=r"holds no segmenter; give the best\.ckpt of a `scanwise train segment` run"):
        load_segmenter(Path("dos-rooms-small"))
