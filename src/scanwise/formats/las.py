"""LAS 1.0 to 1.4 and LAZ, through laspy: the records go back out as they came in.

Read: x y z (exact in `source_points`), colours (16 bits, or 8 bits stored in 16-bit fields), intensity,
classification as `labels` under the ASPRS names, normals from extra dimensions nx ny nz. Code 0, "never
classified", is unlabelled. Every other dimension that says something is an attribute under its LAS name. A
coordinate system in feet, by its GeoKeys or its WKT, is turned into metres.

Written: a scene that came from LAS gives its records, header, CRS and other VLRs back, with the fields that
changed since, and with extra dimensions for the attributes that came since; 1.0 and 1.1 go out as 1.2. Any
other scene becomes LAS 1.4 of point format 6, or 7 with colours; labels whose classes are not the ASPRS ones,
instances and normals become the extra dimensions `label`, `instance`, nx, ny and nz.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.files import replacing
from scanwise.formats.las_header import check_records, units
from scanwise.scene import Scene

ASPRS = (
    *("never classified", "unclassified", "ground", "low vegetation", "medium vegetation", "high vegetation"),
    *("building", "low point", "model key-point", "water", "rail", "road surface", "overlap", "wire guard"),
    *("wire conductor", "transmission tower", "wire connector", "bridge deck", "high noise"),
    *("overhead structure", "ignored ground", "snow", "temporal exclusion"),
)
"""Names of the classification codes 0 to 22; the index is the code."""

FAR = 1000.0
"""Metres from the origin beyond which coordinates are shifted by whole metres."""

_IN_FIELDS = {"X", "Y", "Z", "red", "green", "blue", "intensity", "classification", "nx", "ny", "nz"}
_NORMALS = ("nx", "ny", "nz")


@dataclass(eq=False)
class LasRecord:
    """`Scene.raw` of a scene from LAS.

    Attributes:
        las: laspy's data as read; never changed.
        attributes: the attributes that were made of its dimensions.
    """

    las: Any
    attributes: dict[str, np.ndarray]


def read(path: Path) -> Scene:
    """A scene from a LAS or LAZ file.

    Raises:
        InputError: it is damaged or of an unsupported version.
    """
    las = _load(path)
    xyz = np.stack([las.x, las.y, las.z], axis=1).astype(np.float64)
    to_source = _to_source(las, xyz, path)
    scale = np.diag(to_source)[:3]
    attributes = _attributes(las)
    return Scene(
        points=((xyz - to_source[:3, 3]) / scale).astype(np.float32),
        to_source=to_source,
        source_points=xyz,
        **_fields(las),
        attributes=dict(attributes),
        name=path.stem,
        source_format=path.suffix.lower().lstrip("."),
        raw=LasRecord(las, attributes),
    )


def write(scene: Scene, path: Path) -> None:
    """Writes LAS, or LAZ where the suffix says so.

    Raises:
        OutputError: the place cannot be written or the coordinates do not fit into LAS.
    """
    record = scene.raw if isinstance(scene.raw, LasRecord) and _still_holds(scene.raw, scene) else None
    if record is None:
        scene = _finite_only(scene, path)
        las = _new(scene, path)
        added = _columns(scene) | scene.attributes
    else:
        las = _copy(record.las)
        added = _changed(las, scene) | _added(record, scene)
    _add(las, added, path)
    with replacing(path) as temporary:
        las.write(temporary)


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
            taken.append(_dimension_name("unnamed", taken))
            point_format.dimensions[index] = dimension._replace(name=taken[-1])


def _read_through(path: Path) -> None:
    """Decompresses piece by piece: a header that promises too many points fails before memory is taken for them."""
    import laspy

    with laspy.open(path) as reader:
        for _ in reader.chunk_iterator(1_000_000):
            pass


def _to_source(las: Any, xyz: np.ndarray, path: Path) -> np.ndarray:
    """(4, 4): metres without the far origin to the file's own coordinates."""
    horizontal, vertical, in_degrees = units(las.header)
    if in_degrees:
        text = f"{path}: coordinates are in degrees, distances will mean little; project it to metres first"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    to_source = np.diag([1 / horizontal, 1 / horizontal, 1 / vertical, 1.0])
    if len(xyz) and np.abs(xyz).max() > FAR:
        to_source[:3, 3] = np.floor(xyz.min(0))
    return to_source


def _fields(las: Any) -> dict[str, Any]:
    """The fields of a scene that the dimensions of the file give."""
    there = set(las.point_format.dimension_names)
    fields: dict[str, Any] = {}
    if "red" in there:
        fields["colors"] = _colors(np.stack([las.red, las.green, las.blue], axis=1))
    if np.any(las.intensity):
        fields["intensity"] = np.asarray(las.intensity, np.float32) / np.float32(65535)
    codes = np.asarray(las.classification).astype(np.int32)
    if codes.any():
        fields["labels"] = np.where(codes == 0, -1, codes)
        fields["classes"] = _class_names(int(codes.max()))
    if there.issuperset(_NORMALS):
        fields["normals"] = np.stack([np.asarray(las[name], np.float32) for name in _NORMALS], axis=1)
    return fields


