"""The scan that ships in the package: whole, small, attributed, and made again byte for byte."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scanwise.synth.furniture

DEMO = Path(scanwise.synth.furniture.__file__).parents[1] / "demo"
RECIPE = Path(__file__).parents[2] / "scripts" / "make_demo_scan.py"
PLACES = [os.environ.get("SCANWISE_FURNITURE", ""), "/usr/share/sweethome3d/furniture"]
PLACES.append("/tmp/sh3d/usr/share/sweethome3d/furniture")
REAL = next((Path(place) for place in PLACES if place and list(Path(place).glob("*.sh3f"))), None)


def recipe():
    spec = importlib.util.spec_from_file_location("make_demo_scan", RECIPE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frames():
    return sorted(path.name.split(".")[0] for path in DEMO.glob("frame-*.color.jpg"))


def test_every_frame_has_picture_depth_and_rigid_pose():
    assert 12 <= len(frames()) <= 16
    for stem in frames():
        assert Image.open(DEMO / f"{stem}.color.jpg").size == (480, 360)
        depth = np.asarray(Image.open(DEMO / f"{stem}.depth.png"))
        assert depth.dtype == np.uint16
        assert 500 < np.median(depth[depth > 0]) < 5000
        assert (depth > 0).mean() > 0.7
        pose = np.loadtxt(DEMO / f"{stem}.pose.txt")
        np.testing.assert_allclose(pose[:3, :3].T @ pose[:3, :3], np.eye(3), atol=1e-6)
        assert 1.4 < pose[2, 3] < 1.6


def test_scan_is_small():
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 2_500_000


def test_depth_agrees_between_frames_and_with_the_floor():
    """The lowest surface that the depth maps give, turned into the world, is the floor at z = 0."""
    calibration = json.loads((DEMO / "calibration.json").read_text())
    camera = calibration["depth"]
    assert calibration["depth_to_color"] == np.eye(4).tolist()
    lowest = []
    for stem in frames():
        depth = np.asarray(Image.open(DEMO / f"{stem}.depth.png")) / 1000
        row, column = np.nonzero(depth)
        z = depth[row, column]
        x, y = (column - camera["cx"]) / camera["fx"] * z, (row - camera["cy"]) / camera["fy"] * z
        pose = np.loadtxt(DEMO / f"{stem}.pose.txt")
        points = np.stack([x, y, z], axis=1) @ pose[:3, :3].T + pose[:3, 3]
        assert points.min() > -0.15
        assert (points.max(0) < [5.4, 4.35, 2.7]).all()
        on_floor = points[np.abs(points[:, 2]) < 0.04]
        lowest.append(np.median(on_floor[:, 2]))
    np.testing.assert_allclose(lowest, 0, atol=0.01)


def test_every_model_is_attributed():
    truth = json.loads((DEMO / "truth.json").read_text())
    attribution = (DEMO / "ATTRIBUTION.md").read_text(encoding="utf-8")
    models = {thing["model"] for thing in truth["objects"] if thing["model"]}
    assert len(models) >= 12
    rows = [line for line in attribution.splitlines() if "creativecommons.org" in line and line.startswith("|")]
    assert {row.split("`")[1] for row in rows} == models
    assert {"sofa", "table", "chair", "television", "bookcase"} <= {thing["label"] for thing in truth["objects"]}


def test_things_rest_on_the_floor_and_on_the_table():
    truth = json.loads((DEMO / "truth.json").read_text())
    assert all(thing["low"][2] > -0.01 for thing in truth["objects"])
    on_table = [t["low"][2] for t in truth["objects"] if t["label"] in {"laptop", "cup", "bowl of fruit"}]
    top = next(t["high"][2] for t in truth["objects"] if t["label"] == "table")
    np.testing.assert_allclose(on_table, top, atol=0.005)


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="sweethome3d-furniture is not installed")
def test_recipe_makes_the_shipped_files_again(tmp_path):
    recipe().main(REAL, tmp_path / "demo")
    made = {path.name: path.read_bytes() for path in (tmp_path / "demo").iterdir()}
    assert made.keys() == {path.name for path in DEMO.iterdir()}
    assert [name for name in made if made[name] != (DEMO / name).read_bytes()] == []


def test_clearance_stops_at_what_is_below():
    demo = recipe()
    table = demo.box((0, 0, 0), (1, 1, 0.7))
    floor = demo.rectangle((-5, -5, 0), (10, 0, 0), (0, 10, 0))
    below = [demo.Body("floor", floor), demo.Body("table", table)]
    assert demo.clearance(demo.box((0.9, 0.9, 2), (1.2, 1.2, 2.3)), below) == pytest.approx(1.3, abs=1e-4)
    assert demo.clearance(demo.box((1.1, 1.1, 2), (1.2, 1.2, 2.3)), below) == pytest.approx(2.0, abs=1e-4)


def test_measured_depth_is_near_the_truth_and_blind_at_edges():
    demo = recipe()
    depth = np.full((80, 120), 2.0, np.float32)
    depth[:, 60:] = 3.0
    depth[:10] = 6.0
    seen = demo.measured(depth, 260.0, np.random.default_rng(0))
    assert seen.dtype == np.uint16
    assert (seen[:10] == 0).all()
    assert (seen[20:, 59:61] == 0).all()
    flat = seen[20:, :55] / 1000
    assert abs(flat.mean() - 2) < 0.003
    assert 0.001 < flat.std() < 0.02
