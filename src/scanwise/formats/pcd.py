"""PCD (PCL's point clouds) into and out of a `Scene`: ascii, binary and binary_compressed."""

from __future__ import annotations

import math
import os
import re
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.files import read_bytes, replacing
from scanwise.formats import lzf
from scanwise.formats.class_comments import comments_of, split_comments, with_classes
from scanwise.formats.columns import (
    Columns,
    columns_from_scene,
    original_columns,
    pack_colors,
    scene_from_columns,
)
from scanwise.formats.numerals import as_texts, content_lines, parse_numbers, to_type
from scanwise.formats.ply import header_name
from scanwise.memory import check_fits
from scanwise.scene import Scene

ENCODINGS = ("ascii", "binary", "binary_compressed")
_DTYPES = {f"{letter}{size}": np.dtype(f"<{kind}{size}") for letter, kind in ("Ii", "Uu") for size in (1, 2, 4, 8)}
_DTYPES |= {"F4": np.dtype("<f4"), "F8": np.dtype("<f8")}
_DATA = re.compile(rb"(?:^|[\r\n])[ \t]*DATA[ \t]+(\w+)[ \t]*(\r\n|\n|\r|$)")
_PADDING = "_"
_MOST_ITEMS = 1_000_000


@dataclass(frozen=True)
class PcdExtras:
    """What a PCD header says beside its columns.

    Attributes:
        width: of the grid of an organised cloud; else the number of points.
        height: of the grid; else 1.
        viewpoint: the sensor's pose, as it stands there.
    """

    width: int
    height: int
    viewpoint: str


@dataclass(frozen=True)
class _Field:
    name: str
    dtype: np.dtype
    count: int

    @property
    def size(self) -> int:
        return self.dtype.itemsize * self.count


def read(path: str | os.PathLike[str]) -> Scene:
    """A PCD file (version .5 to .7) as a scene of N >= 0 points.

    Fields become what `formats.columns` recognises, PCL's packed rgb among it; a field of COUNT > 1 is an
    (N, COUNT) attribute; padding ("_") is skipped. Points stay in the file's frame: VIEWPOINT is kept, not
    applied.

    Raises:
        InputError: the file does not hold what its header promises.
    """
    path = Path(path)
    data = read_bytes(path)
    start = _DATA.search(data)
    if start is None:
        raise InputError(f"{path}: the PCD header has no DATA line; the file is cut off or no PCD")
    lines = _header_lines(data[: start.start()], path)
    fields = _fields(lines, path)
    count, extras = _size(lines, path)
    body, encoding = memoryview(data)[start.end() :], start[1].decode("ascii", "replace").lower()
    if encoding == "ascii":
        columns = _read_ascii(bytes(body), fields, count, path)
    elif encoding == "binary":
        columns = _read_binary(body, fields, count, path)
    elif encoding == "binary_compressed":
        columns = _read_compressed(body, fields, count, path)
    else:
        raise InputError(f"{path}: unknown PCD encoding {encoding!r}; known are {', '.join(ENCODINGS)}")
    scene = scene_from_columns(columns, name=path.stem, source_format="pcd", raw=extras, where=str(path))
    return with_classes(scene, _class_names(data[: start.start()]), path)


def _class_names(header: bytes) -> list[str] | None:
    comments = [line for line in header.decode("utf-8", "replace").splitlines() if line.startswith("#")]
    return split_comments(comments)[0]


def _header_lines(header: bytes, path: Path) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in header.decode("utf-8", "replace").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            lines[words[0].upper()] = words[1:]
    if "COLUMNS" in lines:
        lines.setdefault("FIELDS", lines["COLUMNS"])
    for key in ("FIELDS", "SIZE", "TYPE"):
        if not lines.get(key):
            raise InputError(f"{path}: the PCD header has no {key} line")
    return lines


def _fields(lines: dict[str, list[str]], path: Path) -> list[_Field]:
    names = lines["FIELDS"]
    counts = lines.get("COUNT", ["1"] * len(names))
    for key, words in (("SIZE", lines["SIZE"]), ("TYPE", lines["TYPE"]), ("COUNT", counts)):
        if len(words) != len(names):
            raise InputError(f"{path}: the PCD header names {len(names)} FIELDS and gives {len(words)} of {key}")
    fields: list[_Field] = []
    for name, size, letter, count in zip(names, lines["SIZE"], lines["TYPE"], counts, strict=True):
        dtype = _DTYPES.get(letter.upper() + size)
        if dtype is None:
            raise InputError(f"{path}: PCD field {name} has unknown TYPE {letter} of SIZE {size}")
        if name != _PADDING and any(name == other.name for other in fields):
            raise InputError(f"{path}: the PCD header names field {name} twice")
        items = _whole([count], f"COUNT of {name}", path)
        if not 1 <= items <= _MOST_ITEMS:
            raise InputError(f"{path}: PCD field {name} has COUNT {items}; 1 to {_MOST_ITEMS} make sense")
        fields.append(_Field(name, dtype, items))
    return fields


