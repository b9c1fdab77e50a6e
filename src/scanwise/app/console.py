"""What a person reads while the work goes on: progress, notes, errors in one line; and the log that keeps it all."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from scanwise.errors import InputError, OutputError, ScanwiseWarning

_QUIET, _VERBOSE = ("-q", "--quiet"), ("-v", "--verbose")


@dataclass
class Manner:
    """How much is said, and where it is kept.

    Attributes:
        quiet: errors alone.
        verbose: every stage with its seconds, and what other libraries have to say.
        debug: the traceback of an error.
        log: of this run; None = none is kept.
    """

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    log: TextIO | None = None


_manner = Manner()


def manner_of(arguments: Sequence[str]) -> tuple[Manner, list[str]]:
    """What -q, -v, --debug and --log ask for, wherever they stand, and the arguments without them.

    Args:
        arguments: of the command line; what follows `--` is left as it is.

    Raises:
        InputError: --log without a file, or both -q and -v.
        OutputError: the log cannot be written.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    manner, rest, log = Manner(), list[str](), ""
    words = iter(arguments[:end])
    for word in words:
        if word in _QUIET:
            manner.quiet = True
        elif word in _VERBOSE:
            manner.verbose = True
        elif word == "--debug":
            manner.debug = True
        elif word == "--log" or word.startswith("--log="):
            log = word.partition("=")[2] or next(words, "")
            if not log:
                raise InputError("--log: which file? write --log FILE")
        else:
            rest.append(word)
    if manner.quiet and manner.verbose:
        raise InputError("-q and -v: one of the two")
    if log:
        manner.log = _opened(Path(log))
    return manner, [*rest, *arguments[end:]]


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise OutputError(f"{path}: cannot write the log here ({error.strerror}); choose another --log") from error


@contextmanager
def speaking(manner: Manner, command: Sequence[str]) -> Iterator[None]:
    """Speaks in this manner meanwhile; other libraries' warnings and logs are for -v and the log alone.

    Args:
        manner: how.
        command: that is run, for the log.
    """
    global _manner
    before, _manner = _manner, manner
    if not manner.verbose:
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    handler = _Libraries(logging.INFO if manner.verbose else logging.WARNING)
    logging.getLogger().addHandler(handler)
    keep(f"--- scanwise {' '.join(command)}")
    try:
        with notes_for_warnings():
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        if manner.log is not None:
            manner.log.close()
        _manner = before


class _Libraries(logging.Handler):
    """What other libraries log: told with -v, kept in the log."""

    def emit(self, record: logging.LogRecord) -> None:
        _aside(f"{record.name}: {record.getMessage()}")


def keep(text: str) -> None:
    """A line of the log, where one is kept."""
    if _manner.log is not None and not _manner.log.closed:
        _manner.log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")


def note(text: str, *, error: bool = False) -> None:
    """One line on standard error, and of the log.

    Args:
        text: the line.
        error: it is said with -q, too.
    """
    keep(text)
    if error or not _manner.quiet:
        print(text, file=sys.stderr, flush=True)


def _aside(text: str) -> None:
    """What is for -v and the log alone."""
    line = " ".join(text.split())
    if _manner.verbose:
        note(line)
    else:
        keep(line)


def any_letters() -> None:
    """Has standard output and error take every text: what a terminal's or pipe's encoding lacks becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def notes_for_warnings() -> Iterator[None]:
    """Shows each ScanwiseWarning once, as a note, without a source line; others are for -v and the log."""
    said: set[str] = set()

    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any) -> None:
        ours = issubclass(category, ScanwiseWarning)
        text = f"note: {message}" if ours else f"{category.__name__} in {filename}, line {lineno}: {message}"
        if text not in said:
            said.add(text)
            (note if ours else _aside)(text)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ScanwiseWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A function (stage, share done) that draws bars on a terminal, and prints plain lines elsewhere and with -v."""
    if sys.stderr.isatty() and not (_manner.verbose or _manner.quiet):
        yield from _bars()
    else:
        yield _Lines(least=0.0 if _manner.verbose else 1.0)


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
    """A line every ten seconds, and when a stage ends that took a second; one that says how far it is, also at once.

    Args:
        least: seconds of a stage whose end is told.
    """

    def __init__(self, least: float = 1.0) -> None:
        self.started: dict[str, float] = {}
        self.told: set[str] = set()
        self.said = time.monotonic()
        self.least = least

    def __call__(self, stage: str, done: float) -> None:
        now = time.monotonic()
        taken = now - self.started.setdefault(stage, now)
        first = stage not in self.told and done > 0
        ended = done >= 1 and (taken >= self.least or stage in self.told)
        if ended or (done < 1 and (first or now - self.said >= 10)):
            self.said = now
            self.told.add(stage)
            seconds = f"{taken:.0f}" if self.least else f"{taken:.2f}"
            note(f"{stage}: {100 * done:.0f} % after {seconds} s")