def _colors(channels: np.ndarray) -> np.ndarray:
    if channels.max(initial=0) <= 255:
        return channels.astype(np.uint8)
    return np.round(channels / 257).astype(np.uint8)


def _class_names(largest: int) -> list[str]:
    further = range(len(ASPRS), largest + 1)
    return [*ASPRS, *(f"reserved {code}" if code < 64 else f"user {code}" for code in further)]


def _attributes(las: Any) -> dict[str, np.ndarray]:
    """The dimensions that are no field of a scene: all extra ones, and the standard ones that are not all 0."""
    extra = set(las.point_format.extra_dimension_names)
    attributes = {}
    for name in las.point_format.dimension_names:
        if name in _IN_FIELDS:
            continue
        values = np.array(las[name])
        if name in extra or values.any():
            attributes[name] = values
    return attributes


def _still_holds(record: LasRecord, scene: Scene) -> bool:
    las = record.las
    return len(las.points) == len(scene) and np.array_equal(
        np.stack([las.x, las.y, las.z], axis=1), scene.points_in_source()
    )


def _copy(las: Any) -> Any:
    import laspy
    from laspy.vlrs.vlrlist import VLRList

    header = deepcopy(las.header)
    # What describes the layout of a COPC file is wrong once the points are written one after the other.
    header.vlrs = VLRList(vlr for vlr in header.vlrs if vlr.user_id != "copc")
    if header.evlrs is not None:
        header.evlrs = VLRList(vlr for vlr in header.evlrs if vlr.user_id != "copc")
    if str(header.version) in ("1.0", "1.1"):  # laspy does not write these; 1.2 has the same point formats
        header.version = laspy.header.Version(1, 2)
    return laspy.LasData(header, points=las.points.copy())


def _changed(las: Any, scene: Scene) -> dict[str, np.ndarray]:
    """Puts the fields that the scene has otherwise than its records into `las`; what has no place is returned."""
    was = _fields(las)
    columns: dict[str, np.ndarray] = {}
    if scene.colors is not None and not np.array_equal(scene.colors, was.get("colors", ())):
        if "red" in las.point_format.dimension_names:
            _set_colors(las, scene.colors)
        else:
            names = ("red", "green", "blue")
            columns |= {name: scene.colors[:, axis] for axis, name in enumerate(names)}
    if scene.intensity is not None and not np.array_equal(scene.intensity, was.get("intensity", ())):
        las.intensity = _sixteen_bits(scene.intensity)
    if scene.labels is not None and not np.array_equal(scene.labels, was.get("labels", ())):
        columns |= _set_labels(las, scene)
    if scene.normals is not None and not np.array_equal(scene.normals, was.get("normals", ())):
        columns |= _normal_columns(scene)
    if scene.instances is not None:
        columns["instance"] = scene.instances
    return columns


def _added(record: LasRecord, scene: Scene) -> dict[str, np.ndarray]:
    return {name: value for name, value in scene.attributes.items() if record.attributes.get(name) is not value}


def _finite_only(scene: Scene, path: Path) -> Scene:
    kept = scene.finite & np.isfinite(scene.points_in_source()).all(1)
    if kept.all():
        return scene
    text = f"{path}: {np.count_nonzero(~kept)} points that are not finite were left out; LAS has no place for them"
    warnings.warn(text, ScanwiseWarning, stacklevel=4)

    def rows(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else column[kept]

    return Scene(
        points=scene.points[kept],
        colors=rows(scene.colors),
        normals=rows(scene.normals),
        intensity=rows(scene.intensity),
        labels=rows(scene.labels),
        instances=rows(scene.instances),
        classes=scene.classes,
        to_source=scene.to_source,
        source_points=rows(scene.source_points),
        attributes={name: column[kept] for name, column in scene.attributes.items()},
    )


def _new(scene: Scene, path: Path) -> Any:
    import laspy

    xyz = np.asarray(scene.points_in_source())
    header = laspy.LasHeader(point_format=6 if scene.colors is None else 7, version="1.4")
    header.offsets = np.floor(xyz.min(0).astype(np.float64)) if len(xyz) else np.zeros(3)
    header.scales = np.full(3, _scale(xyz, header.offsets, path))
    las = laspy.LasData(header, points=laspy.ScaleAwarePointRecord.zeros(len(xyz), header=header))
    las.x, las.y, las.z = xyz.astype(np.float64).T
    las.return_number[:] = 1
    las.number_of_returns[:] = 1
    if scene.colors is not None:
        _set_colors(las, scene.colors)
    if scene.intensity is not None:
        las.intensity = _sixteen_bits(scene.intensity)
    return las


def _scale(xyz: np.ndarray, offsets: np.ndarray, path: Path) -> float:
    """The coarsest of 1 mm to 1 nm that gives the coordinates back exactly, or else the finest that fits."""
    span = float((xyz.astype(np.float64) - offsets).max(initial=0.0))
    fitting = [scale for scale in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9) if span / scale < 2**31 - 1]
    if not fitting:
        raise OutputError(f"{path}: points lie {span:.3g} apart, LAS holds 2000 km at 1 mm; write .ply instead")
    for scale in fitting:
        again = np.round((xyz - offsets) / scale) * scale + offsets
        if np.array_equal(again.astype(xyz.dtype), xyz):
            return scale
    return fitting[-1]


