"""Numbers in lines: XYZ, TXT, CSV, ASC, PTS, XYZRGB and XYZN.

How rows are cut into cells: `rows`. Names come from a row that is no numbers, or from the last `#` or `//` comment
before the data that has as many words as the data columns; without names, the values tell (see `naming`). A column of
words is a label. A single number before the rows of PTS counts them; several scans, each below its count, are one.

Written: delimiter, header and count as the file had them. A file without names gets them, as a comment, once a
column is added; CSV has them as its first row. Names of classes are a comment (see `class_comments`). Numbers are the
shortest that read back as the same.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import replacing
from scanwise.formats import rows
from scanwise.formats.class_comments import comments_of, note_lost_names, split_comments, with_classes
from scanwise.formats.columns import Columns, columns_from_scene, original_columns, scene_from_columns
from scanwise.formats.naming import column_names, given_names
from scanwise.formats.numerals import as_texts
from scanwise.formats.ply import storable_columns
from scanwise.scene import Scene


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


def read(path: Path, columns: Sequence[str] | None = None) -> Scene:
    """A scene from rows of numbers.

    Args:
        path: of the file.
        columns: what each column is ("x", "y", "z", "r", "g", "b", "label", "-" for none, ...); None = as the file
            says, or by the values.

    Raises:
        InputError: a row is not like the others; its line is named.
    """
    lines = rows.read_lines(path)
    start, comments = rows.content(lines, 0)
    if start == len(lines) and not {"x", "y", "z"} <= set(_names_of_comment(comments, 0)[0] or ()):
        raise InputError(f"{path}: holds no points")
    count: int | None = None
    if start < len(lines) and rows.is_count(lines[start]):
        count = int(lines[start])
        start, further = rows.content(lines, start + 1)
        comments += further
    classes, comments = split_comments(comments)
    names, header = None, None
    if start < len(lines):
        cells = rows.split(lines[start], rows.find_delimiter(lines[start]))
        if rows.is_header(cells):
            names, header, start = cells, "", start + 1
    table = rows.parse(lines, start, path)
    if count is not None:
        _check_counts([count, *table.counts], len(table.numbers), path)
    if names is None:
        names, header = _names_of_comment(comments, table.numbers.shape[1])
    names = _names(names, columns, table, path)
    style = TextStyle(table.delimiter, header, count is not None)
    form = path.suffix.lower().lstrip(".")
    scene = scene_from_columns(_typed(names, table), name=path.stem, source_format=form, raw=style, where=str(path))
    return with_classes(scene, classes, path)


def write(scene: Scene, path: Path) -> None:
    """Writes one row a point.

    Raises:
        OutputError: the place cannot be written.
    """
    original = original_columns(scene)
    columns = storable_columns(columns_from_scene(scene, texts=True), "text", long_integers=True, words=True)
    extras = scene.raw.extras if isinstance(scene.raw, Columns) and original else None
    csv = path.suffix.lower() == ".csv"
    if isinstance(extras, TextStyle):
        style = extras
    else:
        style = TextStyle("," if csv else " ", "" if csv else "#", path.suffix.lower() == ".pts")
    header = style.header
    if header is None and list(columns) != list(original):
        header = "" if csv else "#"
    in_words = any(column.dtype.kind == "U" for name, column in columns.items() if name in original)
    comments = [] if in_words else comments_of(scene)
    if comments and header == "":  # a row of names comes first for who reads it
        note_lost_names(scene, path)
        comments = []
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        if style.counted:
            file.write(f"{len(scene)}\n")
        file.writelines(f"{header or '#'} {comment}\n" for comment in comments)
        if header is not None:
            names = style.delimiter.join(re.sub("[,;]", "_", name) for name in columns)
            file.write(f"{header} {names}\n".lstrip())
        for first in range(0, len(scene), 100_000):
            texts = [_texts(column[first : first + 100_000], style.delimiter) for column in columns.values()]
            file.writelines(f"{style.delimiter.join(row)}\n" for row in zip(*texts, strict=True))


def _texts(column: np.ndarray, delimiter: str) -> list[str]:
    """The cells (N,) of a column; words as they can be told apart again."""
    if column.dtype.kind != "U":
        return as_texts(column)
    words = [" ".join(word.split()) for word in column.tolist()]
    if delimiter == " ":
        return [word.replace(" ", "_") or "-" for word in words]
    quoted = {word: '"' + word.replace('"', '""') + '"' for word in set(words) if delimiter in word or '"' in word}
    return [quoted.get(word, word) for word in words]


def _check_counts(counts: list[int], points: int, path: Path) -> None:
    """Notes what the counts before the rows say, where it is more or other than their number."""
    if sum(counts) and not points:
        raise InputError(f"{path}: {sum(counts)} points are promised, no row follows")
    said = ""
    if len(counts) > 1:
        said = f"{len(counts)} scans one after the other are read as one"
    if sum(counts) != points:
        said += f"{' and ' if said else ''}{sum(counts)} points are promised, {points} rows follow; all are read"
    if said:
        warnings.warn(f"{path}: {said}", ScanwiseWarning, stacklevel=3)


def _names_of_comment(comments: list[str], columns: int) -> tuple[list[str] | None, str | None]:
    for comment in reversed(comments):
        mark = "#" if comment.startswith("#") else "//"
        body = comment.lstrip("#/").strip()
        cells = rows.split(body, rows.find_delimiter(body))
        if body and len(cells) == (columns or len(cells)) and not any(map(rows.is_number, cells)):
            return cells, mark
    return None, None


def _names(names: list[str] | None, columns: Sequence[str] | None, table: rows.Table, path: Path) -> list[str]:
    """The names of a table's columns: the user's, the file's, or what the values tell."""
    width = table.numbers.shape[1]
    if not len(table.numbers):
        return _apart(names or ["x", "y", "z"])
    if columns is not None:
        return given_names(columns, width, path)
    if names is None:
        return column_names(table.numbers, None, path, path.suffix.lower().lstrip("."), table.texts)
    while len(names) > width and not names[-1]:
        names = names[:-1]
    if len(names) == width - 1 and len(table.numbers) > 1 and (np.diff(table.numbers[:, 0]) == 1).all():
        names = ["id", *names]  # as R writes tables
    if len(names) != width:
        raise InputError(f"{path}: the header names {len(names)} columns, the rows have {width}")
    return _apart(names)


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


def _typed(names: list[str], table: rows.Table) -> dict[str, np.ndarray]:
    """Texts, and float64 columns; those of whole numbers become integers, to be written without a point."""
    columns: dict[str, np.ndarray] = {}
    for index, (name, column) in enumerate(zip(names, table.numbers.reshape(-1, len(names)).T, strict=True)):
        if index in table.texts:
            columns[name] = table.texts[index]
        elif not (len(column) and np.isfinite(column).all() and np.array_equal(column, np.floor(column))):
            columns[name] = np.ascontiguousarray(column)
        elif np.abs(column).max() < 2**53:
            columns[name] = column.astype(np.int64)
        else:
            columns[name] = _large(column, table, index)
    return columns


def _large(column: np.ndarray, table: rows.Table, index: int) -> np.ndarray:
    """A column of whole numbers that float64 rounds, read again as integers of 64 bits.

    It stays as it is where those do not hold it, or where it is written as 1e20.
    """
    for dtype in (np.int64, np.uint64):
        with suppress(ValueError, OverflowError), warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # NumPy's for "1e20" and "1.0" among integers
            return table.whole(index, dtype)
    return np.ascontiguousarray(column)
