"""The tables of docs/results/dos.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import Table, metric_of_seeds, number, only, seed_cells

WORDS = {
    "random": "random weights",
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
PAPER = {"1-naive": 54.7, "2-token-jitter": 55.1, "3-observable": 69.3, "4-softmap": 72.3, "5-zipf-1.3": 74.1}
FULL = "5-zipf-1.3"  # the paper's own
SHARES = {1.0: 400, 0.01: 200}  # share of the labelled scenes: steps
TAIL = {"rare macc": "rarest third: accuracy", "rare miou": "IoU", "common macc": "the rest: accuracy",
        "common miou": "IoU"}  # fmt: skip
TESTED_ON = {"streets": "4 made drives", "kitti": "the real SemanticKITTI sweep"}
SHIPPED = ("dos-rooms-small", "dos-streets-small")
TAUGHT = "segment-rooms-small"  # by labels


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "dos.json")


def _miou(table: Table, words: list[str], rows: list[Row], *more: str) -> None:
    table.add([*words, *seed_cells(metric_of_seeds(rows, "miou"), bold=True), *more], rows)


def ladder(data: Path) -> str:
    """The steps from a naive start to the paper."""
    table = Table("target and input", "seed 1", "seed 2", "seed 3", "mean", "the paper's")
    for step, words in WORDS.items():
        _miou(table, [words], find(_measured(data), step, part="ladder"), str(PAPER.get(step, "")))
    return str(table)


def protocols(data: Path) -> str:
    """Probes, fine-tuning and supervision, with all labels and few."""
    rows = _measured(data)
    table = Table("labels", "method", "seed 1", "seed 2", "seed 3", "mean")
    for share, steps in SHARES.items():
        probed = find(rows, "probe", part="protocols", share=share) if share < 1 else find(rows, FULL, part="ladder")
        kinds = {
            f"supervised from scratch, {steps} steps": find(rows, "scratch", part="protocols", share=share),
            f"fine-tuned from DOS, {steps} steps": find(rows, "finetuned", part="protocols", share=share),
            "linear probe on DOS": probed,
        }
        for words, found in kinds.items():
            _miou(table, [f"{100 * share:g} %", words], found)
    return str(table)


def tail(data: Path) -> str:
    """Rare open names and the others."""
    table = Table("", "seed", *TAIL.values())
    for step in ("4-softmap", FULL):
        for row in find(_measured(data), step, part="tail"):
            table.add([WORDS[step], str(row["seed"]), *(number(row, metric) for metric in TAIL)], [row])
    return str(table)


def streets(data: Path) -> str:
    """LiDAR sweeps, made and real."""
    table = Table("tested on", "weights", "seed 1", "seed 2", "seed 3", "mean")
    for world, words in TESTED_ON.items():
        for name in ("random", "dos"):
            _miou(table, [words, name], find(_measured(data), name, part="streets", world=world))
    return str(table)


def shipped(data: Path) -> str:
    """The shipped weights against random ones, in either world."""
    table = Table("probed on", "weights", "mIoU")
    for world in ("rooms", "streets"):
        for name in SHIPPED:
            for weights, words in (("random", f"the network of `{name}`, random"), ("dos", f"`{name}`")):
                row = only(_measured(data), name, part="shipped", weights=weights, world=world)
                table.add([world, words, number(row, "miou")], [row] if row else [])
        row = only(_measured(data), TAUGHT, part="shipped", weights="labels", world=world)
        if row:
            table.add([world, f"`{TAUGHT}`, taught by labels", number(row, "miou")], [row])
    return str(table)


def cost(data: Path) -> str:
    """Seconds and memory of a step, as benchmarks/dos.py measured them."""
    rows = read_rows(data / "dos-cost.json")
    table = Table("size", "voxels of a batch", "1 process", "MiB", "2 processes", "MiB each")
    for size, voxels in dict.fromkeys((row["params"]["size"], row["params"]["voxels"]) for row in rows):
        used = find(rows, size=size, voxels=voxels)
        cells = []
        for processes in (1, 2):
            cells.append(f"{number(only(used, 'step', processes=processes), 'value', '.2f')} s")
            cells.append(number(only(used, "peak memory of a process", processes=processes), "value", ".0f"))
        table.add([size, f"{voxels:,}", *cells], used)
    return str(table)


TABLES = {
    "ladder": ladder, "protocols": protocols, "tail": tail, "streets": streets, "shipped": shipped, "cost": cost,
}  # fmt: skip
