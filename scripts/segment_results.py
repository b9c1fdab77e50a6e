"""The page of a supervised run: its command, cost, metrics on the test scenes, and pictures.

    python scripts/segment_results.py out/segment-rooms-small docs/results/segment.md

The run's folder must hold what `scanwise train segment` and `scanwise evaluate segment` wrote.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from scanwise.training.checkpoints import load
from scanwise.training.logs import read_log


def main() -> None:
    """Writes the page."""
    run, page = Path(sys.argv[1]), Path(sys.argv[2])
    checkpoint = load(run / "best.ckpt")
    recipe, metrics = checkpoint.facts["recipe"], checkpoint.facts["metrics"]
    log = read_log(run / "log.csv")
    metrics = json.loads((run / "test.json").read_text())
    count = sum(value.numel() for value in checkpoint.tensors.values())
    lines = [
        "# Supervised segmentation of Rooms-1: the baseline",
        "",
        f"`scanwise train segment recipes/{run.name}.yaml`, then `scanwise evaluate segment {run} {recipe['data']}`.",
        f"Seed {recipe['seed']}; {count / 1e6:.1f} M weights; {len(log['step']):,} steps of {recipe['batch']} rooms,",
        f"{sum(log['seconds']) / 3600:.1f} hours; best validation at step {metrics['step']:.0f}: mIoU"
        f" {100 * metrics['miou']:.1f}.",
        "Each point of the cloud is predicted and counted; of what is smaller than a voxel of 8 cm that is a guess.",
        "",
        "| test points | mIoU | mAcc | accuracy |",
        "|---|---|---|---|",
    ]
    names = {"all": "all", "seen": "of objects whose model training had", "unseen": "of objects of held-out models"}
    for key, values in metrics.items():
        cells = " | ".join(f"{100 * values[name]:.1f}" for name in ("miou", "macc", "accuracy"))
        lines.append(f"| {names[key]} | {cells} |")
    lines += ["", (run / "test.md").read_text(), f"![Confusion on the test scenes]({page.stem}-confusion.png)", ""]
    lines += [f"![Loss over the steps]({page.stem}-loss.png)", ""]
    page.write_text("\n".join(lines))
    shutil.copyfile(run / "test.png", page.with_name(f"{page.stem}-confusion.png"))
    shutil.copyfile(run / "loss.png", page.with_name(f"{page.stem}-loss.png"))
    shutil.copyfile(run / "log.csv", page.with_name(f"{page.stem}-log.csv"))


if __name__ == "__main__":
    main()
