"""Pictures on the command line: training in a minute, then tokens, reconstruct and similar."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from scanwise.app import cli
from tests.methods.stellar.test_official import TINY, official
from tests.pictures import write_folder

RECIPE = """data: {data}
size: nano
image: 16
crop_size: 8
tokens: 4
masked_views: 2
crops: 1
prototypes: 12
predictor: 16
prototype_width: 8
decoder_width: 16
decoder_depth: 1
batch: 4
steps: 2
validate_every: 2
"""


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["scanwise", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of pictures, and weights that two steps made."""
    root = tmp_path_factory.mktemp("tokens")
    write_folder(write_folder(root / "data", 3), 1, "test", seed=500)
    (root / "stellar.yaml").write_text(RECIPE.format(data=root / "data"))
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "pretrain", "stellar", root / "stellar.yaml", "--out", root / "run", "--device", "cpu") == 0
    return root


def test_tokens_are_drawn(trained, tmp_path, monkeypatch, capsys):
    image = trained / "data/test/red/000.png"
    assert run(monkeypatch, "tokens", image, "--weights", trained / "run", "--out", tmp_path, "--side", 24) == 0
    target = tmp_path / "000-tokens.png"
    assert str(target) in capsys.readouterr().out
    assert np.asarray(Image.open(target)).std() > 5


def test_a_picture_comes_back(trained, tmp_path, monkeypatch, capsys):
    image = trained / "data/test/blue/000.png"
    assert run(monkeypatch, "reconstruct", image, "--weights", trained / "run/best.ckpt", "--out", tmp_path) == 0
    assert "dB" in capsys.readouterr().out
    assert Image.open(tmp_path / "000.png").size == (20, 16)


def test_the_most_similar_picture_is_itself(trained, tmp_path, monkeypatch, capsys):
    image, sheet = trained / "data/train/green/001.png", tmp_path / "sheet.png"
    arguments = ("similar", trained / "data/train", image, "--weights", trained / "run", "-n", 3, "--out", sheet)
    assert run(monkeypatch, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1] == str(sheet)
    drawn = np.asarray(Image.open(sheet).convert("RGB")).astype(int)
    first, second = (drawn[60:-40, place + 60 : place + 160] for place in (0, drawn.shape[1] // 4))
    assert np.abs(first - second).mean() < 10  # the picture asked, and the same picture found
    assert str(image) in lines[0]
    assert float(lines[0].split()[0]) == pytest.approx(1, abs=1e-3)


def test_what_comes_back_is_measured(trained, tmp_path, monkeypatch, capsys):
    arguments = ("evaluate", "reconstruction", trained / "run", trained / "data", "--out", tmp_path / "a.json")
    assert run(monkeypatch, *arguments) == 0
    assert "3 pictures: mse" in capsys.readouterr().out
    found = json.loads((tmp_path / "a.json").read_text())
    assert {"mse", "psnr", "ssim", "pictures"} == set(found)
    assert run(monkeypatch, *arguments, "--lpips", tmp_path / "alexnet.pth") == 2
    assert "LPIPS needs pictures of 32 pixels" in capsys.readouterr().err
    (tmp_path / "no.pt").write_bytes(b"no network")
    assert run(monkeypatch, *arguments, "--inception", tmp_path / "no.pt") == 2
    assert "not a TorchScript network" in capsys.readouterr().err


def test_an_index_is_made_gone_on_with_and_asked(trained, tmp_path, monkeypatch, capsys):
    out, sheet = tmp_path / "index", tmp_path / "sheet.png"
    made = ("index", trained / "data/train", "--out", out, "--weights", trained / "run")
    assert run(monkeypatch, *made) == 0
    assert "9 frames" in capsys.readouterr().err
    assert run(monkeypatch, "index", trained / "data/train", trained / "data/test", "--out", out) == 0
    assert "3 frames in 0 s, 9 were there before" in capsys.readouterr().err
    image = trained / "data/test/red/000.png"
    assert run(monkeypatch, "similar", out, image, "-n", 2, "--out", sheet) == 0
    lines = capsys.readouterr().out.splitlines()
    assert str(image) in lines[0]
    assert float(lines[0].split()[0]) == pytest.approx(1, abs=1e-3)
    assert sheet.exists()
    for arguments, said in [
        (("similar", out, "a sofa"), "indexed without words"),
        (("similar", out, "no.png"), "no such picture"),
        (("similar", out, image, "--weights", "stellar-small"), "knows its own weights"),
        (("index", trained / "data/test", "--out", out, "--weights", "stellar-small"), "other weights"),
        (("index", trained / "data/test", "--out", out, "--vision", "rooms"), "begun with --vision"),
        (("similar", trained / "data/train", image, "--approximate"), "is for an index"),
    ]:
        assert run(monkeypatch, *arguments) == 2
        assert said in capsys.readouterr().err


def test_baselines_are_trained(trained, tmp_path, monkeypatch):
    recipe = tmp_path / "mae.yaml"
    recipe.write_text(
        f"method: mae\ndata: {trained / 'data'}\nsize: nano\nimage: 16\ncrop_size: 8\nbatch: 4\nsteps: 1\n"
    )
    assert run(monkeypatch, "pretrain", "images", recipe, "--out", tmp_path / "mae", "--device", "cpu") == 0
    assert (tmp_path / "mae" / "best.ckpt").exists()


def test_what_cannot_be_done_is_one_line(trained, tmp_path, monkeypatch, capsys):
    image = trained / "data/test/red/000.png"
    cases = [
        (("tokens", image, "--weights", tmp_path / "no.ckpt"), "no.ckpt"),
        (("tokens", tmp_path / "no.png", "--weights", trained / "run"), "no such picture"),
        (("tokens", image, "--weights", trained / "run", "--side", 2), "smaller than a patch"),
        (("similar", tmp_path / "nowhere", image, "--weights", trained / "run"), "no such folder"),
    ]
    save_file(official(**TINY, dim=4, hidden=10, codes=10), tmp_path / "codes.safetensors")
    cases.append((("reconstruct", image, "--weights", tmp_path / "codes.safetensors"), "codes of a tokenizer"))
    for arguments, said in cases:
        assert run(monkeypatch, *arguments) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert said in errors[0]
