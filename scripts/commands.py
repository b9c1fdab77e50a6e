"""What the scripts that run many trainings share: `scanwise` as a command, and trainings that are done once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from results.rows import processor_seconds


def scanwise(*words: object) -> None:
    """Runs a command, and stops where it fails."""
    command = [sys.executable, "-m", "scanwise", *map(str, words)]
    print("$ scanwise", *command[3:], flush=True)
    subprocess.run(command, check=True)


def settings(*pairs: str) -> Sequence[str]:
    """Words of a command for "key=value" each."""
    return [word for pair in pairs for word in ("--set", pair)]


def train_once(out: Path, *words: object) -> None:
    """A training into a folder, unless it is done; one that broke off goes on, and its processor time is not known.

    Args:
        out: the folder; its file `done` says that it is, and after how many seconds of processor.
        *words: of the command, without --out.
    """
    if (out / "done").exists():
        return
    resumed = (out / "last.ckpt").exists()
    with processor_seconds() as spent:
        scanwise(*words, "--out", out)
    (out / "done").write_text("" if resumed else f"{spent():.0f}\n")


def training_seconds(out: Path) -> float | None:
    """Seconds of processor of a training that is done; None = not recorded."""
    told = (out / "done").read_text().strip() if (out / "done").exists() else ""
    return float(told) if told else None
