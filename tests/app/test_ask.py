"""`scanwise ask` and `scanwise.ask` with a small untrained model."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import scanwise
from scanwise.app.cli import app
from scanwise.errors import InputError
from scanwise.methods.less import LESS, ReferRecipe, load_trained
from scanwise.nn.sentence import sentence_encoder
from scanwise.objects import oriented_box, pieces
from scanwise.scene import Scene
from scanwise.training.checkpoints import Checkpoint, save

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


def test_one_sentence_gives_one_answer(weights: Path) -> None:
    answer = scanwise.ask(scan(), "the  chair ", model=load_trained(weights))
    assert answer.text == "the chair"
    assert answer.mask.shape == (600,)
    assert answer.found is (answer.presence >= 0.5 and bool(answer.mask.any()))


@pytest.mark.parametrize(("texts", "part"), [([""], "empty"), ([], "give a sentence"), (["x" * 501], "501")])
def test_sentences_that_cannot_be_asked(weights: Path, texts: list[str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        scanwise.ask(scan(), texts, model=weights)


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
