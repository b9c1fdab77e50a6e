"""PLY files as they are: elements with scalar and list properties, in ascii and both binary orders."""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes
from scanwise.formats.numerals import content_lines, parse_numbers, to_type
from scanwise.memory import check_fits

ByteOrder = Literal["=", "<", ">"]
ENCODINGS: dict[str, ByteOrder] = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
TYPE_NAMES = {"i1": "char", "u1": "uchar", "i2": "short", "u2": "ushort", "i4": "int", "u4": "uint"}
TYPE_NAMES |= {"f4": "float", "f8": "double"}
_TYPES = {name: np.dtype(code) for code, name in TYPE_NAMES.items()}
_TYPES |= {np.dtype(code).name: np.dtype(code) for code in TYPE_NAMES}
_END = re.compile(rb"(?:\r\n|\n|\r)[ \t]*end_header[ \t]*(\r\n|\n|\r|$)")


@dataclass(eq=False)
class ListColumn:
    """A list property: row i holds the next `counts[i]` of `values`.

    Attributes:
        counts: (N,) in the file's type.
        values: (sum of counts,).
    """

    counts: np.ndarray
    values: np.ndarray


@dataclass(eq=False)
class Element:
    """Rows of named properties.

    Attributes:
        count: how many rows.
        columns: the properties, in the file's order.
    """

    count: int
    columns: dict[str, np.ndarray | ListColumn]


@dataclass(eq=False)
class Ply:
    """What a PLY file holds.

    Attributes:
        elements: by name.
        comments: without the word.
        obj_info: without the word.
    """

    elements: dict[str, Element]
    comments: list[str] = field(default_factory=list)
    obj_info: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Property:
    name: str
    dtype: np.dtype
    count_dtype: np.dtype | None = None


@dataclass
class _Header:
    encoding: str
    elements: list[tuple[str, int, list[_Property]]]
    comments: list[str]
    obj_info: list[str]


def read_elements(path: str | os.PathLike[str]) -> Ply:
    """Everything in a PLY file.

    Raises:
        InputError: it is none, or does not hold what it promises.
    """
    path = Path(path)
    data = read_bytes(path)
    if not data.startswith(b"ply"):
        raise InputError(f"{path}: not a PLY file (it does not start with 'ply')")
    end = _END.search(data)
    if end is None:
        raise InputError(f"{path}: the PLY header has no end_header line; the file is cut off or no PLY")
    header = _parse_header(data[: end.start()].decode("utf-8", "surrogateescape"), path)
    check_fits(len(data) * (8 if header.encoding == "ascii" else 3), path)
    body = memoryview(data)[end.end() :]
    elements = _read_ascii(header, body, path) if header.encoding == "ascii" else _read_binary(header, body, path)
    return Ply(elements, header.comments, header.obj_info)


def _parse_header(text: str, path: Path) -> _Header:
    header = _Header("", [], [], [])
    for line in re.split(r"\r\n|\n|\r", text)[1:]:
        match line.split():
            case []:
                pass
            case ["comment", *_]:
                header.comments.append(line.strip()[len("comment ") :])
            case ["obj_info", *_]:
                header.obj_info.append(line.strip()[len("obj_info ") :])
            case ["format", encoding, *_] if encoding in ENCODINGS:
                header.encoding = encoding
            case ["element", name, count]:
                _add_element(header, name, count, path)
            case ["property", *words] if header.elements:
                _add_property(header.elements[-1], words, path)
            case _:
                raise InputError(f"{path}: PLY header line not understood: {line.strip()[:80]!r}")
    if not header.encoding:
        raise InputError(f"{path}: the PLY header has no format line")
    return header


def _add_element(header: _Header, name: str, count: str, path: Path) -> None:
    if not (count.isascii() and count.isdigit() and len(count) < 19):
        raise InputError(f"{path}: the PLY header promises {count[:40]!r} rows of {name}; it must be a number")
    if any(name == other for other, _, _ in header.elements):
        raise InputError(f"{path}: the PLY header declares element {name} twice")
    header.elements.append((name, int(count), []))


