"""Every command and every line of Python in the README runs, on the recording that ships."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scanwise
from scanwise.app import cli
from scanwise.app.workers import do
from scanwise.methods.segment.model import Segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.synth.world import SCANNET_20
from scanwise.training.checkpoints import Checkpoint, save
from tests.scenes import labelled_scene
from tests.worlds import COLOURS, ColourVision, corner_scene

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = re.findall(r"^(scanwise .+)$", README, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.+?)```", README, re.DOTALL)


class AnyWord(ColourVision):
    """The colour model, for which every word means a colour."""

    def __init__(self):
        super().__init__()
        self.name = "any word"

    def encode_texts(self, texts):
        return super().encode_texts([list(COLOURS)[number % len(COLOURS)] for number in range(len(texts))])


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with everything that the README's commands name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scanwise.understand.prepared.load_vision", lambda name: AnyWord())
    monkeypatch.setattr("scanwise.app.many.in_processes", here)
    scene = corner_scene()
    scanwise.write_scene(scene, tmp_path / "recordings" / "kitchen")
    Image.fromarray(scene.views[0].image).save(tmp_path / "photo.jpg")
    scene.views = []
    scanwise.write_scene(scene, tmp_path / "scan.laz")
    write_rooms(tmp_path / "data" / "rooms")
    shutil.copytree(Path(__file__).parents[1] / "recipes", tmp_path / "recipes")
    save_segmenter(tmp_path / "out" / "segment-rooms-small" / "best.ckpt")
    return tmp_path


def here(verb, options, scans, out, count):
    """Many scans in this process, which sees them with the colour model."""
    return (do(verb, options, scan, out) for scan in scans)


def write_rooms(root):
    """Scenes with the classes that `scanwise synth rooms` gives them, which the shipped weights know."""
    numbers = np.array([SCANNET_20.index(name) for name in ("floor", "wall", "table")], np.int32)
    for seed, name in enumerate(("train/0", "train/1", "train/2", "train/3", "val/0")):
        scene = labelled_scene(seed)
        scene.labels, scene.classes = numbers[scene.labels], [*SCANNET_20]
        scanwise.write_scene(scene, root / name)


def save_segmenter(path):
    """A network that has learned nothing, as a training run would leave it."""
    recipe = SegmentRecipe(data="data/rooms", size="tiny")
    facts = {"kind": "segment", "recipe": recipe.model_dump(mode="json"), "classes": [*SCANNET_20]}
    save(Checkpoint(Segmenter(recipe, [*SCANNET_20]).state_dict(), facts), path)


def test_there_are_commands_to_try():
    assert {command.split()[1] for command in COMMANDS} >= {"label", "info", "convert"}
    assert PYTHON


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command, desk, monkeypatch, capsys):
    command = command.replace("data/rooms -n 11", "data/made -n 2")  # the same in less time
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert capsys.readouterr().out


@pytest.mark.slow
def test_lines_that_train_run_in_their_order_from_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [command for command in COMMANDS if "data/rooms" in command]
    assert [line.split()[1] for line in lines] == ["synth", "train", "evaluate", "evaluate", "pretrain"]
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code, (line, capsys.readouterr().err)


@pytest.mark.parametrize("code", PYTHON)
def test_python_runs(code, desk):
    names: dict[str, object] = {}
    exec(code, names)
    assert len(names["labels"].indices) == len(names["scene"])


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_link_leads_somewhere(link):
    assert (Path(__file__).parents[1] / link).exists()
