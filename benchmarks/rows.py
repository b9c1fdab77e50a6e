"""What every benchmark shares: medians, and rows {name, params, value, unit, reference, ratio} as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
        self.arguments = parser.parse_args()
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, value: float, unit: str, reference: float | None = None, **params: Any) -> None:
        """Adds and prints a row.

        Args:
            name: what was measured.
            value: of it.
            unit: of the value.
            reference: what it is compared with; `ratio` = value / reference, and both are null without one.
            **params: what it was measured with.
        """
        ratio = None if reference is None else value / reference
        row = {"name": name, "params": params, "value": value, "unit": unit, "reference": reference, "ratio": ratio}
        self.rows.append(row)
        told = "" if ratio is None else f"   reference {reference:.4g}, ratio {ratio:.3g}"
        settings = " ".join(f"{key}={setting}" for key, setting in params.items())
        print(f"{name:<34} {settings:<40} {value:10.4g} {unit}{told}", flush=True)

    def write(self) -> None:
        """Writes the rows, where --json names a file."""
        if self.arguments.json:
            self.arguments.json.parent.mkdir(parents=True, exist_ok=True)
            self.arguments.json.write_text(json.dumps(self.rows, indent=1) + "\n")


def median_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of `repeats` calls, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def machine() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
