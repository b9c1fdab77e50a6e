"""What a LAS header says before laspy reads it, and the units of its coordinate system."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

from scanwise.errors import InputError

_COMPRESSED = 0x80  # bit of the point format
_VLR, _EVLR = 54, 60  # bytes of the heads of a variable length record and an extended one
_LAYERS = {6: 9, 7: 10, 8: 11}  # of a chunk, by point format, besides one for each extra byte
_FOOT = {9002: 0.3048, 9003: 1200 / 3937}
_UNIT = re.compile(r'\b(?:LENGTH)?UNIT\s*[\[(]\s*"[^"]*"\s*,\s*([0-9.eE+-]+)', re.IGNORECASE)
_VERTICAL = re.compile(r"\bVERT(?:_CS|CRS|ICALCRS)\s*[\[(]", re.IGNORECASE)
_PROJECTED = re.compile(r"\b(?:PROJCS|PROJCRS|PROJECTEDCRS|LOCAL_CS|ENGCRS)\s*[\[(]", re.IGNORECASE)
_GEOGRAPHIC = re.compile(r"\b(?:GEOGCS|GEOGCRS|GEODCRS|GEOGRAPHICCRS|GEODETICCRS)\s*[\[(]", re.IGNORECASE)


def check_records(path: Path) -> None:
    """Checks that a file can hold the records that its header counts.

    If not, laspy would read on for hours, and lazrs, promised too many chunks, would abort the process.

    Raises:
        InputError: it cannot.
    """
    with path.open("rb") as file:
        head = file.read(247)
        size = path.stat().st_size
        if len(head) >= 227 and head[104] & _COMPRESSED:
            _check_chunks(path, file, size, *struct.unpack_from("<I", head, 96), *struct.unpack_from("<H", head, 105))
    if len(head) < 227 or head[:4] != b"LASF":
        return  # laspy says what is wrong
    header_size, points, records = struct.unpack_from("<HII", head, 94)
    if not header_size + _VLR * records <= points <= size:
        raise InputError(
            f"{path}: damaged LAS header; {records} records after its {header_size} bytes do not fit before the "
            f"points at byte {points} of {size}"
        )
    if head[24] == 1 and head[25] >= 4 and header_size >= 247:
        start, count = struct.unpack_from("<QI", head, 235)
        if count and start + _EVLR * count > size:
            raise InputError(
                f"{path}: damaged LAS header; {count} extended records at byte {start} do not fit into {size} bytes"
            )


def _check_chunks(path: Path, file: BinaryIO, size: int, points: int, record: int) -> None:
    """Raises InputError unless the points begin with the place of a table whose chunks have room for a point each."""
    (table,) = _unpacked(file, points, "<q")
    if table == -1:  # written to a stream: the place comes last
        (table,) = _unpacked(file, size - 8, "<q")
    if not points + 8 <= table <= size - 8:
        raise InputError(f"{path}: damaged LAZ file; its table of chunks is at byte {table} of {size}")
    version, chunks = _unpacked(file, table, "<II")
    if version != 0 or chunks > 1 + size // max(record, 1):
        raise InputError(f"{path}: damaged LAZ file; its table, of version {version}, promises {chunks} chunks")


def check_layers(path: Path, header: Any) -> None:
    """Checks that the layers of each chunk of a LAZ file fit into it: lazrs takes 4 GB where one promises them.

    Args:
        path: of the file.
        header: laspy's.

    Raises:
        InputError: they do not.
    """
    import lazrs

    form = header.point_format
    layers = _LAYERS.get(form.id, 0) + form.num_extra_bytes
    if form.id not in _LAYERS:
        return
    (record,) = header.vlrs.get("LasZipVlr")
    with path.open("rb") as file:
        file.seek(header.offset_to_point_data)
        chunks = lazrs.read_chunk_table(file, lazrs.LazVlr(record.record_data))
        start = header.offset_to_point_data + 8
        for points, size in chunks:
            sizes = _unpacked(file, start + form.size + 4, f"<{layers}I")
            if points > 1 and sum(sizes) > size:
                raise InputError(f"{path}: damaged LAZ file; the parts of a chunk of {size} bytes promise {sum(sizes)}")
            start += size


def _unpacked(file: BinaryIO, place: int, form: str) -> tuple[int, ...]:
    """Whole numbers at a byte; -2 each where the file ends before them."""
    file.seek(max(place, 0))
    content = file.read(struct.calcsize(form))
    return struct.unpack(form, content) if len(content) == struct.calcsize(form) else (-2,) * (len(form) - 1)


def units(header: Any) -> tuple[float, float, bool]:
    """The units of a coordinate system, from the GeoKeys, else from WKT of either version.

    Args:
        header: laspy's.

    Returns:
        Metres in a unit across, metres in a unit up (1 where neither says anything), and whether coordinates are in
        degrees (then 1 and 1).
    """
    records = [*header.vlrs, *(header.evlrs or [])]
    keys = {
        key.id: key.value_offset
        for record in records
        for key in getattr(record, "geo_keys", ())
        if key.tiff_tag_location == 0
    }
    if keys:
        horizontal = _FOOT.get(keys.get(3076, 0), 1.0)
        vertical = _FOOT.get(keys[4099], 1.0) if 4099 in keys else horizontal
        return horizontal, vertical, keys.get(1024) == 2
    texts = [str(record.string) for record in records if record.record_id == 2112 and hasattr(record, "string")]
    return _wkt_units(texts[0]) if texts else (1.0, 1.0, False)


def _wkt_units(text: str) -> tuple[float, float, bool]:
    """A system's own unit is the last one within it: those of its datum and its parameters come before."""
    split = _VERTICAL.search(text)
    across, up = (text[: split.start()], text[split.start() :]) if split else (text, "")
    in_degrees = bool(_GEOGRAPHIC.search(across)) and not _PROJECTED.search(across)
    horizontal = 1.0 if in_degrees else _last_unit(across, 1.0)
    return horizontal, _last_unit(up, horizontal), in_degrees


def _last_unit(text: str, otherwise: float) -> float:
    found = _UNIT.findall(text)
    try:
        metres = float(found[-1])
    except (IndexError, ValueError):
        return otherwise
    return metres if 1e-6 < metres < 1e6 else otherwise
