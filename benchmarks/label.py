"""Seconds by stage and peak memory of labelling a recording, with a cold cache and with a warm one.

    python benchmarks/label.py ../shared/data/kitchen --json docs/results/data/label.json

Each run is a process of its own, as a user starts it; the cache is a new folder. Warm runs ask for other words.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rows import Rows, machine

COLD = "chair,table,cup,cabinet,television screen,sink,book,wall,floor"
WARM = "stool,desk,mug,cupboard,monitor,basin,magazine,wall,ground"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    rows = Rows(__doc__ or "", parser)
    scene = rows.arguments.scene
    params = {"scene": scene.name, "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        wall, report = run(scene, COLD, Path(folder))
        rows.add("cold, whole command", wall, "s", **params)
        for stage, seconds in report["seconds"].items():
            rows.add(f"cold, {stage}", seconds, "s", **params)
        rows.add("cold, peak memory", report["peak_memory_bytes"] / 1e9, "GB", **params)
        warm = [run(scene, WARM, Path(folder)) for _ in range(5)]
        rows.add("warm, whole command, median of 5", statistics.median(wall for wall, _ in warm), "s", **params)
        for stage, seconds in warm[-1][1]["seconds"].items():
            rows.add(f"warm, {stage}", seconds, "s", **params)
        rows.add("warm, peak memory", warm[-1][1]["peak_memory_bytes"] / 1e9, "GB", **params)
    rows.write()


def run(scene: Path, texts: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Wall seconds of one `scanwise label` process, and its labels.json."""
    command = [
        sys.executable,
        "-m",
        "scanwise.app.cli",
        "label",
        str(scene),
        "--text",
        texts,
        "--out",
        str(folder / "out"),
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"SCANWISE_CACHE": str(folder / "cache")})
    return time.perf_counter() - started, json.loads((folder / "out" / "labels.json").read_text())


if __name__ == "__main__":
    main()
