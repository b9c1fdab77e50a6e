"""PTX: scans of a terrestrial laser scanner one after the other, each with its grid and its pose.

A scan is ten lines (columns, rows, the scanner's place and axes, and a 4x4 matrix whose last row is the translation),
then a line a beam: x y z intensity, or x y z intensity red green blue, in the scanner's own frame.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.columns import scene_from_columns
from scanwise.formats.rows import read_lines
from scanwise.scene import Scene

_HEADER = 10
_NAMES = ("x", "y", "z", "intensity", "red", "green", "blue")


def read(path: Path) -> Scene:
    """All scans in the frame that their poses lead to; with more than one, the attribute `scan` counts them from 0.

    Beams without a return (0 0 0) are left out, with a note.

    Raises:
        InputError: a header or a line is damaged; it is named.
    """
    lines = read_lines(path)
    starts = _starts(lines)
    if not starts:
        raise InputError(f"{path}: does not begin with a PTX header, the numbers of columns and of rows in two lines")
    ends = [*starts[1:], len(lines)]
    scans = [_scan(lines, start, end, path) for start, end in zip(starts, ends, strict=True)]
    if len({scan.shape[1] for scan in scans}) > 1:
        scans = [scan[:, :4] for scan in scans]
    table = np.concatenate(scans)
    columns = dict(zip(_NAMES, map(np.ascontiguousarray, table.T), strict=False))
    if len(scans) > 1:
        columns["scan"] = np.repeat(np.arange(len(scans), dtype=np.int32), [len(scan) for scan in scans])
    _note(lines, starts, ends, len(table), path)
    return scene_from_columns(columns, name=path.stem, source_format="ptx", where=str(path))


def _starts(lines: list[str]) -> list[int]:
    """Where headers begin: two lines of one whole number each."""
    single = [index for index, line in enumerate(lines) if line.strip().isdigit()]
    return [first for first, second in pairwise(single) if second == first + 1]


def _scan(lines: list[str], start: int, end: int, path: Path) -> np.ndarray:
    """Returns of one scan (N, 4) or (N, 7) in the common frame."""
    matrix = _numbers(lines, start + 6, start + _HEADER, path)
    table = _numbers(lines, start + _HEADER, end, path)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError(f"{path}: line {start + 7}: a pose of four lines of four numbers was expected")
    if table.size == 0:
        return np.empty((0, 7))
    if table.shape[1] not in (4, 7):
        raise InputError(f"{path}: line {start + _HEADER + 1}: has {table.shape[1]} numbers; 4 or 7 were expected")
    table = table[(table[:, :3] != 0).any(1)]
    if not matrix[3, :3].any() and matrix[:3, 3].any():  # written the other way round
        matrix = matrix.T
    table[:, :3] = table[:, :3] @ matrix[:3, :3] + matrix[3, :3]
    return table


def _numbers(lines: list[str], start: int, end: int, path: Path) -> np.ndarray:
    rows = [line for line in lines[start:end] if line and not line.isspace()]
    if not rows:
        return np.empty((0, 0))
    try:
        return np.loadtxt(rows, comments=None, ndmin=2)
    except ValueError:
        width = len(rows[0].split())
        for number in range(start, min(end, len(lines))):
            words = lines[number].split()
            if words and (len(words) != width or not all(map(_is_number, words))):
                text = f"{path}: line {number + 1} is not {width} numbers: {lines[number].strip()[:40]!r}"
                raise InputError(text) from None
        raise


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _note(lines: list[str], starts: list[int], ends: list[int], points: int, path: Path) -> None:
    """Notes what was done with the scans, and what the headers promise beyond what follows."""
    promised = sum(int(lines[start]) * int(lines[start + 1]) for start in starts)
    there = sum(sum(1 for line in lines[s + _HEADER : e] if line.strip()) for s, e in zip(starts, ends, strict=True))
    said = []
    if len(starts) > 1:
        said.append(f"{len(starts)} scans are put together by their poses")
    if promised != there:
        said.append(f"{promised:,} beams are promised, {there:,} follow")
    if there != points:
        said.append(f"{there - points:,} beams without a return are left out")
    if said:
        warnings.warn(f"{path}: {'; '.join(said)}", ScanwiseWarning, stacklevel=3)
