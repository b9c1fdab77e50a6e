"""`scanwise evaluate segment|less|two-stage`: what is printed and written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from scanwise.app.cli import app
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.segment.model import Segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.methods.two_stage.model import TwoStage
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.nn.sentence import sentence_encoder
from scanwise.training.checkpoints import Checkpoint, save
from tests.rooms_with_sentences import write_rooms
from tests.scenes import write_scenes
from tests.small_less import VOCABULARY, save_less

KEYS = {"object_right", "name_right", "nothing", "ceiling", "sentences"}


def save_two_stage(folder: Path) -> Path:
    recipe = TwoStageRecipe(data=Path(), text="gru", media=8, levels=2, blocks=1, width=16, voxel=0.1)
    torch.manual_seed(0)
    words = sentence_encoder("gru", trained=True, vocabulary=VOCABULARY)
    model = TwoStage(recipe, words, ["floor", "block"], [False, True])
    facts = {
        "kind": "two-stage", "recipe": recipe.model_dump(mode="json"), "vocabulary": VOCABULARY,
        "classes": ["floor", "block"], "things": [False, True],
    }  # fmt: skip
    save(Checkpoint(dict(model.state_dict()), facts), folder / "best.ckpt")
    return folder / "best.ckpt"


@pytest.mark.parametrize(("verb", "make"), [("less", save_less), ("two-stage", save_two_stage)])
def test_failures_are_printed_and_written(verb: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    data = write_rooms(tmp_path / "rooms", test=1)
    result = CliRunner().invoke(app, ["evaluate", verb, str(make(tmp_path)), str(data), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out" / "test.json").read_text())
    assert {"all", "parts", "timing", "failures"} == set(written)
    why = written["failures"]
    assert set(why["all"]) - {"iou_when_right"} == KEYS
    assert why["all"]["sentences"] == 2
    assert why["all"]["ceiling"] > 0.7  # blocks of half a metre, voxels of 10 cm
    assert why["multiple"] == why["all"]  # two blocks
    assert why["presence"]["kind_sentences"] == 1  # the lamp
    assert f"right object {100 * why['all']['object_right']:.1f}, right name" in result.output
    assert f"none of its kind here {100 * why['presence']['kind_auc']:.1f} (1)" in result.output


def test_a_segmenter_is_measured_on_classes_of_its_own_alone(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "data", test=1)
    for name, classes in (("rooms", ["Wall", "floor"]), ("streets", ["car", "tree"])):
        recipe = SegmentRecipe(data=Path(), backbone="tiny", voxel=0.1)
        model = Segmenter(recipe, classes)
        facts = {"kind": "segment", "recipe": recipe.model_dump(mode="json"), "classes": classes}
        save(Checkpoint(dict(model.state_dict()), facts), tmp_path / name / "best.ckpt")
    with pytest.warns(ScanwiseWarning, match=r"^500 points of classes that the weights do not know \(block\)"):
        result = CliRunner().invoke(app, ["evaluate", "segment", str(tmp_path / "rooms"), str(data)])
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "rooms" / "test.json").read_text())
    assert written["left_out"] == {"block": 500}
    assert "| **mean** |" in result.output
    assert "1,000 |" in result.output  # points that were measured
    refused = CliRunner().invoke(app, ["evaluate", "segment", str(tmp_path / "streets"), str(data)])
    assert isinstance(refused.exception, InputError)
    assert "have none in common" in str(refused.exception)