def _columns(scene: Scene) -> dict[str, np.ndarray]:
    """The fields of a scene from elsewhere that go into extra dimensions, or set the classification."""
    columns = _normal_columns(scene)
    if scene.labels is not None:
        asprs = scene.classes is not None and scene.classes[: len(ASPRS)] == list(ASPRS)
        name = "classification" if asprs and len(scene.classes or ()) <= 256 else "label"
        columns[name] = np.maximum(scene.labels, 0).astype(np.uint8) if name != "label" else scene.labels
    if scene.instances is not None:
        columns["instance"] = scene.instances
    return columns


def _set_labels(las: Any, scene: Scene) -> dict[str, np.ndarray]:
    columns = _columns(scene)
    codes = columns.get("classification")
    room = 256 if las.point_format.id >= 6 else 32
    if codes is not None and codes.max(initial=0) < room:
        las.classification = codes
        return {}
    assert scene.labels is not None
    return {"label": scene.labels}


def _set_colors(las: Any, colors: np.ndarray) -> None:
    las.red, las.green, las.blue = (colors.astype(np.uint16) * 257).T


def _sixteen_bits(fraction: np.ndarray) -> np.ndarray:
    return np.round(np.clip(np.nan_to_num(fraction), 0, 1).astype(np.float64) * 65535).astype(np.uint16)


def _normal_columns(scene: Scene) -> dict[str, np.ndarray]:
    normals = scene.normals_in_source()
    return {} if normals is None else {name: normals[:, axis] for axis, name in enumerate(_NORMALS)}


def _add(las: Any, columns: dict[str, np.ndarray], path: Path) -> None:
    """Sets standard dimensions that can hold these values, and adds extra dimensions for the others."""
    import laspy

    extra: dict[str, np.ndarray] = {}
    for name, value in _storable(columns, path).items():
        if name in las.point_format.standard_dimension_names and _set_standard(las, name, value):
            continue
        extra[_dimension_name(name, [*las.point_format.standard_dimension_names, *extra])] = value
    replaced = [name for name in las.point_format.extra_dimension_names if name in extra]
    if replaced:
        las.remove_extra_dims(replaced)
    if extra:
        las.add_extra_dims([laspy.ExtraBytesParams(name, value.dtype) for name, value in extra.items()])
        for name, value in extra.items():
            las[name] = value


def _storable(columns: dict[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """One column a name, of a type that LAS has."""
    result: dict[str, np.ndarray] = {}
    for name, value in columns.items():
        value = np.asarray(value)
        if value.dtype.kind not in "biuf" or value.ndim > 2:
            text = f"{path}: attribute {name} was left out; LAS holds numbers, one or a few for each point"
            warnings.warn(text, ScanwiseWarning, stacklevel=5)
            continue
        narrow = {"b1": np.uint8, "f2": np.float32}.get(value.dtype.str[1:])
        value = value.astype(narrow or value.dtype.newbyteorder("="))
        if value.dtype.itemsize > 8:
            value = value.astype(np.float64)
        if value.ndim == 1:
            result[name] = value
        else:
            result |= {f"{name[:28]}_{axis}": part for axis, part in enumerate(value.T)}
    return result


def _set_standard(las: Any, name: str, value: np.ndarray) -> bool:
    was = np.array(las[name])
    try:
        las[name] = value
    except (OverflowError, ValueError, TypeError):
        las[name] = was
        return False
    if np.array_equal(np.array(las[name]), value):
        return True
    las[name] = was
    return False


def _dimension_name(name: str, taken: list[str]) -> str:
    """The name cut to the 32 bytes that LAS has for it, told apart from those that are taken."""
    result = name.encode()[:32].decode(errors="ignore")
    number = 1
    while result in taken:
        tail = f"_{number}"
        result = name.encode()[: 32 - len(tail)].decode(errors="ignore") + tail
        number += 1
    return result
