"""Numbers written as text, in the ways that point cloud programs write them."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np

from scanwise.errors import InputError

_ODD_NAN = re.compile(rb"[+-]?(nan\(.*\)|1\.#(qnan|snan|ind)\d*)", re.IGNORECASE)
_ODD_INF = re.compile(rb"([+-]?)1\.#inf\d*", re.IGNORECASE)


def content_lines(body: bytes, *comments: bytes) -> list[bytes]:
    """Lines that are neither blank nor start with one of the comment marks."""
    lines = [line for line in body.splitlines() if line and not line.isspace()]
    return [line for line in lines if not line.lstrip().startswith(comments)] if comments else lines


def parse_numbers(lines: list[bytes], where: str) -> np.ndarray:
    """All numbers of some lines in order, float64 (total,).

    Args:
        lines: of numbers between blanks.
        where: what an error begins with.

    Raises:
        InputError: a word is no number; it is named.
    """
    tokens = list(chain.from_iterable(map(bytes.split, lines)))
    try:
        return np.fromiter(map(float, tokens), np.float64, len(tokens))
    except ValueError:
        return np.fromiter((_number(token, where) for token in tokens), np.float64, len(tokens))


def to_type(values: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
    """Values in the type that a header promises.

    Args:
        values: float64.
        dtype: the type.
        where: what an error begins with.

    Raises:
        InputError: an integer type cannot hold them.
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    wrong = ~((values >= limits.min) & (values <= limits.max) & (values == np.trunc(values)))
    if wrong.any():
        raise InputError(f"{where}: the header promises {dtype.name}, the file holds {values[wrong][0]:g}")
    return values.astype(dtype)


def as_texts(column: np.ndarray) -> list[str]:
    """Each number of an (N,) column as the shortest text that reads back as the same number."""
    return column.astype(str).tolist()


def odd_number(token: bytes) -> float | None:
    """A number as C libraries of old write it (1.#QNAN, -nan(ind), 1.#INF); None = it is none of these."""
    if _ODD_NAN.fullmatch(token):
        return float("nan")
    if sign := _ODD_INF.fullmatch(token):
        return float(sign[1] + b"inf")
    return None


def _number(token: bytes, where: str) -> float:
    try:
        return float(token)
    except ValueError:
        number = odd_number(token)
    if number is None:
        raise InputError(f"{where}: {token[:40].decode('latin-1')!r} is not a number")
    return number
