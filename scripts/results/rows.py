"""What was measured, as rows in small JSON files that are committed: docs/results/data/.

A row is {name, params, seed, metrics, unit, cpu_seconds, command, machine, source}. Runs and benchmarks write them with
`add_row`, `make results` makes the tables from them; what was not run has no row.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import resource
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "docs" / "results" / "data"
KEYS = ("name", "params", "seed", "metrics", "unit", "cpu_seconds", "command", "machine", "source")
MEASURED = "measured"

Row = dict[str, Any]


def make_row(
    name: str,
    metrics: Mapping[str, Any],
    unit: str,
    *,
    command: str,
    params: Mapping[str, Any] | None = None,
    seed: int | None = None,
    cpu_seconds: float | None = None,
    source: str = MEASURED,
) -> Row:
    """A row that was measured on this machine.

    Args:
        name: of what was measured, as the tables know it.
        metrics: the numbers, by name.
        unit: of the metrics.
        command: that does it again.
        params: what it was measured with; name, params and seed together say which row it is.
        seed: of the run; None where nothing was drawn.
        cpu_seconds: of all its processes and threads; None = not recorded.
        source: where the numbers are from.
    """
    return {
        "name": name, "params": dict(params or {}), "seed": seed, "metrics": dict(metrics), "unit": unit,
        "cpu_seconds": cpu_seconds, "command": command, "machine": machine(), "source": source,
    }  # fmt: skip


def add_row(file: Path, row: Row) -> None:
    """Puts a row into a file, in the place of the one of the same name, params and seed, or at the end.

    Two processes may do so at once; the file is whole at any time.

    Args:
        file: JSON, made where it is missing.
        row: all of `KEYS`.
    """
    if tuple(row) != KEYS:
        raise ValueError(f"a row has {', '.join(KEYS)}, not {', '.join(row)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file.parent):
        rows = read_rows(file)
        row = json.loads(json.dumps(row))
        places = [number for number, other in enumerate(rows) if _identity(other) == _identity(row)]
        place = places[0] if places else len(rows)
        rows[place : place + 1] = [row]
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(
            "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in rows) + "\n]\n", encoding="utf-8"
        )
        temporary.replace(file)


def read_rows(file: Path) -> list[Row]:
    """All rows of a file; none where there is no file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def find(rows: list[Row], name: str | None = None, /, **params: Any) -> list[Row]:
    """The rows of a name whose params have these values, in the order of the file."""
    return [
        row
        for row in rows
        if name in (None, row["name"]) and all(row["params"].get(key) == value for key, value in params.items())
    ]


def this_command() -> str:
    """The line that started this process, for a row of it."""
    threads = os.environ.get("OMP_NUM_THREADS")
    return (f"OMP_NUM_THREADS={threads} " if threads else "") + shlex.join(["python", *sys.argv])


@contextmanager
def processor_seconds() -> Iterator[Callable[[], float]]:
    """Seconds of processor of this process and of children that have ended, since the block began."""
    began = _spent()
    yield lambda: _spent() - began


def machine() -> str:
    """Cores and processor, as the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{os.cpu_count()}-core {name}"


def _spent() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _identity(row: Row) -> tuple[str, str, int | None]:
    return row["name"], json.dumps(row["params"], sort_keys=True), row["seed"]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
