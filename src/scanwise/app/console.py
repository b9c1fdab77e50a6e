"""What a person reads while the work goes on: progress, notes, and errors in one line."""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scanwise.errors import ScanwiseWarning


def note(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)


def any_letters() -> None:
    """Has standard output and error take every text: what a terminal's or pipe's encoding lacks becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def notes_for_warnings() -> Iterator[None]:
    """Shows each ScanwiseWarning once, as a note, without a source line; other warnings are Python's business."""
    said: set[str] = set()
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if not issubclass(category, ScanwiseWarning):
            usual(message, category, *rest, **more)
        elif str(message) not in said:
            said.add(str(message))
            note(f"note: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", ScanwiseWarning)
        warnings.showwarning = show
        yield


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A function (stage, share done) that draws bars on a terminal, and prints plain lines elsewhere."""
    if sys.stderr.isatty():
        yield from _bars()
    else:
        yield _Lines()


def _bars() -> Iterator[Callable[[str, float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>12}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: float) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0)
            bars.update(tasks[stage], completed=done)

        yield show


class _Lines:
    """A line every ten seconds, and when a stage ends that took a second; one that says how far it is, also at once."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.told: set[str] = set()
        self.said = time.monotonic()

    def __call__(self, stage: str, done: float) -> None:
        now = time.monotonic()
        taken = now - self.started.setdefault(stage, now)
        first = stage not in self.told and done > 0
        ended = done >= 1 and (taken >= 1 or stage in self.told)
        if ended or (done < 1 and (first or now - self.said >= 10)):
            self.said = now
            self.told.add(stage)
            note(f"{stage}: {100 * done:.0f} % after {taken:.0f} s")
