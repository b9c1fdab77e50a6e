"""How work in progress is told: the share that is done, and the seconds that were spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Progress = Callable[[str, float], None]
"""Told (stage, share done 0..1) while something works."""


def silent(stage: str, done: float) -> None:
    """A `Progress` that nobody listens to."""


@dataclass
class Stopwatch:
    """Seconds spent by stage.

    Attributes:
        seconds: stage -> seconds.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measures what runs within, and puts it down under `stage`."""
        started = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - started
