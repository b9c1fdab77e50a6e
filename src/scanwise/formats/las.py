"""LAS 1.0 to 1.4 and LAZ, through laspy: the records go back out as they came in.

Read: x y z (exact in `source_points`), colours (16 bits, or 8 bits stored in 16-bit fields), intensity,
classification as `labels` under the ASPRS names, normals from extra dimensions nx ny nz, instances from `instance`.
Code 0, "never classified", is unlabelled. The extra dimension `label` is what is labelled where nothing is classified,
or where scanwise wrote it (see `las_fields`). Every other dimension that says something is an attribute under its LAS
name. A coordinate system in feet, by its GeoKeys or its WKT, is turned into metres.

Written (`las_writing`): a scene that came from LAS gives its records, header, CRS and other VLRs back, with the fields
that changed since, and with extra dimensions for the attributes that came since; 1.0 and 1.1 go out as 1.2. Any
other scene becomes LAS 1.4 of point format 6, or 7 with colours. Labels whose classes are all called as ASPRS calls
them set the classification; others, instances and normals become the extra dimensions `label`, `instance`, nx, ny, nz.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.columns import Columns
from scanwise.formats.las_fields import (
    ASPRS,
    attributes_of,
    color_channels,
    dimension_name,
    exact_colors,
    fields_of,
)
from scanwise.formats.las_header import check_layers, check_records, units
from scanwise.formats.las_writing import LasRecord, write
from scanwise.memory import check_fits
from scanwise.scene import Scene

__all__ = ["ASPRS", "FAR", "LasRecord", "read", "write"]

FAR = 1000.0
"""Metres from the origin beyond which coordinates are shifted by whole metres."""

_PIECE = 2**25  # bytes of records that are decompressed at a time
_BYTES_A_POINT = 100  # of memory beside the records: coordinates twice, colours, labels, ...


def read(path: Path) -> Scene:
    """A scene from a LAS or LAZ file.

    Raises:
        InputError: it is damaged or of an unsupported version.
    """
    las = _load(path)
    xyz = np.stack([las.x, las.y, las.z], axis=1).astype(np.float64)
    to_source = _to_source(las, xyz, path)
    scale = np.diag(to_source)[:3]
    channels = color_channels(las)
    fields = fields_of(las, str(path), channels)
    attributes = attributes_of(las, fields)
    exact = dict(zip("xyz", xyz.T, strict=True)) | exact_colors(channels)
    with np.errstate(over="ignore"):
        points = ((xyz - to_source[:3, 3]) / scale).astype(np.float32)
    return Scene(
        points=points,
        to_source=to_source,
        source_points=xyz,
        **fields,
        attributes=dict(attributes),
        name=path.stem,
        source_format=path.suffix.lower().lstrip("."),
        raw=Columns(exact, LasRecord(las, attributes)),
    )


def _load(path: Path) -> Any:
    import laspy

    try:
        check_records(path)
        with laspy.open(path) as reader:
            header = reader.header
            need = header.offset_to_point_data + header.point_count * header.point_format.size
            there = path.stat().st_size
            if not header.are_points_compressed and there < need:
                raise InputError(
                    f"{path}: truncated LAS file; {header.point_count} points need {need} bytes, it has {there}"
                )
            if header.are_points_compressed:
                check_layers(path, header)
            check_fits(header.point_count * (2 * header.point_format.size + _BYTES_A_POINT), path)
            if header.point_count * header.point_format.size > 100 * there:
                _read_through(path)
            _name_all(header.point_format)
            return reader.read()
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    except BaseException as error:  # damaged LAZ makes lazrs panic, and a panic is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or unsupported LAS file ({said})") from error


def _name_all(point_format: Any) -> None:
    """Gives extra dimensions without a name one, as laspy cannot look them up otherwise."""
    taken = list(point_format.dimension_names)
    for index, dimension in enumerate(point_format.dimensions):
        if not dimension.name:
            taken.append(dimension_name("unnamed", taken))
            point_format.dimensions[index] = dimension._replace(name=taken[-1])


def _read_through(path: Path) -> None:
    """Decompresses piece by piece: a header that promises too many points fails before memory is taken for them."""
    import laspy

    with laspy.open(path) as reader:
        for _ in reader.chunk_iterator(max(1, _PIECE // reader.header.point_format.size)):
            pass


def _to_source(las: Any, xyz: np.ndarray, path: Path) -> np.ndarray:
    """(4, 4): metres without the far origin to the file's own coordinates."""
    horizontal, vertical, in_degrees = units(las.header)
    if in_degrees:
        text = f"{path}: coordinates are in degrees, distances will mean little; project it to metres first"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    to_source = np.diag([1 / horizontal, 1 / horizontal, 1 / vertical, 1.0])
    if len(xyz) and np.abs(xyz).max() > FAR:
        to_source[:3, 3] = np.floor(np.partition(xyz, len(xyz) // 2, axis=0)[len(xyz) // 2])
    return to_source
