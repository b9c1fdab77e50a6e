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
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import folder
from scanwise.methods.segment.data import MakeSample, counted_classes
from scanwise.methods.segment.evaluate import evaluate, outputs, predict
from scanwise.methods.segment.model import Segmenter, load_segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.methods.segment.train import train
from scanwise.nn.tiles import tiles
from scanwise.training.checkpoints import load, start_from
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


def test_class_weights_are_in_the_loss_and_in_the_facts(data, tmp_path):
    train(recipe(data, steps=1, class_weights="sqrt"), tmp_path / "run", make_fabric(device="cpu"))
    facts = load(tmp_path / "run" / "best.ckpt").facts
    labels = np.concatenate([read_source(path).labels for path in scene_paths(data, "train")])
    counts = np.bincount(labels, minlength=3)
    assert facts["class_points"] == counts.tolist()
    expected = 1 / np.sqrt(counts)
    assert facts["class_weights"] == pytest.approx((expected / expected.mean()).tolist())
    model = load_segmenter(tmp_path / "run")
    weights = torch.tensor([0.5, 1.0, 1.5])
    weighted = Segmenter(model.recipe, CLASSES, weights.tolist())
    weighted.load_state_dict(model.state_dict())
    batch = collate([sample_of(Cloud.of(labelled_scene(3)), 0.1, model.recipe.features)])
    batch.labels[:50] = -1
    found = weighted.eval().training_step(batch, 0.0)["entropy"]
    with torch.no_grad():
        expected = torch.nn.functional.cross_entropy(weighted(batch), batch.labels, weights, ignore_index=-1)
    torch.testing.assert_close(found, expected)


def test_classes_are_counted_once(data, tmp_path, monkeypatch):
    paths = scene_paths(data, "train")
    classes, points = counted_classes(paths, tmp_path / "classes.json")
    assert classes == CLASSES
    others = "scanwise.methods.segment.data.class_counts"
    monkeypatch.setattr(others, lambda sources, progress: (["other"], [len(sources)]))
    assert counted_classes(paths, tmp_path / "classes.json") == (classes, points)
    assert counted_classes(paths[:2], tmp_path / "classes.json") == (["other"], [2])
    assert counted_classes(paths, tmp_path / "names.json", points=False) == (CLASSES, [])


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


def test_classes_are_matched_by_name(run, tmp_path):
    """The same scene with its classes in another order, one of them unknown to the model, and one point nowhere."""
    model, scene = load_segmenter(run[0] / "best.ckpt"), labelled_scene(1)
    scene.points[0] = np.nan
    folder.write(scene, tmp_path / "same")
    folder.write(
        replace(scene, labels=np.array([1, 2, 0])[scene.labels], classes=["Lamp", "Floor", "WALL"], name="other"),
        tmp_path / "other",
    )
    same = evaluate(model, [tmp_path / "same"])["all"]
    assert same.matrix.sum() == len(scene) - 1
    assert same.left_out == {}
    with pytest.warns(ScanwiseWarning, match=r"^500 points of classes that the weights do not know \(Lamp\) count as"):
        other = evaluate(model, [tmp_path / "other"])["all"]
    np.testing.assert_array_equal(other.matrix[:2], same.matrix[:2])
    assert other.matrix[2].sum() == 0
    assert other.left_out == {"Lamp": 500}


def test_scenes_of_other_classes_are_refused(run, tmp_path):
    model = load_segmenter(run[0] / "best.ckpt")
    folder.write(replace(labelled_scene(1), classes=["car", "tree", "road"], name="street"), tmp_path / "street")
    with pytest.raises(InputError, match=r"street: its classes \(car, tree, road\) and those of the weights"):
        evaluate(model, [tmp_path / "street"])
    scene = labelled_scene(1)
    folder.write(replace(scene, labels=0 * scene.labels, classes=["car", "wall"], name="cars"), tmp_path / "cars")
    with pytest.raises(InputError, match=r"none of the 1 scenes has a labelled point of a class .*; 1,500 points"):
        evaluate(model, [tmp_path / "cars"])


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


def test_a_step_in_bfloat16_is_nearly_that_in_float32(data):
    torch.manual_seed(0)
    model = Segmenter(recipe(data, backbone="small"), CLASSES).eval()  # pooling, convolutions, attention
    batch = collate([sample_of(Cloud.of(labelled_scene(seed)), 0.1, model.recipe.features) for seed in range(2)])
    found = {}
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            losses = model.training_step(batch, 0.0)
        losses["loss"].backward()
        gradients = torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None])
        found[enabled] = losses["loss"].detach(), gradients
    torch.testing.assert_close(found[True][0], found[False][0], rtol=0.02, atol=0)
    assert torch.nn.functional.cosine_similarity(found[True][1], found[False][1], 0) > 0.98


def test_offsets_are_taught_beside_the_words(tmp_path):
    """The loss of offsets that are all 0: the mean length of the way, as the direction of nothing has cosine 0."""
    scene = labelled_scene(0)
    scene.instances = np.where(scene.labels == 0, 7, -1).astype(np.int32)
    settings = recipe(tmp_path, offsets=2.0)
    sample = MakeSample(settings)(scene, np.random.default_rng(0))
    batch = collate([sample])
    inside = ~np.isnan(sample.offsets).any(1)
    assert 0 < inside.sum() < len(sample)
    np.testing.assert_allclose(
        (sample.centers + sample.offsets)[inside], np.tile(sample.centers[inside].mean(0), (inside.sum(), 1)), atol=1e-4
    )
    model = Segmenter(settings, list(scene.classes))
    assert model.offsets is not None
    torch.nn.init.zeros_(model.offsets[-1].weight)
    torch.nn.init.zeros_(model.offsets[-1].bias)
    found = model.training_step(batch, 0.0)
    assert float(found["offset"]) == pytest.approx(np.abs(sample.offsets[inside]).sum(1).mean(), rel=1e-4)
    torch.testing.assert_close(
        found["loss"].detach(), found["entropy"] + settings.lovasz * found["lovasz"] + 2 * found["offset"]
    )
    probabilities, offsets = outputs(model, scene)
    assert offsets is not None
    assert offsets.shape == (len(scene), 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert outputs(Segmenter(recipe(tmp_path), list(scene.classes)), scene)[1] is None
    with pytest.raises(InputError, match="offsets"):
        MakeSample(settings)(replace(scene, instances=None), np.random.default_rng(0))