def _size(lines: dict[str, list[str]], path: Path) -> tuple[int, PcdExtras]:
    """Number of points, and the header's other sayings."""
    points = _whole(lines["POINTS"], "POINTS", path) if "POINTS" in lines else None
    if points is None and "WIDTH" not in lines:
        raise InputError(f"{path}: the PCD header has neither POINTS nor WIDTH")
    height = _whole(lines.get("HEIGHT", ["1"]), "HEIGHT", path)
    width = _whole(lines["WIDTH"], "WIDTH", path) if "WIDTH" in lines else points or 0
    if points is None:
        points = width * height
    elif width * height != points:
        raise InputError(f"{path}: the PCD header promises {points} POINTS, but WIDTH x HEIGHT is {width} x {height}")
    return points, PcdExtras(width, height, " ".join(lines.get("VIEWPOINT", ["0 0 0 1 0 0 0"])))


def _whole(words: list[str], what: str, path: Path) -> int:
    if len(words) != 1 or not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 19):
        raise InputError(f"{path}: PCD header: {what} must be a number, not {' '.join(words)[:40]!r}")
    return int(words[0])


def _read_ascii(body: bytes, fields: list[_Field], count: int, path: Path) -> dict[str, np.ndarray]:
    lines = content_lines(body, b"#")
    width = sum(field.count for field in fields)
    _check_rows(count, len(lines), path)
    lines = lines[:count]
    numbers = parse_numbers(lines, str(path))
    if len(numbers) != count * width:
        raise InputError(f"{path}: {count} rows hold {len(numbers)} numbers; the PCD header promises {count * width}")
    table = numbers.reshape(count, width)
    columns, at = {}, 0
    for field in fields:
        block = table[:, at : at + field.count]
        where = f"{path}: PCD field {field.name}"
        if field.dtype.kind in "iu" and field.dtype.itemsize == 8:
            block = _exact(lines, at, field, where)
        if field.name != _PADDING:
            columns[field.name] = _column(to_type(block, field.dtype, where), field)
        at += field.count
    return columns


def _exact(lines: list[bytes], at: int, field: _Field, where: str) -> np.ndarray:
    """64-bit integers, which float64 would round."""
    try:
        rows = [list(map(int, line.split()[at : at + field.count])) for line in lines]
        return np.array(rows, field.dtype).reshape(len(lines), field.count)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: a value is no {field.dtype.name}") from error


