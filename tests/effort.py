"""How much Python a function runs: what a clock would say of vectorised code, the same on every machine."""

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def calls(function: Callable[[], T]) -> tuple[T, int]:
    """What a function gives, and how many functions were called meanwhile."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        return function(), count
    finally:
        sys.setprofile(before)
