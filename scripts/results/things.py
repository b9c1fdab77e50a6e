"""The tables of docs/results/things.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import Table, number

POINTS, VOTES = "points", "votes of things"
MERGED, TRUE = "parts joined without a mistake", "true things"
CLUSTERED = "DBSCAN of points of one word"


def _rows(data: Path, part: str) -> list[Row]:
    return [row for row in read_rows(data / "things.json") if row["params"].get("part") == part]


def rules(data: Path) -> str:
    """Rules of votes on validation rooms."""
    table = Table("rule", "mIoU", "mean accuracy", "accuracy")
    for row in _rows(data, "choose"):
        table.add([row["name"], *(number(row, key) for key in ("miou", "macc", "accuracy"))], [row])
    return str(table)


def labels(data: Path) -> str:
    """Labels of test rooms, by evidence and by whether training had the models."""
    table = Table("labels", "evidence", "mIoU", "objects of seen models", "of unseen ones")
    rows = _rows(data, "test")
    for row in rows:
        if row["params"]["models"] != "all":
            continue
        key = {name: row["params"][name] for name in ("part", "rooms", "evidence")}
        seen, unseen = (find(rows, row["name"], **key, models=which) for which in ("seen", "unseen"))
        others = [each[0] if each else None for each in (seen, unseen)]
        cells = [number(row, "miou"), *(number(each, "miou") for each in others)]
        table.add([row["name"], row["params"]["evidence"], *cells], [row])
    return str(table)


def objects(data: Path) -> str:
    """Average precision of objects."""
    table = Table("objects", "AP", "AP50", "AP25")
    for row in _rows(data, "objects"):
        table.add([row["name"], *(number(row, key) for key in ("ap", "ap50", "ap25"))], [row])
    return str(table)


def confidence(data: Path) -> str:
    """Calibration error and reliability."""
    table = Table("", "ECE", *(f"{tenth / 10:.1f}-{tenth / 10 + 0.1:.1f}" for tenth in range(10)))
    for row in _rows(data, "confidence"):
        bins = [f"{100 * right:.0f} ({100 * share:.0f})" if share else "" for share, _, right in row["metrics"]["bins"]]
        table.add([row["name"], number(row, "ece"), *bins], [row])
    return str(table)


def unsure(data: Path) -> str:
    """What `--unsure` leaves."""
    table = Table("--unsure", "points labelled", "of them right")
    for row in _rows(data, "unsure"):
        table.add([f"{row['params']['least']}", number(row, "left"), number(row, "right")], [row])
    return str(table)


def network(data: Path) -> str:
    """The 3D network by itself."""
    table = Table("weights", "points", "mIoU", "mean accuracy", "accuracy")
    words = {"all": "all", "seen": "of objects whose model training had", "unseen": "of objects of held-out models"}
    for row in _rows(data, "network"):
        cells = [number(row, key) for key in ("miou", "macc", "accuracy")]
        table.add([row["name"], words[row["params"]["models"]], *cells], [row])
    return str(table)


TABLES = {
    "network": network,
    "rules": rules,
    "labels": labels,
    "objects": objects,
    "confidence": confidence,
    "unsure": unsure,
}