def _read_binary(body: memoryview, fields: list[_Field], count: int, path: Path) -> dict[str, np.ndarray]:
    stride = sum(field.size for field in fields)
    _check_rows(count, len(body) // stride if stride else 0, path)
    table = np.frombuffer(body, np.uint8, count * stride).reshape(count, stride)
    columns, at = {}, 0
    for field in fields:
        if field.name != _PADDING:
            stored = np.ascontiguousarray(table[:, at : at + field.size])
            columns[field.name] = _column(stored.view(field.dtype), field)
        at += field.size
    return columns


def _read_compressed(body: memoryview, fields: list[_Field], count: int, path: Path) -> dict[str, np.ndarray]:
    if len(body) < 8:
        raise InputError(f"{path}: the file ends before its compressed data")
    packed, size = struct.unpack_from("<II", body)
    promised = count * sum(field.size for field in fields)
    if size != promised:
        raise InputError(f"{path}: the PCD header promises {promised} bytes of points, the data says {size}")
    if len(body) - 8 < packed:
        raise InputError(f"{path}: {packed} compressed bytes are promised, the file has {len(body) - 8}")
    check_fits(3 * size, path)
    data = lzf.decompress(bytes(body[8 : 8 + packed]), size, str(path))
    columns, at = {}, 0
    for field in fields:
        if field.name != _PADDING:
            stored = np.frombuffer(data, field.dtype, count * field.count, at)
            columns[field.name] = _column(stored.reshape(count, field.count), field)
        at += count * field.size
    return columns


def _column(block: np.ndarray, field: _Field) -> np.ndarray:
    """(N, COUNT) -> a writable (N,) or (N, COUNT) array in the machine's byte order."""
    column = np.array(block, field.dtype.newbyteorder("="), order="C")
    return column[:, 0] if field.count == 1 else column


def _check_rows(promised: int, found: int, path: Path) -> None:
    if found < promised:
        raise InputError(f"{path}: the PCD header promises {promised} points, the file holds {found}")


def write(scene: Scene, path: str | os.PathLike[str], *, encoding: str = "binary") -> None:
    """Writes the scene's points in its source's frame, with everything that is known about each of them.

    A scene read from PCD keeps its fields, grid and view point as long as the number of points is the same;
    any other writes its colours the way PCL does, as packed rgb.

    Args:
        scene: what to write.
        path: of the file.
        encoding: of ENCODINGS.

    Raises:
        OutputError: the place cannot be written, or the encoding is unknown.
    """
    if encoding not in ENCODINGS:
        raise OutputError(f"{path}: no PCD encoding is called {encoding!r}; known are {', '.join(ENCODINGS)}")
    columns = _storable(scene)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        if encoding == "ascii":
            columns = {key: _ascii_safe(key, column) for key, column in columns.items()}
        file.write(_format_header(scene, columns, encoding).encode())
        blocks = [np.ascontiguousarray(c, c.dtype.newbyteorder("<")) for c in columns.values()]
        if encoding == "ascii":
            cells = [as_texts(part) for block in blocks for part in (block if block.ndim == 2 else block[:, None]).T]
            file.write("".join(" ".join(row) + "\n" for row in zip(*cells, strict=True)).encode())
        elif encoding == "binary":
            table = np.empty(len(scene), [(f"f{k}", b.dtype, b.shape[1:]) for k, b in enumerate(blocks)])
            for k, block in enumerate(blocks):
                table[f"f{k}"] = block
            file.write(table.tobytes())
        else:
            packed = b"".join(lzf.compress(block.tobytes(), block.dtype.itemsize) for block in blocks)
            size = sum(block.nbytes for block in blocks)
            if max(size, len(packed)) >= 2**32:
                raise OutputError(f"{path}: binary_compressed PCD ends at 4 GB; write binary instead")
            file.write(struct.pack("<II", len(packed), size) + packed)


def _storable(scene: Scene) -> dict[str, np.ndarray]:
    """The columns in types that PCD knows, (N,) or (N, C); colours packed unless the file had them apart."""
    columns: dict[str, np.ndarray] = {}
    for name, column in columns_from_scene(scene, packed=True).items():
        name = header_name(name, columns)
        if column.dtype.kind not in "biuf":
            text = f"column {name} holds {column.dtype.name}, which PCD cannot; it is left out"
            warnings.warn(text, ScanwiseWarning, stacklevel=3)
        elif column.dtype.kind == "b":
            columns[name] = column.astype(np.uint8)
        elif column.dtype.kind == "f" and column.dtype.itemsize not in (4, 8):
            columns[name] = column.astype(np.float32 if column.dtype.itemsize < 4 else np.float64)
        else:
            columns[name] = column.reshape(len(column), math.prod(column.shape[1:])) if column.ndim > 2 else column
    channels = [columns.get(name) for name in ("red", "green", "blue")]
    if scene.colors is None or "rgb" in columns or any(c is None or c.dtype != np.uint8 for c in channels):
        return columns
    if scene.source_format == "pcd" and "red" in original_columns(scene):
        return columns
    packed = {"rgb": pack_colors(scene.colors).view(np.float32)}
    result: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        result |= packed if name == "red" else {} if name in ("green", "blue") else {name: column}
    return result


def _ascii_safe(name: str, column: np.ndarray) -> np.ndarray:
    """Packed colours as whole numbers: as floats, opaque ones are NaN, and text would lose them."""
    return column.view(np.uint32) if name in ("rgb", "rgba") and column.dtype == np.float32 else column


def _format_header(scene: Scene, columns: dict[str, np.ndarray], encoding: str) -> str:
    extras = scene.raw.extras if isinstance(scene.raw, Columns) and original_columns(scene) else None
    if not isinstance(extras, PcdExtras):
        extras = PcdExtras(len(scene), 1, "0 0 0 1 0 0 0")
    letters = {"i": "I", "u": "U", "f": "F"}
    lines: dict[str, list[Any]] = {
        "VERSION": ["0.7"],
        "FIELDS": list(columns),
        "SIZE": [column.dtype.itemsize for column in columns.values()],
        "TYPE": [letters[column.dtype.kind] for column in columns.values()],
        "COUNT": [math.prod(column.shape[1:]) for column in columns.values()],
        "WIDTH": [extras.width],
        "HEIGHT": [extras.height],
        "VIEWPOINT": [extras.viewpoint],
        "POINTS": [len(scene)],
        "DATA": [encoding],
    }
    text = "".join(f"{key} {' '.join(map(str, words))}\n" for key, words in lines.items())
    comments = ["# .PCD v0.7 - Point Cloud Data file format", *(f"# {comment}" for comment in comments_of(scene))]
    return "\n".join([*comments, text])
