"""Every command and every line of Python in the README runs, on the recording that ships."""

import re
import shlex
import sys
from pathlib import Path

import pytest

import scanwise
from scanwise.app import cli
from tests.worlds import COLOURS, ColourVision, corner_scene

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = re.findall(r"^(scanwise .+)$", README, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.+?)```", README, re.DOTALL)


class AnyWord(ColourVision):
    """The colour model, for which every word means a colour."""

    def encode_texts(self, texts):
        return super().encode_texts([list(COLOURS)[number % len(COLOURS)] for number in range(len(texts))])


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with everything that the README's commands name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scanwise.answer.load_vision", lambda name: AnyWord())
    scene = corner_scene()
    scanwise.write_scene(scene, tmp_path / "recordings" / "kitchen")
    scene.views = []
    scanwise.write_scene(scene, tmp_path / "scan.laz")
    return tmp_path


def test_there_are_commands_to_try():
    assert {command.split()[1] for command in COMMANDS} >= {"label", "info", "convert"}
    assert PYTHON


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command, desk, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert capsys.readouterr().out


@pytest.mark.parametrize("code", PYTHON)
def test_python_runs(code, desk):
    names: dict[str, object] = {}
    exec(code, names)
    assert len(names["labels"].indices) == len(names["scene"])


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_link_leads_somewhere(link):
    assert (Path(__file__).parents[1] / link).exists()
