"""`scanwise train vision` leaves weights that `--vision rooms:` reads, and says in a line what is wrong."""

from typer.testing import CliRunner

from scanwise.app.cli import app
from scanwise.errors import InputError
from scanwise.vision import load_vision
from tests.framed import write_framed


def test_a_run_from_the_command_line(tmp_path):
    data = write_framed(tmp_path / "data", train=2, val=1)
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(f"data: {data}\ncrop: 64\nsamples: 32\nbatch: 2\nsteps: 1\n")
    result = CliRunner().invoke(app, ["train", "vision", str(recipe), "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    weights = tmp_path / "run" / "rooms-vision.safetensors"
    assert str(weights) in result.output.replace("\n", "")
    assert load_vision(f"rooms:{weights}").card["recipe"]["steps"] == 1


def test_scenes_without_labels_are_refused_by_name(tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(f"data: {tmp_path / 'nothing'}\n")
    result = CliRunner().invoke(app, ["train", "vision", str(recipe), "--out", str(tmp_path / "run")])
    assert result.exit_code != 0
    assert isinstance(result.exception, InputError)
    assert "nothing" in str(result.exception)
