"""PLY files written, in ascii and both binary orders."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from scanwise.errors import OutputError
from scanwise.files import replacing
from scanwise.formats.numerals import as_texts
from scanwise.formats.ply_elements import ENCODINGS, TYPE_NAMES, ByteOrder, Element, ListColumn, Ply


def write_elements(ply: Ply, path: str | os.PathLike[str], *, encoding: str = "binary_little_endian") -> None:
    """Writes a PLY file.

    Args:
        ply: its content.
        path: of the file.
        encoding: "ascii", "binary_little_endian" or "binary_big_endian".

    Raises:
        OutputError: the place cannot be written, the encoding is unknown, or a column's type has no name in PLY.
    """
    if encoding not in ENCODINGS:
        raise OutputError(f"{path}: no PLY encoding is called {encoding!r}; known are {', '.join(ENCODINGS)}")
    header = _format_header(ply, encoding, Path(path))
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(header.encode("utf-8", "surrogateescape"))
        for element in ply.elements.values():
            if encoding == "ascii":
                _write_ascii(element, file)
            else:
                _write_binary(element, file, ENCODINGS[encoding])


def _format_header(ply: Ply, encoding: str, path: Path) -> str:
    lines = ["ply", f"format {encoding} 1.0"]
    lines += [f"comment {text}" for text in ply.comments]
    lines += [f"obj_info {text}" for text in ply.obj_info]
    for name, element in ply.elements.items():
        lines.append(f"element {name} {element.count}")
        for key, column in element.columns.items():
            if isinstance(column, ListColumn):
                types = f"list {_type_name(column.counts, key, path)} {_type_name(column.values, key, path)}"
            else:
                types = _type_name(column, key, path)
            lines.append(f"property {types} {key}")
    return "\n".join([*lines, "end_header", ""])


def _type_name(column: np.ndarray, key: str, path: Path) -> str:
    name = TYPE_NAMES.get(column.dtype.str[1:])
    if name is None or column.ndim != 1:
        raise OutputError(f"{path}: PLY cannot hold column {key} of {column.dtype.name} {column.shape}")
    return name


def _write_binary(element: Element, file: BinaryIO, order: ByteOrder) -> None:
    if element.count == 0:
        return
    if all(isinstance(column, np.ndarray) or _constant(column) for column in element.columns.values()):
        fields: list[tuple[str, np.ndarray]] = []
        for k, column in enumerate(element.columns.values()):
            if isinstance(column, ListColumn):
                fields += [(f"n{k}", column.counts), (f"v{k}", column.values.reshape(element.count, -1))]
            else:
                fields.append((f"v{k}", column))
        table = np.empty(
            element.count,
            [(name, value.dtype.newbyteorder(order), value.shape[1:]) for name, value in fields],
        )
        for name, value in fields:
            table[name] = value
        file.write(table.tobytes())
        return
    file.write(b"".join(itertools.chain.from_iterable(zip(*_cells(element, order), strict=True))))


def _constant(column: ListColumn) -> bool:
    return bool((column.counts == column.counts[0]).all())


def _cells(element: Element, order: ByteOrder) -> Iterator[list[bytes]]:
    """For each property, what its rows are in bytes."""
    for column in element.columns.values():
        if isinstance(column, ListColumn):
            size = column.values.dtype.itemsize
            ends = (np.cumsum(column.counts, dtype=np.int64) * size).tolist()
            data = column.values.astype(column.values.dtype.newbyteorder(order)).tobytes()
            yield _rows_of_bytes(column.counts, order)
            yield [data[start:end] for start, end in itertools.pairwise([0, *ends])]
        else:
            yield _rows_of_bytes(column, order)


def _rows_of_bytes(column: np.ndarray, order: ByteOrder) -> list[bytes]:
    data, size = column.astype(column.dtype.newbyteorder(order)).tobytes(), column.dtype.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


def _write_ascii(element: Element, file: BinaryIO) -> None:
    cells = []
    for column in element.columns.values():
        if isinstance(column, ListColumn):
            texts = as_texts(column.values)
            ends = np.cumsum(column.counts, dtype=np.int64).tolist()
            rows = [" ".join(texts[start:end]) for start, end in itertools.pairwise([0, *ends])]
            cells.append([f"{n} {row}".rstrip() for n, row in zip(column.counts.tolist(), rows, strict=True)])
        else:
            cells.append(as_texts(column))
    file.write("".join(" ".join(row) + "\n" for row in zip(*cells, strict=True)).encode())
