"""Numbers in lines: XYZ, TXT, CSV, ASC and PTS.

The delimiter is a semicolon, tab or comma where the first row has one, else blanks. Names come from a row that
is no numbers, or from the last `#` or `//` comment before the data that has as many words as the data columns.
Without names their number decides:
    3   x y z
    4   x y z intensity
    6   x y z red green blue, if the last three are whole numbers of 0 to 255; x y z nx ny nz, if they have
        unit length
    7   x y z intensity red green blue (PTS), or x y z red green blue intensity
    9   x y z red green blue nx ny nz
and what fits none of these is called column_4, column_5, ...  A single number before the rows of PTS counts them.

Written: delimiter, header and count as the file had them. A file without names gets them, as a comment, once a
column is added; CSV has them as its first row. Numbers are the shortest that read back as the same.
"""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes, replacing
from scanwise.formats.columns import Columns, columns_from_scene, original_columns, scene_from_columns
from scanwise.formats.numerals import as_texts
from scanwise.formats.ply import storable_columns
from scanwise.scene import Scene

_COMMENTS = ("#", "//")


@dataclass(frozen=True)
class TextStyle:
    """How a file writes its columns.

    Attributes:
        delimiter: one character between two numbers.
        header: what stands before the row of names: "" for a plain row, "#" or "//" for a comment, None
            without names.
        counted: whether the first line is the number of points.
    """

    delimiter: str
    header: str | None
    counted: bool


def read(path: Path) -> Scene:
    """A scene from rows of numbers.

    Raises:
        InputError: a row is not like the others; its line is named.
    """
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    if "\0" in text[:10_000]:
        raise InputError(f"{path}: is not text; rows of numbers were expected")
    lines = text.splitlines()
    start, comments = _first_content(lines, 0)
    if start == len(lines) and not {"x", "y", "z"} <= set(_names_of_comment(comments, 0)[0] or ()):
        raise InputError(f"{path}: holds no points")
    count: int | None = None
    if start < len(lines) and re.fullmatch(r"\s*[0-9]{1,18}\s*", lines[start]):
        count = int(lines[start])
        start, further = _first_content(lines, start + 1)
        comments += further
    delimiter = _delimiter(lines[start]) if start < len(lines) else " "
    names, header = None, None
    if start < len(lines) and not all(map(_is_number, _cells(lines[start], delimiter))):
        names, header = _cells(lines[start], delimiter), ""
        start += 1
    rows = _rows(lines, start, delimiter)
    try:
        table = _parsed(rows, delimiter) if rows else np.empty((0, 0))
    except ValueError as error:
        raise InputError(_complaint(lines, start, delimiter, path)) from error
    if count is not None and count != len(table):
        raise InputError(f"{path}: its first line promises {count} points, {len(table)} rows follow")
    if names is None:
        names, header = _names_of_comment(comments, table.shape[1])
    if names is not None and table.size and len(names) != table.shape[1]:
        raise InputError(f"{path}: the header names {len(names)} columns, the rows have {table.shape[1]}")
    names = _apart(names or (names_by_count(table) if len(table) else ["x", "y", "z"]))
    columns = _typed(names, table.reshape(-1, len(names)), rows, delimiter)
    style = TextStyle(delimiter, header, count is not None)
    form = path.suffix.lower().lstrip(".")
    return scene_from_columns(columns, name=path.stem, source_format=form, raw=style, where=str(path))


def write(scene: Scene, path: Path) -> None:
    """Writes one row a point.

    Raises:
        OutputError: the place cannot be written.
    """
    original = original_columns(scene)
    columns = storable_columns(columns_from_scene(scene), "text", long_integers=True)
    extras = scene.raw.extras if isinstance(scene.raw, Columns) and original else None
    csv = path.suffix.lower() == ".csv"
    if isinstance(extras, TextStyle):
        style = extras
    else:
        style = TextStyle("," if csv else " ", "" if csv else "#", path.suffix.lower() == ".pts")
    header = style.header
    if header is None and list(columns) != list(original):
        header = "" if csv else "#"
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        if style.counted:
            file.write(f"{len(scene)}\n")
        if header is not None:
            names = style.delimiter.join(re.sub("[,;]", "_", name) for name in columns)
            file.write(f"{header} {names}\n".lstrip())
        for first in range(0, len(scene), 100_000):
            texts = [as_texts(column[first : first + 100_000]) for column in columns.values()]
            file.writelines(f"{style.delimiter.join(row)}\n" for row in zip(*texts, strict=True))


def _first_content(lines: list[str], start: int) -> tuple[int, list[str]]:
    """The first line from `start` on that is neither blank nor a comment, and the comments before it."""
    comments = []
    for index in range(start, len(lines)):
        line = lines[index].strip()
        if line.startswith(_COMMENTS):
            comments.append(line)
        elif line:
            return index, comments
    return len(lines), comments


