"""Every parity check, on the subset that is here and on all golden files where they are at hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
SHARED = HERE.parents[1].parent / "shared" / "golden"
sys.path.insert(0, str(HERE))

from check import CHECKS, check, main  # noqa: E402


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_our_modules_give_the_official_numbers(name):
    if not (HERE / f"{name}.safetensors").exists():
        pytest.skip("no subset of it is kept here")
    lines = list(check(HERE, name))
    assert lines
    assert [str(line) for line in lines if not line.passed] == []


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/golden")
@pytest.mark.parametrize("name", sorted(CHECKS))
def test_all_of_the_official_numbers(name):
    assert [str(line) for line in check(SHARED, name) if not line.passed] == []


def test_a_wrong_number_is_a_miss_and_exit_code_1(tmp_path, capsys):
    tensors = load_file(HERE / "sonata.safetensors")
    tensors["enc_only.enc0.feat"][3, 4] += 0.1
    save_file(tensors, tmp_path / "sonata.safetensors")
    (tmp_path / "sonata.json").write_text((HERE / "sonata.json").read_text())
    assert main([str(tmp_path)]) == 1
    missed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("MISS")]
    assert len(missed) == 1
    assert "enc_only.enc0.feat" in missed[0]


def test_a_key_that_nothing_gives_is_a_miss(tmp_path):
    save_file({"d2.nonsense": torch.zeros(3)}, tmp_path / "serialization.safetensors")
    (tmp_path / "serialization.json").write_text(json.dumps({}))
    assert main([str(tmp_path)]) == 1


def test_the_command_names_what_there_is(tmp_path):
    done = subprocess.run(
        [sys.executable, str(HERE / "check.py"), str(tmp_path), "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "serialization" in done.stderr
