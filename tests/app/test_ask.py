"""`scanwise ask` with a small untrained model, and the pictures of what was found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import scanwise
from scanwise.app.cli import app
from scanwise.app.crop import crop_of, visible_pixels
from scanwise.errors import InputError
from scanwise.geometry.objects import object_at
from tests.small_less import random_scan, save_less
from tests.worlds import COLOURS, corner_scene


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_less(tmp_path)


def test_ask_writes_cloud_picture_and_facts(weights: Path, tmp_path: Path) -> None:
    cloud = random_scan()
    cloud.points[3] = np.nan
    scanwise.write_scene(cloud, tmp_path / "scan.ply")
    out = tmp_path / "out"
    arguments = ["ask", str(tmp_path / "scan.ply"), "the chair", "the lamp", "--model", str(weights), "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "answers.json").read_text())
    assert [answer["text"] for answer in report["answers"]] == ["the chair", "the lamp"]
    written = scanwise.read_scene(out / "answers.ply")
    answers = scanwise.ask(scanwise.read_scene(tmp_path / "scan.ply"), ["the chair", "the lamp"], model=weights)
    assert np.array_equal(written.attributes["mask_2"].astype(bool), answers[1].mask)
    assert np.allclose(written.attributes["score_2"], answers[1].scores, atol=1e-6)
    assert answers[1].scores[3] == 0
    assert (out / "answer-1.png").stat().st_size > 1000
    assert (out / "answer-1-crop.png").exists() is (report["answers"][0]["object"] is not None)


def test_a_scan_that_lies_on_its_side(weights: Path, tmp_path: Path) -> None:
    cloud = random_scan()
    lying = replace(cloud, points=cloud.points[:, [0, 2, 1]] * [1, 1, -1])  # what was up is the file's y
    scanwise.write_scene(lying, tmp_path / "scan.ply")
    arguments = [
        "ask",
        str(tmp_path / "scan.ply"),
        "the chair",
        "--model",
        str(weights),
        "--out",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, [*arguments, "--up", "y"])
    assert result.exit_code == 0, result.output
    written = scanwise.read_scene(tmp_path / "out" / "answers.ply")
    np.testing.assert_array_equal(written.points, lying.points)  # in the file's own frame
    stood = scanwise.stand_up(scanwise.read_scene(tmp_path / "scan.ply"), "y")
    answer = scanwise.ask(stood, "the chair", model=weights)
    np.testing.assert_allclose(written.attributes["score_1"], answer.scores, atol=1e-6)
    result = CliRunner().invoke(app, [*arguments, "--up", "sky"])
    assert isinstance(result.exception, InputError)


def test_the_crop_is_of_the_picture_that_shows_most() -> None:
    cloud = corner_scene(2)
    rows = np.flatnonzero((np.abs(cloud.points - [0, 3, 1]) < [0.3, 0.01, 0.3]).all(1))  # a patch of the red wall
    thing = object_at(cloud.points, np.ones(len(cloud)), rows)
    away = np.diag([-1.0, 1, -1, 1]) @ np.eye(4)
    behind = replace(cloud.views[0], camera_to_world=cloud.views[0].camera_to_world @ away)
    assert len(visible_pixels(cloud.views[0], cloud.points[rows].astype(float))) > 0.8 * len(rows)
    assert len(visible_pixels(behind, cloud.points[rows].astype(float))) == 0
    picture = crop_of(replace(cloud, views=[behind, cloud.views[0]]), thing)
    red = (picture == COLOURS["red"]).all(2).mean()
    assert red > 0.3
    drawn = crop_of(replace(cloud, views=[behind]), thing)
    assert drawn.shape == (480, 640, 3)
    assert drawn.std() > 5


def test_answers_are_in_the_files_own_frame_and_unit(weights: Path, tmp_path: Path) -> None:
    scene = random_scan()
    cloud = replace(scene, points=scene.points[:, [1, 2, 0]] * 1000)  # millimetres, and y up
    scanwise.write_scene(cloud, tmp_path / "scan.ply")
    options = ["--model", str(weights), "--out", str(tmp_path / "out"), "--up", "y", "--unit", "mm"]
    result = CliRunner().invoke(app, ["ask", str(tmp_path / "scan.ply"), "the chair", *options])
    assert result.exit_code == 0, result.output
    assert " mm, confidence" in result.output
    (found,) = json.loads((tmp_path / "out" / "answers.json").read_text())["answers"]
    written = scanwise.read_scene(tmp_path / "out" / "answers.ply")
    np.testing.assert_array_equal(written.points, cloud.points)
    its = written.points[written.attributes["mask_1"].astype(bool)]
    assert found["unit"] == "mm"
    np.testing.assert_allclose(found["object"]["up"], [0, 1, 0], atol=0.5)
    np.testing.assert_allclose(found["object"]["center"], (its.min(0) + its.max(0)) / 2, atol=300)
