"""The tables of docs/results/label.md."""

from __future__ import annotations

from pathlib import Path

from .rows import read_rows
from .tables import benchmark


def label(data: Path) -> str:
    """Seconds and memory of `scanwise label`, as benchmarks/label.py measured them."""
    return benchmark(read_rows(data / "label.json"))


def pooling(data: Path) -> str:
    """Pooling scores in place of features, as benchmarks/pooling.py measured it."""
    return benchmark(read_rows(data / "pooling.json"))


TABLES = {"label": label, "pooling": pooling}
