"""Rows and figures of a supervised run, for docs/results/segment.md.

    python scripts/segment_rows.py out/segment-rooms-small

The run's folder must hold what `scanwise train segment` and `scanwise evaluate segment` wrote. Rows go to
docs/results/data/segment.json, `make results` writes the page.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from results.rows import DATA, add_row, make_row
from results.segment import POINTS

from scanwise.training.checkpoints import load
from scanwise.training.logs import read_log

CLASS = re.compile(r"^\| ([^*|]+) \| ([\d.]+) \| ([\d.]+) \| ([\d,]+) \|$", re.MULTILINE)
FIGURES = {"test.png": "segment-confusion.png", "loss.png": "segment-loss.png", "log.csv": "segment-log.csv"}


def main() -> None:
    """Adds the rows, and copies the figures beside the page."""
    run = Path(sys.argv[1])
    checkpoint = load(run / "best.ckpt")
    recipe, best = checkpoint.facts["recipe"], checkpoint.facts["metrics"]
    log = read_log(run / "log.csv")
    train = f"scanwise train segment recipes/{run.name}.yaml"

    def add(part: str, metrics: dict[str, float], unit: str, command: str, **params: str) -> None:
        row = make_row(run.name, metrics, unit, command=command, params={"part": part, **params}, seed=recipe["seed"])
        add_row(DATA / "segment.json", row)

    metrics = {
        "weights": sum(value.numel() for value in checkpoint.tensors.values()),
        "steps": len(log["step"]),
        "hours": sum(log["seconds"]) / 3600,
        "best step": best["step"],
        "validation miou": 100 * best["miou"],
    }
    add("run", metrics, "counts, hours, %", train)
    evaluate = f"scanwise evaluate segment {run} {recipe['data']}"
    found = json.loads((run / "test.json").read_text())
    for points in POINTS:
        if points in found:
            values = {metric: 100 * found[points][metric] for metric in ("miou", "macc", "accuracy")}
            add("test", values, "%", evaluate, points=points)
    for name, iou, accuracy, count in CLASS.findall((run / "test.md").read_text()):
        values = {"iou": float(iou), "accuracy": float(accuracy), "points": int(count.replace(",", ""))}
        add("classes", values, "%", evaluate, **{"class": name})
    for source, figure in FIGURES.items():
        shutil.copyfile(run / source, DATA.parent / figure)


if __name__ == "__main__":
    main()
