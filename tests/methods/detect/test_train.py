from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.datasets import scene_paths
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import folder
from scanwise.methods.detect.evaluate import evaluate, predict, truth_of
from scanwise.methods.detect.model import Detector, load_detector
from scanwise.methods.detect.recipe import DetectRecipe
from scanwise.methods.detect.train import spread, train
from scanwise.training.checkpoints import load
from scanwise.training.launch import make_fabric
from tests.scenes import labelled_scene
from tests.sweeps import boxed_sweep, write_sweeps


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_sweeps(tmp_path_factory.mktemp("sweeps"), train=6, val=2, test=2)


def recipe(data, **more) -> DetectRecipe:
    settings = {
        "data": data, "backbone": "tiny", "voxel": 0.4, "features": ("height",), "classes": ("car", "pedestrian"),
        "reach": 8.0, "channels": 16, "batch": 2, "steps": 40, "validate_every": 40, "learning_rate": 0.006,
    }  # fmt: skip
    return DetectRecipe.model_validate(settings | more)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, train(recipe(data, augment="none"), out, make_fabric(device="cpu"))


def test_it_learns_where_cars_are(run):
    out, metrics = run
    assert metrics["ap_4"] > 0.3
    model = load_detector(out)
    scene = boxed_sweep(1)  # of the training scenes
    found = predict(model, scene, 0.1)
    cars = truth_of(scene, ["car"])
    cars = cars.take(cars.classes == 0)
    nearest = np.linalg.norm(cars.centers[:, None, :2] - found.centers[None, found.classes == 0, :2], axis=2).min(1)
    assert nearest.max() < 1.0
    assert (np.diff(found.scores) <= 0).all()


def test_evaluation_counts_what_it_should(run, data):
    model = load_detector(run[0])
    sources = scene_paths(data, "test")
    found = evaluate(model, sources)
    assert found.truths.tolist() == [4, 2]
    again = evaluate(model, sources)
    assert again.metrics() == pytest.approx(found.metrics(), nan_ok=True)


def test_boxes_of_unknown_classes_are_told(data, run):
    model = load_detector(run[0])
    model.classes = ["car"]
    with pytest.warns(ScanwiseWarning, match=r"2 boxes of classes that the weights do not know \(person\)"):
        assert evaluate(model, scene_paths(data, "test")).truths.tolist() == [4]


def test_a_run_that_was_stopped_goes_on_exactly(data, tmp_path):
    settings = {"steps": 4, "validate_every": 4, "checkpoint_every": 2, "ema": 0.9}
    train(recipe(data, **settings), tmp_path / "whole", make_fabric(device="cpu"))
    train(recipe(data, **settings), tmp_path / "parts", make_fabric(device="cpu"))
    (tmp_path / "parts" / "last.ckpt").unlink()  # as if it had been killed after step 2
    train(recipe(data, **settings), tmp_path / "parts", make_fabric(device="cpu"))
    whole, parts = (load(tmp_path / name / "best.ckpt").tensors for name in ("whole", "parts"))
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_a_frozen_start_stays_as_it_was(data, run, tmp_path):
    train(recipe(data, steps=2, init=str(run[0]), freeze=True), tmp_path, make_fabric(device="cpu"))
    start, after = (load_detector(path).state_dict() for path in (run[0], tmp_path))
    assert all(torch.equal(after[name], value) for name, value in start.items() if name.startswith("backbone."))
    assert not torch.equal(after["heat.1.weight"], start["heat.1.weight"])


def test_the_backbone_of_shipped_weights_is_taken_over(data, tmp_path):
    settings = recipe(
        data, steps=1, backbone="small", features=("height", "intensity"), init="dos-streets-small", init_rate=1e-9
    )
    train(settings, tmp_path, make_fabric(device="cpu"))
    shipped, taken = load(Path("dos-streets-small")).under("backbone."), load(tmp_path / "best.ckpt").under("backbone.")
    assert set(shipped) == set(taken)
    assert all(torch.allclose(taken[name], value, atol=1e-5) for name, value in shipped.items())


def test_scenes_without_boxes_are_refused(tmp_path):
    folder.write(labelled_scene(0), tmp_path / "train" / "0")
    with pytest.raises(InputError, match=r"no boxes of car, pedestrian in 1 of its training scenes; .*synth streets"):
        train(recipe(tmp_path, batch=1), tmp_path / "run", make_fabric(device="cpu"))


def test_nothing_to_measure_is_refused(run, tmp_path):
    folder.write(labelled_scene(0), tmp_path / "test" / "0")
    with pytest.raises(InputError, match="none of the 1 scenes has a box of car, pedestrian"):
        evaluate(load_detector(run[0]), scene_paths(tmp_path, "test"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": ["car", "ship"]}, "ship is no class of detection; there are car, truck"),
        ({"classes": ["car", "car"]}, "a class is named twice"),
        ({"reach": 5000}, r"a map of 12500 x 12500 cells is too large \(1024\); lower reach, or raise cell"),
    ],
)
def test_wrong_recipes_say_so(changes, said, data):
    with pytest.raises(ValueError, match=said):
        recipe(data, **changes)


def test_scenes_are_spread():
    assert spread([*range(10)], 3) == [0, 4, 9]
    assert spread([*range(3)], 0) == spread([*range(3)], 5) == [0, 1, 2]


def test_weights_of_something_else_are_refused():
    with pytest.raises(InputError, match=r"holds no detector; give the best\.ckpt of a `scanwise train detect` run"):
        load_detector(Path("segment-things"))


def test_every_cell_starts_unlikely(data):
    torch.manual_seed(0)
    model = Detector(recipe(data)).eval()
    assert len(predict(model, boxed_sweep(1), 0.5)) == 0
