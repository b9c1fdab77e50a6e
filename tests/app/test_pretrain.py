"""`scanwise pretrain dos`, `features` and `probe` as a person uses them."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

import scanwise
from scanwise.app import cli
from scanwise.scene import Scene
from tests.scenes import CLASSES, labelled_scene, write_scenes

RECIPE = """
data: {data}
size: tiny
voxel: 0.1
prototypes: 16
hidden: 16
channels: 8
batch: 2
steps: 2
validate_every: 2
probe_scenes: 2
"""


def call(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["scanwise", *map(str, arguments)])
        try:
            cli.main()
            return 0
        except SystemExit as stop:
            return int(stop.code or 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrain")
    write_scenes(root / "scenes", train=3, val=2)
    (root / "recipe.yaml").write_text(RECIPE.format(data=root / "scenes"))
    return root


@pytest.fixture(scope="module")
def trained(data):
    out = data / "run"
    assert call("pretrain", "dos", data / "recipe.yaml", "--out", out, "--device", "cpu") == 0
    return out


def test_pretraining_says_where_the_weights_are_and_how_good(data, trained, capsys):
    assert call("pretrain", "dos", data / "recipe.yaml", "--out", trained, "--device", "cpu", "--set", "steps=3") == 0
    said = capsys.readouterr()
    assert "going on after step 2 of 3" in said.err
    assert "best.ckpt: linear probe" in said.out
    assert "mIoU" in said.out


def test_features_of_every_point_and_their_picture(trained, tmp_path, capsys):
    scene = labelled_scene(7)
    scene.points[3] = np.nan
    scanwise.write_scene(scene, tmp_path / "scene")
    out = tmp_path / "out"
    assert call("features", tmp_path / "scene", "--model", trained, "--out", out, "--device", "cpu") == 0
    assert str(out / "features.npz") in capsys.readouterr().out
    with np.load(out / "features.npz") as found:
        of_points = found["features"][found["voxel_of_point"]]
    assert of_points.shape == (len(scene), 240)
    assert np.isfinite(np.delete(of_points, 3, 0)).all()
    assert np.isnan(of_points[3]).all()
    same = np.abs(of_points[:1] - of_points).max(1) == 0
    assert 1 <= same.sum() < 200  # features differ from place to place
    picture = np.asarray(Image.open(out / "features.png"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_a_scan_without_colour_is_encoded_with_a_warning(trained, tmp_path, capsys):
    scanwise.write_scene(Scene(labelled_scene(7).points), tmp_path / "bare.ply")
    assert call("features", tmp_path / "bare.ply", "--model", trained / "best.ckpt", "--out", tmp_path / "out") == 0
    assert "has no color, which the model was trained with" in capsys.readouterr().err


def test_a_probe_is_fitted_and_measured(data, trained, tmp_path, capsys):
    out = tmp_path / "probe.json"
    options = ("--model", trained, "--voxels", 200, "--device", "cpu")
    assert call("probe", data / "scenes", *options, "--seeds", 2, "--out", out) == 0
    said = capsys.readouterr()
    assert "| floor |" in said.out
    assert "from 3 scenes, 600 voxels" in said.out
    assert ", decay " in said.err
    metrics = json.loads(out.read_text())
    assert len(metrics) == 2
    assert metrics[0]["miou"] > 1 / len(CLASSES)
    assert all(1e-6 <= found["decay"] <= 0.1 for found in metrics)
    assert call("probe", data / "scenes", *options, "--knn", "--scenes", 1) == 0
    assert "from 1 scenes, 200 voxels" in capsys.readouterr().out


def test_a_probe_is_tested_on_one_scan_by_the_names_of_classes(data, trained, tmp_path, capsys):
    scene = labelled_scene(8)
    renamed = Scene(
        scene.points, scene.colors, scene.normals, labels=2 - scene.labels, classes=["block", "lamp", "floor"]
    )
    scanwise.write_scene(renamed, tmp_path / "other")
    assert call("probe", data / "scenes", "--model", trained, "--on", tmp_path / "other", "--random") == 0
    said = capsys.readouterr().out
    assert "| floor |" in said
    assert "| wall |" not in said  # the scan calls it lamp, which the probe does not know


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("features", "{scene}", "--model", "{root}/nothing.ckpt"), "nothing.ckpt"),
        (("features", "{scene}", "--model", "{root}/recipe.yaml"), "not a checkpoint"),
        (("probe", "{root}/scenes", "--model", "{run}", "--share", "2"), "--share"),
        (("pretrain", "dos", "{root}/recipe.yaml", "--set", "prototype=3"), "prototypes"),
        (("pretrain", "dos", "{root}/recipe.yaml", "--set", "data=nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments, words, data, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    filled = [argument.format(scene=data / "scenes" / "val" / "0000", root=data, run=trained) for argument in arguments]
    capsys.readouterr()
    assert call(*filled) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert words in said
