"""Markdown tables whose last line says what they are from: seeds, processor time, machine, commands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from .rows import MEASURED, Row, find

SEEDS = (1, 2, 3)
NOT_RUN = "not run"


class Table:
    """A table, and the rows that its lines are made from.

    Processor seconds get a column where one row has them.

    Args:
        *columns: their heads.
    """

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        self.lines: list[tuple[Sequence[str], Sequence[Row]]] = []

    def add(self, cells: Iterable[str], rows: Iterable[Row]) -> None:
        """Adds a line.

        Args:
            cells: one a column.
            rows: that they are made from.
        """
        self.lines.append((tuple(cells), tuple(rows)))

    @property
    def rows(self) -> list[Row]:
        """Of all lines, each once."""
        return list({id(row): row for _, rows in self.lines for row in rows}.values())

    def __str__(self) -> str:
        timed = any(row["cpu_seconds"] is not None for row in self.rows)
        heads = [*self.columns, *(["CPU s"] if timed else [])]
        text = f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|\n"
        for cells, rows in self.lines:
            text += f"| {' | '.join([*cells, *([_seconds(rows)] if timed else [])])} |\n"
        return f"{text}\n{origin(self.rows)}"


def origin(rows: Sequence[Row]) -> str:
    """A paragraph that says what rows are from; where processor seconds are known a column says them."""
    if not rows:
        return f"{NOT_RUN.capitalize()}.\n"
    drawn = {row["seed"] for row in rows if row["seed"] is not None}
    seeds = sorted(drawn.union(*(row["params"].get("seeds", ()) for row in rows)))
    told = [f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else "1 seed"] if seeds else []
    known = sum(row["cpu_seconds"] is not None for row in rows)
    if known < len(rows):
        told.append(f"CPU seconds {'not recorded' if not known else f'of {known} of {len(rows)} rows'}")
    told += dict.fromkeys(row["machine"] for row in rows)
    commands = ", ".join(dict.fromkeys(f"`{row['command']}`" for row in rows))
    notes = ""
    for source in dict.fromkeys(row["source"] for row in rows if row["source"] != MEASURED):
        count = sum(row["source"] == source for row in rows)
        some = "" if count == len(rows) else f"{count} of {len(rows)} rows: "
        notes += f" {(some + source)[0].upper()}{(some + source)[1:]}."
    text = f"{'; '.join(told)[0].upper()}{'; '.join(told)[1:]}. {commands}.{notes}"
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def fill(text: str, tables: Mapping[str, Callable[[Path], str]], data: Path, page: str) -> str:
    """A page's text with each table between `<!-- NAME -->` and `<!-- end -->`.

    Args:
        text: of the page; it must have one place for each table.
        tables: functions of the folder of the rows.
        data: that folder.
        page: its name, for errors.
    """
    marks = re.findall(r"<!-- (?!end -->)(.+?) -->\n", text)
    if sorted(marks) != sorted(tables):
        raise SystemExit(f"{page}: has places for {', '.join(sorted(marks))}; there are {', '.join(sorted(tables))}")
    for name, table in tables.items():
        filled = f"<!-- {name} -->\n{table(data)}<!-- end -->"
        text = re.sub(f"<!-- {name} -->\n.*?<!-- end -->", lambda _, new=filled: new, text, flags=re.DOTALL)
    return text


# Cells


def of_seeds(rows: Sequence[Row]) -> dict[int | None, Row]:
    """Rows by their seed; two of one seed cannot both be told."""
    found: dict[int | None, Row] = {}
    for row in rows:
        if row["seed"] in found:
            raise SystemExit(f"two rows of {row['name']}, seed {row['seed']}, differ in what the table does not tell")
        found[row["seed"]] = row
    return found


def only(rows: list[Row], name: str | None = None, /, **params: Any) -> Row | None:
    """The one row of a name with these params; None where it was not run."""
    found = find(rows, name, **params)
    if len(found) > 1:
        raise SystemExit(f"{len(found)} rows of {name} with {params}: the table has place for one")
    return found[0] if found else None


def number(row: Row | None, metric: str, form: str = ".1f", missing: str = NOT_RUN) -> str:
    """A metric of a row."""
    value = None if row is None else row["metrics"].get(metric)
    return missing if value is None else f"{value:{form}}"


def mean_of(values: Sequence[float], form: str = ".1f", bold: bool = False) -> str:
    """Mean and the deviation between seeds, or that it is one seed."""
    if not values:
        return NOT_RUN
    mean = f"**{fmean(values):{form}}**" if bold else f"{fmean(values):{form}}"
    return f"{mean} ± {stdev(values):{form.removeprefix('+')}}" if len(values) > 1 else f"{mean} (1 seed)"


def seed_cells(values: Mapping[int | None, float], form: str = ".1f", bold: bool = False) -> list[str]:
    """A cell for each of `SEEDS`, and their mean."""
    cells = [f"{values[seed]:{form}}" if seed in values else "" for seed in SEEDS]
    return [*cells, mean_of(list(values.values()), form, bold)]


def metric_of_seeds(rows: Sequence[Row], metric: str) -> dict[int | None, float]:
    """A metric by seed, where it was measured."""
    return {seed: row["metrics"][metric] for seed, row in of_seeds(rows).items() if metric in row["metrics"]}


def _seconds(rows: Sequence[Row]) -> str:
    """Mean over the rows."""
    known = [row["cpu_seconds"] for row in rows if row["cpu_seconds"] is not None]
    return f"{fmean(known):,.0f}" if known else ""


# Benchmarks


def benchmark(rows: Sequence[Row]) -> str:
    """Rows of a benchmark: what all share above the table, what differs in it."""
    if not rows:
        return f"{NOT_RUN.capitalize()}.\n"
    shared = {
        key: value for key, value in rows[0]["params"].items() if all(row["params"].get(key) == value for row in rows)
    }
    table = Table("what", "value", "reference", "ratio")
    for row in rows:
        own = " ".join(f"{key} {value}" for key, value in row["params"].items() if key not in shared)
        unit = row["unit"]
        reference = number(row, "reference", ".3g", "")
        cells = [f"{row['name']} {own}".strip(), f"{number(row, 'value', '.3g')} {unit}"]
        table.add([*cells, f"{reference} {unit}" if reference else "", number(row, "ratio", ".3g", "")], [row])
    return ", ".join(f"{key} {value}" for key, value in shared.items()) + f".\n\n{table}"
