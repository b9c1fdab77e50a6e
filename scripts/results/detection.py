"""The tables of docs/results/detection.md."""

from __future__ import annotations

from pathlib import Path

from .rows import Row, find, read_rows
from .tables import NOT_RUN, Table, metric_of_seeds, number, only, seed_cells

SHIPPED = "detect-streets"
SHARES = (1.0, 0.1, 0.01)
STARTS = {"scratch": "from scratch", "dos": "from DOS, `dos-streets-small`"}
DISTANCES = ("ap_0.5", "ap_1", "ap_2", "ap_4")
ERRORS = ("ate", "ase", "aoe", "ave")


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "detection.json")


def classes(data: Path) -> str:
    """What the shipped weights find, class by class."""
    rows = find(_measured(data), SHIPPED, part="classes")
    if not rows:
        return f"{NOT_RUN.capitalize()}.\n"
    table = Table(
        "class", "AP", *(f"AP {name[3:]} m" for name in DISTANCES), "ATE, m", "ASE", "AOE, rad", "AVE, m/s", "boxes"
    )
    for row in [*(row for row in rows if row["params"]["class"] != "all"), only(rows, SHIPPED, **{"class": "all"})]:
        if row is None:
            continue
        name = row["params"]["class"]
        cells = [number(row, "map"), *(number(row, metric) for metric in DISTANCES)]
        cells += [number(row, metric, ".2f", "–") for metric in ERRORS]
        table.add(["**mean**" if name == "all" else name, *cells, number(row, "truths", ",.0f")], [row])
    return str(table)


def score(data: Path) -> str:
    """NDS of the shipped weights."""
    table = Table("weights", "NDS", "mAP")
    row = only(_measured(data), SHIPPED, part="classes", **{"class": "all"})
    table.add([f"`{SHIPPED}`", number(row, "nds"), number(row, "map")], [row] if row else [])
    return str(table)


def _starts(data: Path, metric: str) -> str:
    table = Table("labelled sweeps", "start", "seed 1", "seed 2", "seed 3", "mean")
    for share in SHARES:
        for start, words in STARTS.items():
            rows = find(_measured(data), start, part="starts", share=share)
            table.add([f"{100 * share:g} %", words, *seed_cells(metric_of_seeds(rows, metric), bold=True)], rows)
    return str(table)


def starts(data: Path) -> str:
    """MAP from scratch and from DOS."""
    return _starts(data, "map")


def starts_nds(data: Path) -> str:
    """NDS of the same runs."""
    return _starts(data, "nds")


TABLES = {"score": score, "classes": classes, "starts": starts, "starts nds": starts_nds}