def _add_property(element: tuple[str, int, list[_Property]], words: list[str], path: Path) -> None:
    where = f"{path}: PLY property {' '.join(words)[:80]!r} of {element[0]}"
    match words:
        case ["list", counts, dtype, name]:
            types = [counts, dtype]
        case [dtype, name]:
            types = [dtype]
        case _:
            raise InputError(f"{where} not understood")
    if unknown := [word for word in types if word not in _TYPES]:
        raise InputError(f"{where} has unknown type {unknown[0]!r}; known are {', '.join(_TYPES)}")
    if len(types) == 2 and _TYPES[types[0]].kind == "f":
        raise InputError(f"{where} counts its list with {types[0]}; it must be an integer type")
    if any(name == other.name for other in element[2]):
        raise InputError(f"{where} is declared twice")
    element[2].append(_Property(name, _TYPES[types[-1]], _TYPES[types[0]] if len(types) == 2 else None))


class _Bytes:
    """Binary rows, in units of bytes."""

    def __init__(self, body: memoryview, order: ByteOrder):
        self.units = np.frombuffer(body, np.uint8)
        self.order = order

    def width(self, dtype: np.dtype) -> int:
        return dtype.itemsize

    def decode(self, block: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
        """Units (..., width) -> values (...)."""
        stored = np.ascontiguousarray(block).view(dtype.newbyteorder(self.order))[..., 0]
        return stored.astype(dtype, copy=False)


class _Numbers:
    """Ascii rows, in units of numbers."""

    def __init__(self, units: np.ndarray):
        self.units = units

    def width(self, dtype: np.dtype) -> int:
        return 1

    def decode(self, block: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
        return to_type(block[..., 0], dtype, where)


_Source = _Bytes | _Numbers


def _read_binary(header: _Header, body: memoryview, path: Path) -> dict[str, Element]:
    source = _Bytes(body, ENCODINGS[header.encoding])
    elements, at = {}, 0
    for name, count, properties in header.elements:
        elements[name], at = _read_element(source, at, name, count, properties, path)
    if at < len(body):
        _warn_surplus(f"{path}: {len(body) - at} bytes follow the rows that the PLY header promises")
    return elements


def _read_ascii(header: _Header, body: memoryview, path: Path) -> dict[str, Element]:
    lines = content_lines(bytes(body), b"comment ", b"obj_info ")
    elements, row = {}, 0
    for name, count, properties in header.elements:
        if not properties:
            elements[name] = Element(count, {})
            continue
        mine = lines[row : row + count]
        if len(mine) < count:
            raise InputError(_too_few(path, name, count, len(mine)))
        source = _Numbers(parse_numbers(mine, f"{path}: PLY element {name}"))
        used = count * len(properties)
        if used <= len(source.units):
            elements[name], used = _read_element(source, 0, name, count, properties, path)
        if used != len(source.units):
            raise InputError(
                f"{path}: {count} rows of PLY element {name} hold {len(source.units)} numbers; "
                f"the header promises {used}"
            )
        row += count
    if row < len(lines):
        _warn_surplus(f"{path}: {len(lines) - row} lines follow the rows that the PLY header promises")
    return elements


def _warn_surplus(text: str) -> None:
    warnings.warn(f"{text}; they are left out", ScanwiseWarning, stacklevel=5)


def _too_few(path: Path, name: str, promised: int, found: int) -> str:
    return f"{path}: the PLY header promises {promised} rows of {name}, the file ends within row {found + 1}"


def _read_element(
    source: _Source, at: int, name: str, count: int, properties: list[_Property], path: Path
) -> tuple[Element, int]:
    """The element whose rows start at unit `at`, and the unit after them."""
    where = f"{path}: PLY element {name}"
    heads = [source.width(p.count_dtype or p.dtype) for p in properties]
    left = len(source.units) - at
    if sum(heads) * count > left:
        raise InputError(_too_few(path, name, count, left // sum(heads)))
    if count == 0 or not properties:
        return Element(count, {p.name: _empty(p) for p in properties}), at
    starts, at = _equal_rows(source, at, count, properties, where) or _ragged_rows(source, at, count, properties, where)
    columns: dict[str, np.ndarray | ListColumn] = {}
    for prop, head, rows in zip(properties, heads, starts, strict=True):
        place = f"{where}, {prop.name}"
        block = _block(source.units, rows, head)
        if prop.count_dtype is None:
            columns[prop.name] = source.decode(block, prop.dtype, place)
            continue
        counts = source.decode(block, prop.count_dtype, place)
        width = source.width(prop.dtype)
        items = _block(source.units, _item_starts(rows + head, counts, width), width)
        columns[prop.name] = ListColumn(counts, source.decode(items, prop.dtype, place))
    return Element(count, columns), at


def _empty(prop: _Property) -> np.ndarray | ListColumn:
    values = np.empty(0, prop.dtype)
    return values if prop.count_dtype is None else ListColumn(np.empty(0, prop.count_dtype), values)


def _block(units: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """(n, width) units from each start; a view when the starts are evenly spaced and do not need a gather."""
    if len(starts) > 1 and (step := int(starts[1] - starts[0])) >= width and (np.diff(starts) == step).all():
        table = np.lib.stride_tricks.as_strided(
            units[starts[0] :], (len(starts), width), (step * units.itemsize, units.itemsize), writeable=False
        )
        return table
    return units[starts[:, None] + np.arange(width)]


def _item_starts(starts: np.ndarray, counts: np.ndarray, width: int) -> np.ndarray:
    """Unit at which every item of every list starts."""
    counts = counts.astype(np.int64)
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before * width, counts) + np.arange(counts.sum()) * width


def _count_at(source: _Source, at: int, dtype: np.dtype, where: str) -> int:
    width = source.width(dtype)
    if at + width > len(source.units):
        raise InputError(f"{where}: the file ends within a list")
    count = int(source.decode(source.units[None, at : at + width], dtype, where)[0])
    if count < 0:
        raise InputError(f"{where}: a list has {count} items")
    return count


def _equal_rows(
    source: _Source, at: int, count: int, properties: list[_Property], where: str
) -> tuple[list[np.ndarray], int] | None:
    """Where each property starts in every row, and the end, if all rows have the first one's lengths."""
    offsets, end = [], at
    for prop in properties:
        offsets.append(end)
        if prop.count_dtype is None:
            end += source.width(prop.dtype)
            continue
        length = _count_at(source, end, prop.count_dtype, where)
        end += source.width(prop.count_dtype) + length * source.width(prop.dtype)
    stride = end - at
    if at + stride * count > len(source.units):
        return None
    starts = [offset + np.arange(count) * stride for offset in offsets]
    for prop, rows in zip(properties, starts, strict=True):
        if prop.count_dtype is not None:
            counts = _block(source.units, rows, source.width(prop.count_dtype))
            if (counts != counts[0]).any():
                return None
    return starts, at + stride * count


def _ragged_rows(
    source: _Source, at: int, count: int, properties: list[_Property], where: str
) -> tuple[list[np.ndarray], int]:
    """The same where rows differ in length: one step after the other."""
    steps = [(p.count_dtype, source.width(p.count_dtype or p.dtype), source.width(p.dtype)) for p in properties]
    read_count = _count_readers(source, [p.count_dtype for p in properties], where)
    starts: list[list[int]] = [[] for _ in properties]
    for _ in range(count):
        for k, (count_dtype, head, width) in enumerate(steps):
            starts[k].append(at)
            at += head if count_dtype is None else head + width * read_count[k](at)
        if at > len(source.units):
            raise InputError(f"{where}: the header promises {count} rows, the file ends within row {len(starts[0])}")
    return [np.array(column, np.int64) for column in starts], at


def _count_readers(source: _Source, dtypes: list[np.dtype | None], where: str) -> list[Callable[[int], int]]:
    """For each property, what reads the length of its list at a unit; quick, as every row calls it."""
    if isinstance(source, _Numbers):
        numbers = source.units.tolist()
        return [lambda at: _checked(numbers[at] if at < len(numbers) else None, where)] * len(dtypes)
    readers: list[Callable[[int], int]] = []
    for dtype in dtypes:
        layout = struct.Struct(source.order + (dtype.char if dtype else "x"))
        readers.append(partial(_unpack_count, layout, source.units.data, where))
    return readers


def _unpack_count(layout: struct.Struct, data: memoryview, where: str, at: int) -> int:
    return _checked(layout.unpack_from(data, at)[0] if at + layout.size <= len(data) else None, where)


def _checked(count: float | None, where: str) -> int:
    if count is None:
        raise InputError(f"{where}: the file ends within a list")
    if count < 0 or not float(count).is_integer():
        raise InputError(f"{where}: a list has {count:g} items")
    return int(count)