def _delimiter(line: str) -> str:
    return next((mark for mark in (";", "\t", ",") if mark in line.strip()), " ")


def _cells(line: str, delimiter: str) -> list[str]:
    cells = line.split() if delimiter == " " else line.strip().split(delimiter)
    return [cell.strip().strip("\"'") for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _rows(lines: list[str], start: int, delimiter: str) -> list[str]:
    """The rows of numbers from line `start` on, with decimal points."""
    rows = [line for line in lines[start:] if (head := line.lstrip()) and not head.startswith(_COMMENTS)]
    if rows and delimiter == ";" and "," in rows[0]:
        rows = [row.replace(",", ".") for row in rows]
    return rows


def _parsed(rows: list[str], delimiter: str, dtype: Any = np.float64, columns: list[int] | None = None) -> np.ndarray:
    """(N, C). Raises ValueError where a row is not like the others or `dtype` does not hold a number."""
    mark = None if delimiter == " " else delimiter
    return np.loadtxt(rows, dtype, comments=None, delimiter=mark, usecols=columns, ndmin=2)


def _complaint(lines: list[str], start: int, delimiter: str, path: Path) -> str:
    """The first row that has other columns than the first one, or something that is no number."""
    width = 0
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip() or line.lstrip().startswith(_COMMENTS):
            continue
        cells = _cells(line, delimiter)
        width = width or len(cells)
        if len(cells) != width:
            return f"{path}: line {number} has {len(cells)} columns, the rows before it have {width}"
        wrong = next((cell for cell in cells if not _is_number(cell)), None)
        if wrong is not None:
            return f"{path}: line {number}: {wrong[:40]!r} is not a number"
    return f"{path}: some row is not numbers alone"


def _names_of_comment(comments: list[str], columns: int) -> tuple[list[str] | None, str | None]:
    for comment in reversed(comments):
        mark = "#" if comment.startswith("#") else "//"
        body = comment.lstrip("#/").strip()
        cells = _cells(body, _delimiter(body))
        if body and len(cells) == (columns or len(cells)) and not any(map(_is_number, cells)):
            return cells, mark
    return None, None


def names_by_count(table: np.ndarray) -> list[str]:
    """Names of the columns of a table (N, C) that has none, by their number and their values."""
    width = table.shape[1]
    rgb, normal = ["red", "green", "blue"], ["nx", "ny", "nz"]
    names = ["x", "y", "z"]
    if width == 4:
        names += ["intensity"]
    elif width in (6, 9) and _are_colors(table[:, 3:6]):
        names += rgb + (normal if width == 9 else [])
    elif width == 6 and _are_unit(table[:, 3:6]):
        names += normal
    elif width == 7 and _are_colors(table[:, 4:7]):
        names += ["intensity", *rgb]
    elif width == 7 and _are_colors(table[:, 3:6]):
        names += [*rgb, "intensity"]
    return [*names[:width], *(f"column_{number}" for number in range(len(names) + 1, width + 1))]


def _are_colors(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 255) & (values == np.floor(values))).all())


def _are_unit(values: np.ndarray) -> bool:
    length = np.linalg.norm(values[np.isfinite(values).all(1)], axis=1)
    return bool((np.abs(length[length > 0] - 1) < 0.02).all())


def _apart(names: list[str]) -> list[str]:
    taken: list[str] = []
    for name in names:
        again = 2
        unique = name or "column"
        while unique in taken:
            unique = f"{name or 'column'}_{again}"
            again += 1
        taken.append(unique)
    return taken


def _typed(names: list[str], table: np.ndarray, rows: list[str], delimiter: str) -> dict[str, np.ndarray]:
    """float64 columns; those of whole numbers become integers, to be written without a point."""
    columns: dict[str, np.ndarray] = {}
    for index, (name, column) in enumerate(zip(names, table.T, strict=True)):
        if not (len(column) and np.isfinite(column).all() and np.array_equal(column, np.floor(column))):
            columns[name] = np.ascontiguousarray(column)
        elif np.abs(column).max() < 2**53:
            columns[name] = column.astype(np.int64)
        else:
            columns[name] = _large(column, rows, delimiter, index)
    return columns


def _large(column: np.ndarray, rows: list[str], delimiter: str, index: int) -> np.ndarray:
    """A column of whole numbers that float64 rounds, read again as integers of 64 bits.

    It stays as it is where those do not hold it, or where it is written as 1e20.
    """
    for dtype in (np.int64, np.uint64):
        with suppress(ValueError, OverflowError), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy's for "1e20" and "1.0" among integers
            return _parsed(rows, delimiter, dtype, [index])[:, 0]
    return np.ascontiguousarray(column)
