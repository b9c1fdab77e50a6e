"""The script that checks a card, on the pretended one."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.py"


@pytest.mark.slow
def test_everything_agrees_on_the_pretended_device(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--device", "pretend", "--rooms", "1", "--json", tmp_path / "rows.json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "verdict: everything agrees" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert (tmp_path / "rows.json").exists()
