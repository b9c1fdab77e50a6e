"""The tables of docs/results/outdoors.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import Table, number


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "outdoors.json")


def words(data: Path) -> str:
    """Eight words, alone and by votes."""
    table = Table("scan", "sweeps", "votes of things", "mIoU", "mAcc", "accuracy")
    for row in find(_measured(data), "words"):
        params = row["params"]
        cells = [params["scan"], str(params["sweeps"]), params["votes"]]
        table.add([*cells, *(number(row, key) for key in ("miou", "macc", "accuracy"))], [row])
    return str(table)


def classes(data: Path) -> str:
    """IoU of each word, by votes of things."""
    rows = find(_measured(data), "word", votes="yes")
    scans = list(dict.fromkeys(row["params"]["scan"] for row in rows))
    table = Table("word", *scans)
    for word in dict.fromkeys(row["params"]["word"] for row in rows):
        own = [find(rows, word=word, scan=scan) for scan in scans]
        cells = [number(some[0], "iou") if some else "" for some in own]
        table.add([word, *cells], [row for some in own for row in some])
    return str(table)


def cars(data: Path) -> str:
    """Cars counted."""
    table = Table("scan", "cars of 30 points and more", "found", "of them right")
    for row in find(_measured(data), "words", votes="yes"):
        counts = [f"{row['metrics'][key]:,}" for key in ("cars", "found", "right")]
        table.add([row["params"]["scan"], *counts], [row])
    return str(table)


def ground(data: Path) -> str:
    """Heights above the ground, two ways."""
    table = Table("class", "ground", "5 % below", "median", "95 % below")
    for row in find(_measured(data), "ground"):
        cells = [row["params"]["class"], row["params"]["way"]]
        table.add([*cells, *(number(row, key, ".2f") for key in ("low", "middle", "high"))], [row])
    return str(table)


TABLES = {"ground": ground, "words": words, "words by class": classes, "cars": cars}
