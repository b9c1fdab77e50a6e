"""The tables of docs/results/ask.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, read_rows
from .tables import Table, number

_NAMES = ("miou", "acc25", "acc50", "unique_miou", "multiple_miou", "object_right")


def _rows(data: Path, what: str) -> list[Row]:
    return [row for row in read_rows(data / "ask.json") if row["name"] == what]


def ways(data: Path) -> str:
    """All sentences of test rooms, each part left out in turn, and by whether training had the models."""
    table = Table("", "mIoU", "Acc@0.25", "Acc@0.5", "unique", "multiple", "right object", "found", "not here", "mean")
    for row in _rows(data, "way"):
        cells = [number(row, key) for key in (*_NAMES, "found", "not_here", "balanced")]
        table.add([row["params"]["name"], *cells], [row])
    return str(table)


def absence(data: Path) -> str:
    """How well what is here is told from what is not, by the kind of absence."""
    table = Table("", "AUC", "no such thing", "none of that colour or there")
    for row in _rows(data, "way"):
        if "presence_auc" in row["metrics"]:
            cells = [number(row, f"presence_{key}") for key in ("auc", "kind_auc", "attribute_auc")]
            table.add([row["params"]["name"], *cells], [row])
    return str(table)


def kinds(data: Path) -> str:
    """By what a sentence says."""
    table = Table("sentences with", "mIoU", "Acc@0.25", "Acc@0.5")
    for row in _rows(data, "kind"):
        table.add([row["params"]["name"], *(number(row, key) for key in _NAMES[:3])], [row])
    return str(table)


def trust(data: Path) -> str:
    """Confidence against the share of answers that are right."""
    table = Table("", "ECE", *(f"{tenth / 10:.1f}-{tenth / 10 + 0.1:.1f}" for tenth in range(10)))
    for row in _rows(data, "trust"):
        found = row["metrics"]
        total = max(sum(found["counts"]), 1)
        bins = [
            f"{100 * right:.0f} ({100 * count / total:.0f})" if count else ""
            for count, right in zip(found["counts"], found["of_bins"], strict=True)
        ]
        table.add(["right of answers (share of all)", number(row, "ece"), *bins], [row])
    return str(table)


def choices(data: Path) -> str:
    """Top one, top three, and what confidence promises."""
    table = Table("of all sentences", "share")
    for row in _rows(data, "trust"):
        for name, key in (
            ("first choice right", "right"), ("right one among the first three", "in_three"),
            ("answered with .5 or more", "found_share"), ("of these right", "found_right"),
            ("answered with .8 or more", "high_share"), ("of these right", "high_right"),
        ):  # fmt: skip
            table.add([name, number(row, key)], [row])
    return str(table)


def ceiling(data: Path) -> str:
    """The best candidate for each sentence."""
    table = Table("best candidate", "IoU")
    for row in _rows(data, "ceiling"):
        table.add([f"rooms of {row['params']['name']}", number(row, "iou")], [row])
    return str(table)


TABLES = {"ceiling": ceiling, "ways": ways, "absence": absence, "kinds": kinds, "trust": trust, "choices": choices}
