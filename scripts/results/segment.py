"""The tables of docs/results/segment.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import NOT_RUN, Table, number, only

NAME = "segment-rooms-small"
POINTS = {"all": "all", "seen": "of objects whose model training had", "unseen": "of objects of held-out models"}


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "segment.json")


def run(data: Path) -> str:
    """How it was trained."""
    table = Table("weights", "steps", "hours", "best validation at step", "its mIoU")
    row = only(_measured(data), NAME, part="run")
    if row:
        cells = [f"{row['metrics']['weights'] / 1e6:.1f} M", number(row, "steps", ",.0f"), number(row, "hours")]
        table.add([*cells, number(row, "best step", ",.0f"), number(row, "validation miou")], [row])
    return str(table)


def test(data: Path) -> str:
    """Which points of the test scenes are found."""
    table = Table("test points", "mIoU", "mAcc", "accuracy")
    for points, words in POINTS.items():
        row = only(_measured(data), NAME, part="test", points=points)
        table.add([words, *(number(row, metric) for metric in ("miou", "macc", "accuracy"))], [row] if row else [])
    return str(table)


def classes(data: Path) -> str:
    """IoU and accuracy by class."""
    table = Table("class", "IoU", "accuracy", "points")
    rows = find(_measured(data), NAME, part="classes")
    for row in rows:
        cells = [number(row, "iou"), number(row, "accuracy"), number(row, "points", ",.0f")]
        table.add([row["params"]["class"], *cells], [row])
    mean = only(_measured(data), NAME, part="test", points="all")
    if rows and mean:
        total = sum(row["metrics"]["points"] for row in rows)
        table.add(["**mean**", f"**{number(mean, 'miou')}**", number(mean, "macc"), f"{total:,.0f}"], [mean])
    return str(table) if rows else f"{NOT_RUN.capitalize()}.\n"


TABLES = {"run": run, "test": test, "classes": classes}
