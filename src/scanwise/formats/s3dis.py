"""A room of S3DIS: Area_N/room_k/ with Annotations/CLASS_M.txt, lines of x y z r g b."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes
from scanwise.scene import Box, Scene

CLASSES = (
    *("ceiling", "floor", "wall", "beam", "column", "window", "door"),
    *("table", "chair", "sofa", "bookcase", "board", "clutter"),
)
_NOT_A_NUMBER = re.compile(rb"[^0-9eE+\-.\s]")


def recognises(path: Path) -> bool:
    """Whether the folder has Annotations/ with texts in it."""
    return (path / "Annotations").is_dir() and any((path / "Annotations").glob("*.txt"))


def read(path: Path) -> Scene:
    """The room: its annotation files one after the other, by name.

    The room's own .txt, which holds the same points in another order, is not read. Labels are the 13 classes
    ("stairs" and other names are clutter), instances count the files from 0, and each has its box.

    Characters that belong to no number, as in Area_5/hallway_6, part two numbers or are dropped, whichever
    gives six of them, with a warning.

    Raises:
        InputError: a file is unreadable, or a line has not six numbers.
    """
    files = sorted((path / "Annotations").glob("*.txt"), key=_order)
    tables = [_table(file) for file in files]
    names = [file.stem.rsplit("_", 1)[0] for file in files]
    sizes = [len(table) for table in tables]
    table = np.concatenate(tables)
    kinds = [CLASSES.index(name if name in CLASSES else "clutter") for name in names]
    return Scene(
        table[:, :3],
        np.clip(np.round(table[:, 3:]), 0, 255).astype(np.uint8),
        labels=np.repeat(kinds, sizes),
        instances=np.repeat(np.arange(len(files)), sizes),
        classes=list(CLASSES),
        boxes=[Box.around(part[:, :3], k, names[k]) for k, part in enumerate(tables) if len(part)],
        name="_".join(path.resolve().parts[-2:]) if path.resolve().parent.name.startswith("Area_") else path.name,
        source_points=table[:, :3],
    )


def _order(file: Path) -> tuple[str, int, str]:
    name, _, number = file.stem.rpartition("_")
    return name, int(number) if number.isdecimal() else -1, file.stem


def _table(path: Path) -> np.ndarray:
    """(N, 6) float64."""
    data = read_bytes(path)
    odd = _NOT_A_NUMBER.search(data)
    if odd:
        line = data.count(b"\n", 0, odd.start()) + 1
        text = f"{path}: line {line} has a character that belongs to no number; the line is mended"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    lines = [_mended(line) for line in data.split(b"\n")]
    rows = [words for words in lines if words]
    short = next((number for number, words in enumerate(lines, 1) if words and len(words) != 6), None)
    if short is not None:
        raise InputError(f"{path}: line {short} has {len(lines[short - 1])} numbers; x y z r g b are six")
    try:
        return np.array(rows, np.float64).reshape(-1, 6)
    except ValueError as error:
        raise InputError(f"{path}: a line is no row of numbers ({error})") from error


def _mended(line: bytes) -> list[bytes]:
    """The words of a line; a character that belongs to no number parts two of them, or stands within one."""
    words = line.split()
    if _NOT_A_NUMBER.search(line) is None:
        return words
    apart = _NOT_A_NUMBER.sub(b" ", line).split()
    return apart if len(apart) == 6 else _NOT_A_NUMBER.sub(b"", line).split()
