"""Training leaves a student, rates by layer, validation with labels and without."""

import json
from dataclasses import replace

import numpy as np

from scanwise.formats import folder
from scanwise.methods.geopurify.model import GeoPurify, StudentConfig, load_student
from scanwise.methods.geopurify.train import layer_groups, train
from scanwise.training.launch import make_fabric
from tests.methods.geopurify.corners import coloured, recipe
from tests.worlds import ColourVision


def test_training_leaves_a_student_and_the_names_of_its_scenes(run, data):
    out, metrics = run
    assert {"score", "miou", "off", "geometry"} <= metrics.keys()
    assert metrics["off"] > 0.9
    assert metrics["miou"] > 0.9
    names = json.loads((out / "scenes.json").read_text())["scenes"]
    assert len(names) == 2
    assert all(name.startswith(str(data / "train")) for name in names)
    student = load_student(out)
    assert student.config == StudentConfig("colour", 4, 3, 8, 8, 1)
    assert student.basis.abs().sum() > 0


def test_without_labels_it_is_chosen_by_the_loss_on_other_anchors(teacher, tmp_path):
    for split in ("train", "val"):
        folder.write(replace(coloured(3), labels=None, classes=None), tmp_path / "data" / split / "one")
    settings = recipe(tmp_path / "data", scenes=1, batch=1, steps=10, validate_every=5, reduced=0)
    found = train(settings, tmp_path / "out", make_fabric(device="cpu"), teacher=teacher, vision=ColourVision())
    assert found["score"] == -found["val_loss"]
    assert found["val_loss"] < np.log(64) + 1
    assert load_student(tmp_path / "out").config.vision == ""


def test_rates_of_the_three_layers(data):
    settings = recipe(data)
    model = GeoPurify(settings, StudentConfig("", 0, 0, 8, 4, 2))
    groups = layer_groups(model.student, settings)
    rate = {id(parameter): group["scale"] for group in groups for parameter in group["params"]}
    names = {name: rate[id(parameter)] for name, parameter in model.named_parameters()}
    assert {name: value for name, value in names.items() if value == 0.1}.keys() == {
        "student.network.stem.weight", "student.network.norm.weight", "student.network.norm.bias",
    }  # fmt: skip
    assert [name for name, value in names.items() if value == 5.0] == ["student.network.head.weight"]
    assert all(value == 1.0 for name, value in names.items() if ".blocks." in name)
    assert len(names) == 3 + 1 + 2 * 6
