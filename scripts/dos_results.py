"""Fills the tables of docs/results/dos.md, between its `<!-- NAME -->` and `<!-- end -->`, with what was measured.

python scripts/dos_results.py docs/results/dos.md        # reads out/dos-study, out/dos-cost.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from dos_runs import MAIN, RUNS, SHARES, SHIPPED, SIDE, WORLDS
from tables import fill

SEEDS = (1, 2, 3)
COST = Path("out/dos-cost.json")
PAPER = {"1-naive": 54.7, "2-token-jitter": 55.1, "3-observable": 69.3, "4-softmap": 72.3, "5-zipf-1.3": 74.1}
WORDS = {
    "1-naive": "masked self-distillation with mask tokens",
    "2-token-jitter": "+ token jitter",
    "3-observable": "observable points only, clusters as the target",
    "4-softmap": "softmaps, alpha 0",
    "5-zipf-1.3": "softmaps, alpha 1.3",
    "3-regression": "observable points, features as the target",
    "zipf-1.0": "softmaps, alpha 1.0",
    "zipf-1.6": "softmaps, alpha 1.6",
    "zipf-2": "softmaps, alpha 2",
}


def main() -> None:
    """Fills the page."""
    tables = {
        "ladder": ladder, "protocols": protocols, "tail": tail, "streets": streets, "shipped": shipped, "cost": cost,
    }  # fmt: skip
    fill(Path(sys.argv[1]), tables)


def ladder() -> str:
    """The steps from a naive start to the paper."""
    lines = ["| target and input | seed 1 | seed 2 | seed 3 | mean | the paper's |", "|---|---|---|---|---|---|"]
    random = [miou(RUNS / f"random-{seed}.json") for seed in SEEDS]
    lines.append(row("random weights", random, ""))
    for step in (*MAIN, *SIDE):
        values = [miou(RUNS / f"{step}-{seed}" / "probe.json") for seed in SEEDS]
        lines.append(row(WORDS[step], values, str(PAPER.get(step, ""))))
    return "\n".join(lines) + "\n"


def protocols() -> str:
    """Probes, fine-tuning and supervision, with all labels and few."""
    lines = ["| labels | method | seed 1 | seed 2 | seed 3 | mean |", "|---|---|---|---|---|---|"]
    for share, steps in SHARES.items():
        probes = [
            RUNS / (f"probe-{share:g}-{seed}.json" if share < 1 else f"5-zipf-1.3-{seed}/probe.json") for seed in SEEDS
        ]
        kinds = {
            f"supervised from scratch, {steps} steps": [RUNS / f"scratch-{share:g}-{seed}/test.json" for seed in SEEDS],
            f"fine-tuned from DOS, {steps} steps": [RUNS / f"finetuned-{share:g}-{seed}/test.json" for seed in SEEDS],
            "linear probe on DOS": probes,
        }
        for name, paths in kinds.items():
            lines.append(row(f"{100 * share:g} % | {name}", [miou(path) for path in paths]))
    return "\n".join(lines) + "\n"


def tail() -> str:
    """Rare open names and the others."""
    lines = ["| | seed | rarest third: accuracy | IoU | the rest: accuracy | IoU |", "|---|---|---|---|---|---|"]
    for step in MAIN[3:]:
        for seed in SEEDS:
            path = RUNS / f"{step}-{seed}" / "tail.json"
            if path.exists():
                found = json.loads(path.read_text())
                cells = [f"{100 * found[key]:.1f}" for key in ("rare macc", "rare miou", "common macc", "common miou")]
                lines.append(f"| {WORDS[step]} | {seed} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def streets() -> str:
    """LiDAR sweeps, made and real."""
    lines = ["| tested on | weights | seed 1 | seed 2 | seed 3 | mean |", "|---|---|---|---|---|---|"]
    for world, words in (("streets", "4 made drives"), ("kitti", "the real SemanticKITTI sweep")):
        for name in ("random", "dos"):
            values = [miou(RUNS / f"{world}-probe-{name}-{seed}.json") for seed in SEEDS]
            lines.append(row(f"{words} | {name}", values))
    return "\n".join(lines) + "\n"


def shipped() -> str:
    """The shipped weights against random ones, in either world."""
    lines = ["| probed on | weights | mIoU |", "|---|---|---|"]
    for world in WORLDS:
        for name in SHIPPED:
            for weights, words in (("random", f"the network of `{name}`, random"), ("dos", f"`{name}`")):
                value = miou(RUNS / f"shipped-{name}-{weights}-{world}-linear-1.json")
                lines.append(f"| {world} | {words} | {'not run' if value is None else f'{value:.1f}'} |")
    return "\n".join(lines) + "\n"


def cost() -> str:
    """Seconds and memory of a step, as benchmarks/dos.py measured them."""
    if not COST.exists():
        return "not measured\n"
    rows = json.loads(COST.read_text())
    lines = ["| size | voxels of a batch | 1 process | MiB | 2 processes | MiB each |", "|---|---|---|---|---|---|"]
    found: dict[tuple[Any, ...], float] = {}
    for entry in rows:
        params = entry["params"]
        found[params["size"], params["voxels"], params["processes"], entry["unit"]] = entry["value"]
    for size, voxels in dict.fromkeys((key[0], key[1]) for key in found):
        cells = [
            f"{found[size, voxels, processes, unit]:{form}}{' s' if unit == 's' else ''}"
            for processes in (1, 2)
            for unit, form in (("s", ".2f"), ("MiB", ".0f"))
        ]
        lines.append(f"| {size} | {voxels:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def miou(path: Path) -> float | None:
    """Per cent, mean over the seeds, of a JSON of `scanwise probe` or `scanwise evaluate`; None where it is missing."""
    if not path.exists():
        return None
    metrics = json.loads(path.read_text())
    seeds = metrics if isinstance(metrics, list) else [metrics["all"]]
    return 100 * float(np.mean([found["miou"] for found in seeds]))


def row(name: str, values: list[float | None], *more: str) -> str:
    """A row of a table: the values, their mean and spread, and further cells."""
    known = [value for value in values if value is not None]
    spread = f" ± {np.std(known, ddof=1):.1f}" if len(known) > 1 else ""
    mean = f"**{np.mean(known):.1f}**{spread}" if known else "not run"
    cells = ["" if value is None else f"{value:.1f}" for value in values]
    return "| " + " | ".join([name, *cells, mean, *more]) + " |"


if __name__ == "__main__":
    main()
