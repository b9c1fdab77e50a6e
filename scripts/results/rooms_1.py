"""The tables of docs/results/rooms-1.md."""

from __future__ import annotations

from pathlib import Path

from .rows import find, read_rows
from .tables import Table, number

COUNTS = {
    "scenes": "scenes", "points": "points", "objects": "objects", "held out": "of held-out models",
    "sentences": "sentences", "MB": "MB",
}  # fmt: skip


def splits(data: Path) -> str:
    """What is in each split."""
    table = Table("split", *COUNTS.values())
    for row in find(read_rows(data / "rooms-1.json"), part="splits"):
        table.add([row["name"], *(number(row, count, ",") for count in COUNTS)], [row])
    return str(table)


def classes(data: Path) -> str:
    """Points and things of each class, the most frequent first."""
    rows = find(read_rows(data / "rooms-1.json"), part="classes")
    everything = sum(row["metrics"]["points"] for row in rows)
    table = Table("class", "points", "share", "instances")
    for row in sorted(rows, key=lambda row: -row["metrics"]["points"]):
        share = f"{100 * row['metrics']['points'] / everything:.2f} %"
        table.add([row["name"], number(row, "points", ","), share, number(row, "instances", ",")], [row])
    return str(table)


TABLES = {"splits": splits, "classes": classes}
