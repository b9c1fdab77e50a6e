"""`scanwise.ask` with a small untrained model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

import scanwise
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.referring import Prediction
from scanwise.methods.less import load_trained
from scanwise.scene import Scene
from scanwise.training import checkpoints
from scanwise.training.checkpoints import Checkpoint, load, save
from scanwise.understand.answer import answer_of
from tests.small_less import random_scan, save_less


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_less(tmp_path)


def test_one_sentence_gives_one_answer(weights: Path) -> None:
    answer = scanwise.ask(random_scan(), "the  chair ", model=load_trained(weights))
    assert answer.text == "the chair"
    assert answer.mask.shape == (600,)
    assert answer.found is (answer.confidence >= 0.5)
    assert answer.status in ("found", "not sure", "not here")
    assert [each.id for each in answer.candidates] == list(range(1, len(answer.candidates) + 1))
    alone = scanwise.ask(random_scan(), "the  chair ", model=load_trained(weights), things="off")
    assert alone.found is (alone.presence >= 0.5 and bool(alone.mask.any()))
    assert alone.candidates == []


@pytest.mark.parametrize(("texts", "part"), [([""], "empty"), ([], "give a sentence"), (["x" * 501], "501")])
def test_sentences_that_cannot_be_asked(weights: Path, texts: list[str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        scanwise.ask(random_scan(), texts, model=weights)


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
        scanwise.ask(replace(random_scan(), colors=None), "the chair", model=weights)


def test_a_model_of_something_else(tmp_path: Path) -> None:
    save(Checkpoint({}, {"kind": "segment"}), tmp_path / "best.ckpt")
    with pytest.raises(InputError, match="holds no LESS"):
        scanwise.ask(random_scan(), "the chair", model=tmp_path)


def test_several_things_are_told_apart_where_all_are_asked_for(weights: Path) -> None:
    cloud = random_scan()
    heaps = np.concatenate([cloud.points[:300] * 0.1, cloud.points[300:] * 0.1 + 1.5])
    scores = np.full(600, 0.9, np.float32)
    both = Prediction(np.where(np.arange(600) < 300, scores, 0).astype(np.float32), 0.9, [], scores)
    several = answer_of(Scene(heaps), "all heaps", both, 0.5)
    assert [len(each.rows) for each in several.objects] == [300, 300]
    assert several.mask.all()
    one = answer_of(Scene(heaps), "the heap", Prediction(both.scores, 0.9), 0.5)
    assert one.mask.sum() == 300
    assert len(one.objects) == 1
    nothing = answer_of(Scene(heaps), "the heap", Prediction(np.zeros(600, np.float32), 0.9), 0.5)
    assert nothing.objects == []
    assert not nothing.found


@pytest.mark.filterwarnings("ignore:the weights of scanwise are not installed")
def test_without_shipped_weights_one_line_says_how_to_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="scanwise train less recipes"):
        scanwise.ask(random_scan(), "the chair")


def test_shipped_weights_are_found_by_their_name(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load(weights)
    halves = {name: value.half() if value.is_floating_point() else value for name, value in own.tensors.items()}
    content = safetensors.torch.save(halves, {"facts": json.dumps(own.facts)})
    (tmp_path / "less-rooms.safetensors").write_bytes(content)
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    shipped = scanwise.ask(random_scan(), "the chair", things="off", shapes="off")
    trained = scanwise.ask(random_scan(), "the chair", model=weights, things="off", shapes="off")
    assert np.allclose(shipped.scores, trained.scores, atol=0.02)
