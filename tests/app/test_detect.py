"""`train detect`, `evaluate detect` and `detect`, as a user types them."""

import json
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from scanwise.app.cli import main
from scanwise.formats import folder, kitti
from scanwise.scene import Scene
from scanwise.training.checkpoints import is_shipped
from tests.sweeps import boxed_sweep, write_sweeps


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("detect")
    write_sweeps(root / "data", train=2, val=1, test=1)
    recipe = {
        "data": str(root / "data"), "backbone": "tiny", "voxel": 0.4, "features": ["height"], "channels": 16,
        "classes": ["car", "pedestrian"], "reach": 8.0, "batch": 2, "steps": 2, "validate_every": 2,
    }  # fmt: skip
    (root / "small.yaml").write_text(yaml.safe_dump(recipe))
    run("train", "detect", root / "small.yaml", "--out", root / "run", "--device", "cpu")
    return root


def run(*words) -> int:
    before = sys.argv
    sys.argv = ["scanwise", *map(str, words)]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def test_evaluation_leaves_numbers_and_a_table(trained, capsys):
    assert run("evaluate", "detect", trained / "run", trained / "data", "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert "| class | AP | AP 0.5 m |" in said
    assert "NDS" in said
    found = json.loads((trained / "run" / "test.json").read_text())
    assert found["scenes"] == 1
    assert set(found) == {"scenes", "all", "car", "pedestrian"}
    assert (trained / "run" / "test.md").read_text() in said


def test_boxes_of_a_sweep(trained, tmp_path, capsys):
    sweep = tmp_path / "sweep.bin"
    kitti.write(Scene(boxed_sweep(7).points), sweep)
    options = ("--model", trained / "run", "--least-score", 0, "--device", "cpu", "--up", "z")
    assert run("detect", sweep, "--out", tmp_path / "out", *options) == 0
    captured = capsys.readouterr()
    assert "boxes within 8 m of the sensor" in captured.out
    assert "note: one sweep shows no motion" in captured.err
    report = json.loads((tmp_path / "out" / "boxes.json").read_text())
    boxes = report["boxes"]
    assert len(boxes) > 3
    assert [box["score"] for box in boxes] == sorted((box["score"] for box in boxes), reverse=True)
    assert {box["class"] for box in boxes} <= {"car", "pedestrian"}
    assert np.abs([box["center"][:2] for box in boxes]).max() < 10
    lines = (tmp_path / "out" / "kitti.txt").read_text().splitlines()
    assert len(lines) == len(boxes)
    assert {len(line.split()) for line in lines} == {16}
    assert len(json.loads((tmp_path / "out" / "nuscenes.json").read_text())["results"]["sweep"]) == len(boxes)
    assert Image.open(tmp_path / "out" / "birds-eye.png").size[0] > 800
    assert "no box" in (tmp_path / "out" / "view.html").read_text()


def test_no_boxes_are_results_too(trained, tmp_path, capsys):
    folder.write(boxed_sweep(8), tmp_path / "scene")
    options = ("--model", trained / "run", "--least-score", 1, "--out", tmp_path / "out", "--device", "cpu")
    assert run("detect", tmp_path / "scene", *options) == 0
    assert "0 boxes within" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "boxes.json").read_text())["boxes"] == []
    assert (tmp_path / "out" / "kitti.txt").read_text() == ""
    assert (tmp_path / "out" / "view.html").exists()


def test_what_is_far_from_the_sensor_is_said(trained, tmp_path, capsys):
    scene = boxed_sweep(9)
    folder.write(Scene(scene.points + np.array([500, 0, 0])), tmp_path / "far")
    assert run("detect", tmp_path / "far", "--model", trained / "run", "--out", tmp_path / "out") == 2
    assert "no point within 8 m of the sensor; boxes are looked for around it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_points_beyond_the_map_are_counted(trained, tmp_path, capsys):
    scene = boxed_sweep(9)
    wide = np.concatenate([scene.points, scene.points[:400] * np.array([3, 3, 1])])
    folder.write(Scene(wide), tmp_path / "wide")
    assert run("detect", tmp_path / "wide", "--model", trained / "run", "--out", tmp_path / "out") == 0
    assert "% of the points lie beyond the 8 m around the origin" in capsys.readouterr().err


def test_other_weights_are_refused(trained, tmp_path, capsys):
    folder.write(boxed_sweep(8), tmp_path / "scene")
    assert run("detect", tmp_path / "scene", "--model", "dos-streets-small", "--out", tmp_path / "out") == 2
    assert "holds no detector; give the best.ckpt of a `scanwise train detect` run" in capsys.readouterr().err


@pytest.mark.skipif(is_shipped("detect-streets"), reason="weights of a detector are shipped")
def test_without_weights_it_says_how_to_get_some(tmp_path, capsys):
    folder.write(boxed_sweep(8), tmp_path / "scene")
    assert run("detect", tmp_path / "scene", "--out", tmp_path / "out") == 2
    assert "`scanwise train detect recipes/detect-streets.yaml` makes some" in capsys.readouterr().err
