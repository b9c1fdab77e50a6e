"""What every benchmark shares: medians, and rows as `scripts/results/rows.py` describes them."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

from results.rows import Row, add_row, machine, make_row, this_command

__all__ = ["Rows", "machine", "median_seconds"]


class Rows:
    """Collects a benchmark's rows, prints each as it comes, and writes them where --json says.

    Args:
        description: of the benchmark, for --help.
        parser: with options of its own; None = without.

    Attributes:
        arguments: of the command line.
        rows: so far.
    """

    def __init__(self, description: str, parser: argparse.ArgumentParser | None = None) -> None:
        parser = parser or argparse.ArgumentParser(description=description)
        parser.add_argument("--json", type=Path, metavar="FILE", help="put the rows into this file")
        self.arguments = parser.parse_args()
        self.rows: list[Row] = []

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        reference: float | None = None,
        *,
        more: Mapping[str, float] | None = None,
        machine: str | None = None,
        **params: Any,
    ) -> None:
        """Adds and prints a row.

        Args:
            name: what was measured.
            value: of it.
            unit: of the value.
            reference: what it is compared with; `ratio` = value / reference, and both are left out without one.
            more: metrics beside it.
            machine: that it was measured on; None = this one.
            **params: what it was measured with.
        """
        metrics = {"value": value, **(more or {})}
        if reference is not None:
            metrics |= {"reference": reference, "ratio": value / reference}
        row = make_row(name, metrics, unit, params=params, command=this_command())
        self.rows.append(row | ({"machine": machine} if machine else {}))
        told = "" if reference is None else f"   reference {reference:.4g}, ratio {value / reference:.3g}"
        settings = " ".join(f"{key}={setting}" for key, setting in params.items())
        print(f"{name:<34} {settings:<40} {value:10.4g} {unit}{told}", flush=True)

    def write(self) -> None:
        """Puts the rows into the file that --json names, in the place of older ones."""
        if self.arguments.json:
            for row in self.rows:
                add_row(self.arguments.json, row)


def median_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of `repeats` calls, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
