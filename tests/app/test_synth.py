"""`scanwise synth` from end to end with the built-in pieces: what it leaves, what it finishes, what it refuses."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

import scanwise
from scanwise.synth import generate, store
from scanwise.synth.world import SCANNET_20, SEMANTIC_KITTI_19

ROOMS = {"name": "Tiny", "kind": "rooms", "seed": 3, "splits": {"train": 1, "val": 1}, "views": 3, "size": [48, 64]}
STREETS = {"name": "Drives", "kind": "streets", "splits": {"test": 1}, "lidar": "HDL32", "sweeps": 1}


@pytest.fixture
def run(run, monkeypatch, tmp_path):
    """Runs `scanwise synth ...` in this process and on one core, without catalogues."""
    monkeypatch.delenv("SCANWISE_FURNITURE", raising=False)
    monkeypatch.setattr(store, "furniture_folder", lambda: tmp_path / "none")
    monkeypatch.setattr(store, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    generate._store.cache_clear()

    yield partial(run, "synth")
    generate._store.cache_clear()


@pytest.fixture
def describe(tmp_path):
    def write(**changes: object) -> Path:
        path = tmp_path / "set.yaml"
        path.write_text(yaml.safe_dump(changes))
        return path

    return write


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_rooms_of_a_description(run, describe, tmp_path):
    out = tmp_path / "rooms"
    code, said, notes = run("rooms", out, "--set", describe(**ROOMS))
    assert code == 0
    assert said.startswith(f"{out}: 2 scenes, ")
    assert notes.count("no furniture catalogue found") == 1
    index = json.loads((out / "index.json").read_text())
    assert [entry["path"] for entry in index["scenes"]] == ["train/train-0000", "val/val-0000"]
    for entry in index["scenes"]:
        scene = scanwise.read_scene(out / entry["path"])
        assert scene.classes == list(SCANNET_20)
        assert [view.image.shape for view in scene.views] == [(48, 64, 3)] * 3
        assert entry["points"] == len(scene) > 300
        assert entry["objects"] == len(scene.boxes) > 0
        assert {box.model for box in scene.boxes} == set(entry["models"])
        drawn = set(entry["models"]) - {""}  # a window or a door comes from no model
        assert drawn
        assert all(model.startswith("built-in#") for model in drawn)
        assert entry["sentences"] == len(scene.sentences) > 0
        labels = {scene.classes[label] for label in np.unique(scene.labels[scene.labels >= 0])}
        assert {"wall", "floor"} <= labels
    assert index["scenes"][0]["held_out"] == 0
    assert sum(index["points"].values()) <= sum(entry["points"] for entry in index["scenes"])
    attribution = (out / "ATTRIBUTION.md").read_text()
    assert "built-in shapes (Apache-2.0)" in attribution
    assert all(model in attribution for entry in index["scenes"] for model in entry["models"])


def test_what_is_missing_is_made_again_as_it_was(run, describe, tmp_path):
    out, path = tmp_path / "rooms", describe(**ROOMS)
    assert run("rooms", out, "--set", path)[0] == 0
    before = contents(out)
    kept = out / "train" / "train-0000" / "points.npy"
    stamp = kept.stat().st_mtime_ns
    shutil.rmtree(out / "val" / "val-0000")
    (out / "index.json").unlink()
    assert run("rooms", out, "--set", path)[0] == 0
    assert contents(out) == before
    assert kept.stat().st_mtime_ns == stamp, "what was there is left alone"


def test_a_number_of_rooms_and_a_seed(run, tmp_path, monkeypatch):
    """-n 1 is one room to train with; small here, as the defaults take their time."""
    small = {"views": 1, "size": (32, 32)}
    validate = generate.SetConfig.model_validate
    monkeypatch.setattr(generate.SetConfig, "model_validate", lambda values: validate(small | values))
    for seed in (1, 2):
        assert run("rooms", tmp_path / str(seed), "-n", 1, "--seed", seed)[0] == 0
    first, second = (contents(tmp_path / name / "train" / "train-0000") for name in "12")
    assert first["points.npy"] != second["points.npy"]


def test_streets_of_a_description(run, describe, tmp_path):
    out = tmp_path / "streets"
    assert run("streets", out, "--set", describe(**STREETS))[0] == 0
    (entry,) = json.loads((out / "index.json").read_text())["scenes"]
    assert entry["path"] == "test/test-0000/0000"
    scene = scanwise.read_scene(out / entry["path"])
    assert scene.classes == list(SEMANTIC_KITTI_19)
    assert len(scene) > 5000
    assert scene.intensity is not None
    labels = {scene.classes[label] for label in np.unique(scene.labels[scene.labels >= 0])}
    assert {"road", "building"} <= labels


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"view": 3}, "did you mean views?"),
        ({"views": 0}, "views"),
        ({"size": [0, 64]}, "size.0"),
        ({"size": 48}, "size"),
        ({"sensors": []}, "sensors"),
        ({"seed": -1}, "seed"),
        ({"splits": {"trian": 1}}, "splits.trian"),
        ({"splits": {"train": -1}}, "splits.train"),
        ({"splits": {}}, "splits"),
        ({"kind": "streets"}, "scanwise synth streets"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_description_is_one_line(run, describe, tmp_path, wrong, word):
    code, _, said = run("rooms", tmp_path / "out", "--set", describe(**ROOMS | wrong))
    assert code == 2
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert word in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["- a list", "seed: [1", "", "\x00"])
def test_what_is_no_description_is_one_line(run, tmp_path, content):
    (tmp_path / "a.yaml").write_text(content)
    code, _, said = run("rooms", tmp_path / "out", "--set", tmp_path / "a.yaml")
    assert code == 2
    assert said.startswith(f"error: {tmp_path / 'a.yaml'}: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["-n", 1, "--set", "rooms-1"], ["--set", "room-1"]])
def test_what_to_make_must_be_said(run, tmp_path, arguments):
    code, _, said = run("rooms", tmp_path / "out", *arguments)
    assert code == 2
    assert said.startswith("error: ")
    assert "rooms-1" in said
    assert said.count("\n") == 1


def test_a_folder_of_something_else_is_left_alone(run, describe, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    code, _, said = run("rooms", out, "--set", describe(**ROOMS))
    assert code == 2
    assert "no set of ours" in said
    (out / "letter.txt").unlink()
    (out / "set.yaml").write_text(yaml.safe_dump(ROOMS | {"seed": 4}))
    code, _, said = run("rooms", out, "--set", describe(**ROOMS))
    assert code == 2
    assert "another description" in said
    assert [path.name for path in out.iterdir()] == ["set.yaml"]
