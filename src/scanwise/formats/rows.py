"""Rows of text into a table, whatever program or hand wrote them.

What is taken as it comes: decimal commas, quotes, delimiters after the last number, empty cells and marks such as NA
(no number), columns of words, and the counts of several scans one after the other.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes
from scanwise.formats.numerals import odd_number
from scanwise.memory import check_fits

COMMENTS = ("#", "//")
_COUNT = re.compile(r"[ \t\r\n]*[0-9]{1,18}[ \t\r\n]*")  # of white space, what `int` takes
_NOTHING = {"", "na", "n/a", "#n/a", "null", "none", "-", "--", "?"}
_BYTES_PER_BYTE = 8  # memory that reading takes at its peak: the lines, and the numbers three times
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?|[+-]?\d+")


@dataclass(frozen=True)
class Table:
    """Rows that were read.

    Attributes:
        numbers: (N, C) float64; NaN where a cell is empty, and in columns of words.
        texts: the columns of words, (N,) each, by their place.
        counts: counts of points that stood between the rows.
        rows: the rows, each a line or the cells of one.
        delimiter: one character between two numbers.
    """

    numbers: np.ndarray
    texts: dict[int, np.ndarray] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    delimiter: str = " "

    def whole(self, column: int, dtype: Any) -> np.ndarray:
        """A column (N,) read as integers. Raises ValueError or OverflowError where it has others."""
        if self.rows and not isinstance(self.rows[0], str):
            return np.array([int(cells[column]) for cells in self.rows], dtype)
        return _parsed(self.rows, self.delimiter, dtype, [column])[:, 0]


def read_lines(path: Path) -> list[str]:
    """The lines of a text in UTF-8, UTF-16 or, where it is neither, Windows' western encoding.

    Raises:
        InputError: the file cannot be read, does not fit into the memory that is free, or is no text.
    """
    check_fits(_BYTES_PER_BYTE * path.stat().st_size if path.is_file() else 0, path)
    body = read_bytes(path)
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = body.decode("utf-16", errors="replace")
    else:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = body.decode("cp1252", errors="replace")
    if "\0" in text[:10_000]:
        raise InputError(f"{path}: is not text; rows of numbers were expected")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # `splitlines` has line ends that editors do not


def content(lines: list[str], start: int) -> tuple[int, list[str]]:
    """The first line from `start` on that is neither blank nor a comment, and the comments before it."""
    comments = []
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if line.startswith(COMMENTS):
            comments.append(line)
        elif line:
            return index, comments
    return len(lines), comments


def is_count(line: str) -> bool:
    """Whether a line is one whole number."""
    return _COUNT.fullmatch(line) is not None


def find_delimiter(line: str) -> str:
    """What stands between the numbers of a line: one of ; tab , or else blanks."""
    line = line.strip()
    if "," in line and ";" not in line and "\t" not in line:
        words = line.split()
        return " " if len(words) > 2 and all(map(_WITH_COMMA.fullmatch, words)) else ","
    return next((mark for mark in (";", "\t") if mark in line), " ")


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line."""
    cells = line.split() if delimiter == " " else next(csv.reader([line.strip()], delimiter=delimiter), [])
    return [cell.strip().strip("\"'") for cell in cells]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point or comma."""
    return not np.isnan(_number(cell)) or cell.lower() in ("nan", "+nan", "-nan")


def is_header(cells: list[str]) -> bool:
    """Whether a row is names: less than half of its cells are numbers."""
    there = [cell for cell in cells if cell]
    return 2 * sum(map(is_number, there)) < len(there)


def parse(lines: list[str], start: int, path: Path) -> Table:
    """The table below line `start`.

    Raises:
        InputError: a row is not like the others; its line is named.
    """
    rows = [line for line in lines[start:] if (head := line.lstrip()) and not head.startswith(COMMENTS)]
    if not rows:
        return Table(np.empty((0, 0)))
    delimiter = find_delimiter(next((row for row in rows if not is_count(row)), rows[0]))
    plain = _with_points(rows, delimiter)
    try:
        return Table(_parsed(plain, delimiter), rows=plain, delimiter=delimiter)
    except ValueError:
        pass
    counts = [int(row) for row in rows if is_count(row)]
    counts = counts if len(counts) < len(rows) else []
    plain = [row.rstrip().rstrip(delimiter) for row in plain if not (counts and is_count(row))]
    try:
        return Table(_parsed(plain, delimiter), counts=counts, rows=plain, delimiter=delimiter)
    except ValueError:
        return _from_cells(lines, start, counts, delimiter, path)


def _with_points(rows: list[str], delimiter: str) -> list[str]:
    """Rows with decimal points, where a comma stands for one."""
    if delimiter == "," or not any("," in row for row in rows):
        return rows
    return [row.replace(",", ".") for row in rows]


def _parsed(rows: list[str], delimiter: str, dtype: Any = np.float64, columns: list[int] | None = None) -> np.ndarray:
    """(N, C). Raises ValueError where a row is not like the others or `dtype` does not hold a number."""
    mark = None if delimiter == " " else delimiter
    return np.loadtxt(rows, dtype, comments=None, delimiter=mark, usecols=columns, ndmin=2)


def _from_cells(lines: list[str], start: int, counts: list[int], delimiter: str, path: Path) -> Table:
    """The table cell by cell: slower, but with words and with nothing in some cells."""
    numbered = [
        (number, line)
        for number, line in enumerate(lines[start:], start + 1)
        if line.strip() and not line.lstrip().startswith(COMMENTS) and not (counts and is_count(line))
    ]
    try:
        rows = [split(line, delimiter) for _, line in numbered]
    except csv.Error as error:
        raise InputError(f"{path}: no rows of cells ({error})") from error
    width, _ = Counter(map(len, rows)).most_common(1)[0]
    for row, (number, _) in zip(rows, numbered, strict=True):
        while len(row) > width and not row[-1]:
            row.pop()
        if len(row) != width:
            raise InputError(f"{path}: line {number} has {len(row)} columns, most rows have {width}")
    columns: list[np.ndarray] = []
    texts: dict[int, np.ndarray] = {}
    for cells in zip(*rows, strict=True):
        column = _column(cells)
        if column is None:
            texts[len(columns)], column = np.array(cells), np.full(len(cells), np.nan)
        elif (wrong := np.flatnonzero(np.isnan(column) & [not _is_nothing(cell) for cell in cells])).size:
            raise InputError(f"{path}: line {numbered[wrong[0]][0]}: {cells[wrong[0]][:40]!r} is not a number")
        columns.append(column)
    if columns and all(not row[-1] for row in rows):
        columns.pop()
    empty = sum(int(np.isnan(column).sum()) for k, column in enumerate(columns) if k not in texts)
    if empty:
        text = f"{path}: {empty} cells without a number; what they would say is not known of those points"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    return Table(np.stack(columns, axis=1) if columns else np.empty((0, 0)), texts, counts, rows, delimiter)


def _column(cells: tuple[str, ...]) -> np.ndarray | None:
    """Cells as numbers, NaN where there is none; None where most that are not empty are words."""
    try:
        return np.array(cells, np.float64)
    except ValueError:
        pass
    numbers = np.array([_number(cell) for cell in cells])
    words = sum(not _is_nothing(cell) for cell, number in zip(cells, numbers, strict=True) if np.isnan(number))
    there = sum(not _is_nothing(cell) for cell in cells)
    return None if 2 * words > there else numbers


def _number(cell: str) -> float:
    """NaN where a cell is none."""
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        number = odd_number(cell.encode(errors="replace"))
        return float("nan") if number is None else number


def _is_nothing(cell: str) -> bool:
    """Whether a cell says that there is no number."""
    return cell.lower() in _NOTHING or cell.lower().lstrip("+-").startswith(("nan", "1.#"))
