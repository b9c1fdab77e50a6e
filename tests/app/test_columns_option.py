"""`--columns`: what the columns of a text are, for the verbs that read a scan."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from scanwise.app.cli import app
from scanwise.errors import InputError
from scanwise.formats.registry import read_scene


def test_columns_are_named_on_the_command_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 2 3 0 7\n4 5 6 0 8\n")
    found = CliRunner().invoke(app, ["info", str(path), "--columns", "x,y,z,-,label"])
    assert "7 1, 8 1" in found.output
    assert CliRunner().invoke(app, ["convert", str(path), str(tmp_path / "a.ply"), "--columns", "x,y,z,-,label"])
    assert read_scene(tmp_path / "a.ply").labels.tolist() == [7, 8]


@pytest.mark.parametrize("verb", ["label", "ask", "info", "convert", "features", "annotate"])
def test_every_verb_that_reads_a_scan_has_it(verb):
    assert "--columns" in CliRunner().invoke(app, [verb, "--help"], terminal_width=200).output


def test_too_many_names(tmp_path):
    (tmp_path / "a.txt").write_text("1 2 3\n")
    found = CliRunner().invoke(app, ["info", str(tmp_path / "a.txt"), "--columns", "x,y,z,a"])
    assert isinstance(found.exception, InputError)
    assert "4 columns are named, it has 3" in str(found.exception)
