"""`scanwise ask` and `scanwise.ask` with a small untrained model."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

import scanwise
from scanwise.app.cli import app
from scanwise.app.crop import crop_of, visible_pixels
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.referring import Prediction
from scanwise.geometry.objects import found_at, oriented_box, pieces, surest
from scanwise.methods.less.model import LESS, ReferRecipe, load_trained
from scanwise.nn.sentence import sentence_encoder
from scanwise.scene import Scene
from scanwise.training import checkpoints
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.understand import answer as asking
from tests.worlds import COLOURS, corner_scene

VOCABULARY = ["chair", "lamp", "the"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    recipe = ReferRecipe(
        data=Path(), text="gru", media=8, levels=2, blocks=1, queries=4, width=16, hidden=16, voxel=0.1
    )  # fmt: skip
    torch.manual_seed(0)
    model = LESS(recipe, sentence_encoder("gru", trained=True, vocabulary=VOCABULARY))
    facts = {"kind": "less", "recipe": recipe.model_dump(mode="json"), "vocabulary": VOCABULARY}
    save(Checkpoint(dict(model.state_dict()), facts), tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def scan() -> Scene:
    generator = np.random.default_rng(0)
    return Scene(generator.uniform(0, 2, (600, 3)), generator.integers(0, 255, (600, 3)).astype(np.uint8))


def test_ask_writes_cloud_picture_and_facts(weights: Path, tmp_path: Path) -> None:
    cloud = scan()
    cloud.points[3] = np.nan
    scanwise.write_scene(cloud, tmp_path / "scan.ply")
    out = tmp_path / "out"
    arguments = ["ask", str(tmp_path / "scan.ply"), "the chair", "the lamp", "--model", str(weights), "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "answers.json").read_text())
    assert [answer["text"] for answer in report["answers"]] == ["the chair", "the lamp"]
    written = scanwise.read_scene(out / "answer-2.ply")
    answers = scanwise.ask(scanwise.read_scene(tmp_path / "scan.ply"), ["the chair", "the lamp"], model=weights)
    assert np.array_equal(written.attributes["mask"].astype(bool), answers[1].mask)
    assert np.allclose(written.attributes["score"], answers[1].scores, atol=1e-6)
    assert answers[1].scores[3] == 0
    assert (out / "answer-1.png").stat().st_size > 1000
    assert (out / "answer-1-crop.png").exists() is (report["answers"][0]["object"] is not None)


def test_a_scan_that_lies_on_its_side(weights: Path, tmp_path: Path) -> None:
    cloud = scan()
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
    written = scanwise.read_scene(tmp_path / "out" / "answer-1.ply")
    np.testing.assert_array_equal(written.points, lying.points)  # in the file's own frame
    stood = scanwise.stand_up(scanwise.read_scene(tmp_path / "scan.ply"), "y")
    answer = scanwise.ask(stood, "the chair", model=weights)
    np.testing.assert_allclose(written.attributes["score"], answer.scores, atol=1e-6)
    result = CliRunner().invoke(app, [*arguments, "--up", "sky"])
    assert isinstance(result.exception, InputError)


def test_one_sentence_gives_one_answer(weights: Path) -> None:
    answer = scanwise.ask(scan(), "the  chair ", model=load_trained(weights))
    assert answer.text == "the chair"
    assert answer.mask.shape == (600,)
    assert answer.found is (answer.presence >= 0.5 and bool(answer.mask.any()))


@pytest.mark.parametrize(("texts", "part"), [([""], "empty"), ([], "give a sentence"), (["x" * 501], "501")])
def test_sentences_that_cannot_be_asked(weights: Path, texts: list[str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        scanwise.ask(scan(), texts, model=weights)


@pytest.mark.filterwarnings("ignore:no colours")
@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_a_cloud_of_a_few_points(weights: Path, count: int) -> None:
    points = np.random.default_rng(0).uniform(0, 1, (count, 3)).astype(np.float32)
    for scene in (Scene(points), Scene(np.zeros_like(points))):
        answer = scanwise.ask(scene, "the chair", model=weights)
        assert answer.mask.shape == (count,)
        assert np.isfinite(answer.scores).all()


def test_no_finite_point_and_no_colour(weights: Path) -> None:
    with pytest.raises(InputError, match="finite"):
        scanwise.ask(Scene(np.full((3, 3), np.nan), np.zeros((3, 3), np.uint8)), "the chair", model=weights)
    with pytest.warns(ScanwiseWarning, match="no colours"):
        scanwise.ask(replace(scan(), colors=None), "the chair", model=weights)


def test_a_model_of_something_else(tmp_path: Path) -> None:
    save(Checkpoint({}, {"kind": "segment"}), tmp_path / "best.ckpt")
    with pytest.raises(InputError, match="holds no LESS"):
        scanwise.ask(scan(), "the chair", model=tmp_path)


def test_box_of_a_turned_block() -> None:
    x, y, z = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-0.25, 0.25, 5), np.linspace(0, 0.7, 3))
    block = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    angle = math.radians(30)
    turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    center, size, heading = oriented_box(block @ turn.T + [3, 4, 0])
    assert np.allclose(center, [3, 4, 0.35], atol=1e-6)
    assert np.allclose(size, [2, 0.5, 0.7], atol=1e-6)
    assert heading == pytest.approx(angle)


def test_two_heaps_are_two_pieces() -> None:
    generator = np.random.default_rng(0)
    one, other = generator.uniform(0, 0.3, (300, 3)), generator.uniform(0, 0.3, (100, 3)) + 2
    points = np.concatenate([one, other, [[9.0, 9, 9]]])
    found = pieces(points, np.full(401, 0.4), np.arange(401))
    assert [len(each.rows) for each in found] == [300, 100]


def test_the_surest_piece_is_no_speck() -> None:
    near, far = np.random.default_rng(0).normal(0, 0.02, (2, 100, 3))
    points = np.concatenate([near, far + 5, [[9, 9, 9]]])
    scores = np.concatenate([np.full(100, 0.6), np.full(100, 0.7), [0.9]])
    assert sorted(surest(points, scores, np.arange(201))) == [*range(100, 200)]
    assert surest(points, scores, np.array([3, 200])).tolist() == [200]


def test_several_things_are_told_apart_where_all_are_asked_for(weights: Path) -> None:
    cloud = scan()
    heaps = np.concatenate([cloud.points[:300] * 0.1, cloud.points[300:] * 0.1 + 1.5])
    scores = np.full(600, 0.9, np.float32)
    both = Prediction(np.where(np.arange(600) < 300, scores, 0).astype(np.float32), 0.9, [], scores)
    several = asking.answer_of(Scene(heaps), "all heaps", both, 0.5)
    assert [len(each.rows) for each in several.objects] == [300, 300]
    assert several.mask.all()
    one = asking.answer_of(Scene(heaps), "the heap", Prediction(both.scores, 0.9), 0.5)
    assert one.mask.sum() == 300
    assert len(one.objects) == 1
    nothing = asking.answer_of(Scene(heaps), "the heap", Prediction(np.zeros(600, np.float32), 0.9), 0.5)
    assert nothing.objects == []
    assert not nothing.found


def test_without_shipped_weights_one_line_says_how_to_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="scanwise train less recipes"):
        scanwise.ask(scan(), "the chair")


def test_shipped_weights_are_found_by_their_name(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load(weights)
    halves = {name: value.half() if value.is_floating_point() else value for name, value in own.tensors.items()}
    content = safetensors.torch.save(halves, {"facts": json.dumps(own.facts)})
    (tmp_path / "less-rooms.safetensors").write_bytes(content)
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    shipped, trained = scanwise.ask(scan(), "the chair"), scanwise.ask(scan(), "the chair", model=weights)
    assert np.allclose(shipped.scores, trained.scores, atol=0.02)


def test_the_crop_is_of_the_picture_that_shows_most() -> None:
    cloud = corner_scene(2)
    rows = np.flatnonzero((np.abs(cloud.points - [0, 3, 1]) < [0.3, 0.01, 0.3]).all(1))  # a patch of the red wall
    thing = found_at(cloud.points, np.ones(len(cloud)), rows)
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
