"""E57, the exchange format of terrestrial scanners, through pye57. Read only.

All scans of a file are one scene, each placed by its pose; the attribute `scan` tells them apart. Read: coordinates
(Cartesian or spherical), colours, intensity, normals (the extension "nor"), row and column of each scan's grid. Points
without coordinates, such as the sky, are left out. Pictures are not read.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.columns import scene_from_columns
from scanwise.memory import check_fits
from scanwise.ranges import color_bytes, intensity_fractions
from scanwise.scene import Scene

_CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_INVALID: dict[tuple[str, ...], str] = {_CARTESIAN: "cartesianInvalidState", _SPHERICAL: "sphericalInvalidState"}
_COLORS = ("colorRed", "colorGreen", "colorBlue")
_NORMALS = ("nor:normalX", "nor:normalY", "nor:normalZ")
_GRID = {"rowIndex": "row", "columnIndex": "column"}
_BYTES_A_POINT = 200  # of memory, at the peak
Table = dict[str, np.ndarray]


def read(path: Path) -> Scene:
    """All scans of an E57 file as one scene, in the file's own frame.

    Raises:
        InputError: pye57 is missing, or the file is damaged or holds no points.
    """
    try:
        from pye57 import libe57
        from pye57.scan_header import ScanHeader
    except ImportError as error:
        raise InputError(f"{path}: E57 is read by pye57; pip install 'scanwise[e57]'") from error
    try:
        with path.open("rb"):
            pass
        file = libe57.ImageFile(str(path), "r")
        try:
            root = file.root()
            headers = [ScanHeader(scan) for scan in root["data3D"]] if root.isDefined("data3D") else []
            check_fits(_BYTES_A_POINT * sum(header.point_count for header in headers), path)
            scans = [_scan(file, header, path) for header in headers if header.point_count]
            pictures = len(root["images2D"]) if root.isDefined("images2D") else 0
        finally:
            file.close()
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error
    except Exception as error:  # libe57 raises its own for whatever is damaged
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or unsupported E57 file ({said[:200]})") from error
    if not scans:
        raise InputError(f"{path}: no scan with points in this E57 file")
    if pictures:
        _note(f"{path}: {pictures} pictures in it are not read, its points are")
    _note_left_out(scans, path)
    return scene_from_columns(_joined(scans, path), name=path.stem, source_format="e57", where=str(path))


def _note(text: str) -> None:
    warnings.warn(text, ScanwiseWarning, stacklevel=3)


def _scan(file: Any, header: Any, path: Path) -> Table:
    """The columns of one scan, in the frame of the file; `unplaced` (1,) counts points without coordinates."""
    place = next((names for names in (_CARTESIAN, _SPHERICAL) if set(names) <= set(header.point_fields)), None)
    if place is None:
        raise InputError(f"{path}: a scan has no coordinates, but {', '.join(header.point_fields)}")
    raw = _fields(file, header, place, path)
    xyz = np.stack([raw.pop(name) for name in place], axis=1)
    kept = np.isfinite(xyz).all(axis=1) & (raw.pop(_INVALID[place], np.zeros(len(xyz))) == 0)
    xyz = _cartesian(xyz[kept]) if place is _SPHERICAL else xyz[kept]
    rotation = header.rotation_matrix
    xyz = xyz @ rotation.T + header.translation
    columns = dict(zip("xyz", xyz.T, strict=True)) | {"unplaced": np.array([np.count_nonzero(~kept)])}
    raw = {name: values[kept] for name, values in raw.items()}
    if set(_COLORS) <= set(raw):
        colors = _colors(np.stack([raw[name] for name in _COLORS], axis=1), header, path)
        columns |= dict(zip(("red", "green", "blue"), colors.T, strict=True))
    if "intensity" in raw:
        columns["intensity"] = _intensity(raw["intensity"], header, path)
    if set(_NORMALS) <= set(raw):
        normals = np.stack([raw[name] for name in _NORMALS], axis=1) @ rotation.T
        columns |= dict(zip(("nx", "ny", "nz"), normals.astype(np.float32).T, strict=True))
    return columns | {name: raw[field].astype(np.int32) for field, name in _GRID.items() if field in raw}


def _fields(file: Any, header: Any, place: tuple[str, ...], path: Path) -> Table:
    """The fields of a scan that mean something here, by their names in the file."""
    from pye57 import libe57

    exact = {*place, *_GRID}
    wanted = [*place, _INVALID[place], *_COLORS, "intensity", *_NORMALS, *_GRID]
    count = header.point_count
    columns = {
        name: np.zeros(count, np.float64 if name in exact else np.float32)
        for name in wanted
        if name in header.point_fields
    }
    buffers = libe57.VectorSourceDestBuffer()
    for name, column in columns.items():
        buffers.append(libe57.SourceDestBuffer(file, name, column, count, True, True))
    read = header.points.reader(buffers).read()
    if read != count:
        raise InputError(f"{path}: truncated E57 file; a scan promises {count} points, {read} are there")
    return columns


def _cartesian(spherical: np.ndarray) -> np.ndarray:
    """Range, azimuth and elevation (N, 3) as x, y and z."""
    distance, azimuth, elevation = spherical.T
    across = distance * np.cos(elevation)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), distance * np.sin(elevation)], axis=1)


def _colors(values: np.ndarray, header: Any, path: Path) -> np.ndarray:
    limits = _limits(header, "colorLimits", "colorRedMinimum", "colorRedMaximum")
    if limits is not None and limits[1] > 255 and values.max(initial=0) <= limits[1]:
        values = values * np.float32(255 / limits[1])
    return color_bytes(values, str(path))


def _intensity(values: np.ndarray, header: Any, path: Path) -> np.ndarray:
    """Fractions: those of the file, or of the range that it tells."""
    limits = _limits(header, "intensityLimits", "intensityMinimum", "intensityMaximum")
    if limits is None or (limits[0] >= 0 and limits[1] <= 1):
        return intensity_fractions(values, str(path))
    low, high = limits
    return np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)


def _limits(header: Any, group: str, low: str, high: str) -> tuple[float, float] | None:
    """The range that a scan tells of its values; None where it tells none, or one of no width."""
    if group not in header.scan_fields or not (header[group].isDefined(low) and header[group].isDefined(high)):
        return None
    found = float(header[group][low].value()), float(header[group][high].value())
    return found if np.isfinite(found).all() and found[0] < found[1] else None


def _note_left_out(scans: list[Table], path: Path) -> None:
    unplaced = sum(int(scan.pop("unplaced")[0]) for scan in scans)
    if unplaced:
        _note(f"{path}: {unplaced:,} points without coordinates are left out, such as the sky")


def _joined(scans: list[Table], path: Path) -> Table:
    """The columns of all scans; a scan that lacks one is white, or 0."""
    columns = {}
    for name in dict.fromkeys(name for scan in scans for name in scan):
        first = next(scan[name] for scan in scans if name in scan)
        filler = first.dtype.type(255 if name in ("red", "green", "blue") else 0)
        columns[name] = np.concatenate([scan.get(name, np.full(len(scan["x"]), filler)) for scan in scans])
    lacking = sum("red" not in scan for scan in scans)
    if "red" in columns and lacking:
        _note(f"{path}: {lacking} of {len(scans)} scans have no colours and are taken as white")
    if len(scans) > 1:
        columns["scan"] = np.repeat(np.arange(len(scans), dtype=np.uint16), [len(scan["x"]) for scan in scans])
    return columns
