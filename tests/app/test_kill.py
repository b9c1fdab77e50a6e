"""A correcting session that is killed at any moment: nothing that was said to be kept is lost, and it goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from scanwise.understand.corrections import Correction, CorrectionStore
from tests.app.correcting import scan


def killed_after(path: Path, seed: int, seconds: float) -> list[int]:
    """The corrections that a session said were kept, before it was killed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.app.correcting", str(path), str(seed)]
    session = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert session.stdout is not None
    assert session.stdout.readline() == "ready\n"
    time.sleep(seconds)
    session.send_signal(signal.SIGKILL)
    said = [int(line) for line in session.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    session.wait()
    return said


def kill_often(path: Path, times: int) -> int:
    random = np.random.default_rng(1)
    kept = 0
    for moment in range(times):
        said = killed_after(path, moment, float(random.uniform(0, 0.15)))
        with CorrectionStore(path, scan()) as store:
            there = store.corrections()
            assert {each.id for each in there} >= set(said), "what was acknowledged is lost"
            assert len(there) - kept - len(said) in (0, 1), "more than the one that was on its way"
            assert all(each.mask.shape == (500,) and each.mask.any() for each in there)
            kept = len(there)
    return kept


def test_killed_at_two_moments(tmp_path):
    kept = kill_often(tmp_path / "c.db", 2)
    with CorrectionStore(tmp_path / "c.db", scan()) as store:
        store.add(Correction("word", np.ones(500, bool), "table"))
        assert len(store.corrections()) == kept + 1


@pytest.mark.slow
def test_killed_at_fifty_moments(tmp_path):
    assert kill_often(tmp_path / "c.db", 50) > 50
