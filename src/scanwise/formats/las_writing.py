"""LAS and LAZ written: records as they came, or made of a scene from elsewhere. See `las`."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import OutputError, ScanwiseWarning
from scanwise.files import replacing
from scanwise.formats.columns import Columns, colors_of_16_bits
from scanwise.formats.las_fields import (
    ASPRS,
    COLORS,
    NORMALS,
    asprs_codes,
    dimension_name,
    fields_of,
    labels_are_in,
    notes_of,
    with_notes,
)
from scanwise.scene import Scene


@dataclass(eq=False)
class LasRecord:
    """`Columns.extras` of a scene from LAS.

    Attributes:
        las: laspy's data as read; never changed.
        attributes: the attributes that were made of its dimensions.
    """

    las: Any
    attributes: dict[str, np.ndarray]


def write(scene: Scene, path: Path) -> None:
    """Writes LAS, or LAZ where the suffix says so.

    Raises:
        OutputError: the place cannot be written or the coordinates do not fit into LAS.
    """
    record = _record_behind(scene)
    if record is None:
        scene = _finite_only(scene, path)
        las, notes = _new(scene, path), {"intensity": 65535}
        added = _columns(scene, las, notes) | scene.attributes
    else:
        las, notes = _copy(record.las), notes_of(record.las.header)
        added = _changed(record.las, las, scene, notes) | _added(record, scene)
    _add(las, added, notes, path)
    if not with_notes(las.header, notes):
        _warn(f"{path}: the names of {len(scene.classes or ())} classes do not fit into LAS and are left out")
    with replacing(path) as temporary:
        las.write(temporary)


def _warn(text: str) -> None:
    warnings.warn(text, ScanwiseWarning, stacklevel=4)


def _record_behind(scene: Scene) -> LasRecord | None:
    """What the scene was read from, if the points are still the same ones."""
    record = scene.raw.extras if isinstance(scene.raw, Columns) else None
    if not isinstance(record, LasRecord) or len(record.las.points) != len(scene):
        return None
    there = np.stack([record.las.x, record.las.y, record.las.z], axis=1)
    return record if np.array_equal(there, scene.points_in_source()) else None


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


def _changed(read: Any, las: Any, scene: Scene, notes: dict[str, Any]) -> dict[str, np.ndarray]:
    """Puts the fields that the scene has otherwise than its records into `las`; what has no place is returned."""
    was = fields_of(read)

    def differs(field: str) -> bool:
        now = getattr(scene, field)
        return now is not None and not np.array_equal(now, was.get(field, ()))

    columns: dict[str, np.ndarray] = {}
    if scene.colors is not None and differs("colors"):
        if "red" in las.point_format.standard_dimension_names:
            las.red, las.green, las.blue = (scene.colors.astype(np.uint16) * 257).T
        else:
            columns |= {name: scene.colors[:, axis] for axis, name in enumerate(COLORS)}
    if scene.intensity is not None and differs("intensity"):
        las.intensity = _sixteen_bits(scene.intensity)
        notes["intensity"] = 65535
    if scene.labels is not None:
        place = labels_are_in(read)
        taken = place == "label" and "label" in scene.attributes
        if taken or differs("labels") or scene.classes != was.get("classes"):
            codes = None if scene.classes is None or scene.classes != was.get("classes") else _identity(scene.classes)
            columns |= _place_labels(las, scene, notes, codes if place == "classification" else None)
    if differs("normals"):
        columns |= _normal_columns(scene)
    if scene.instances is not None and (differs("instances") or "instance" in scene.attributes):
        columns[_free("instance", scene)] = scene.instances
    return columns


def _identity(classes: list[str]) -> np.ndarray | None:
    """Codes of classes that are named by their codes."""
    return np.arange(len(classes), dtype=np.uint8) if classes[: len(ASPRS)] == list(ASPRS) else None


def _added(record: LasRecord, scene: Scene) -> dict[str, np.ndarray]:
    return {name: value for name, value in scene.attributes.items() if record.attributes.get(name) is not value}


def _finite_only(scene: Scene, path: Path) -> Scene:
    kept = scene.finite & np.isfinite(scene.points_in_source()).all(1)
    if kept.all():
        return scene
    _warn(f"{path}: {np.count_nonzero(~kept)} points that are not finite were left out; LAS has no place for them")

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
        las.red, las.green, las.blue = colors_of_16_bits(scene) or (scene.colors.astype(np.uint16) * 257).T
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


def _columns(scene: Scene, las: Any, notes: dict[str, Any]) -> dict[str, np.ndarray]:
    """The fields of a scene from elsewhere that go into extra dimensions; the classification is set."""
    columns = _normal_columns(scene)
    if scene.labels is not None:
        columns |= _place_labels(las, scene, notes, None)
    if scene.instances is not None:
        columns[_free("instance", scene)] = scene.instances
    return columns


def _place_labels(las: Any, scene: Scene, notes: dict[str, Any], codes: np.ndarray | None) -> dict[str, np.ndarray]:
    """Sets the classification where the classes have codes; else gives the column for an extra dimension.

    Args:
        las: what is written.
        scene: with labels.
        notes: scanwise's own record of the file, changed in place.
        codes: of the classes, where they are known; None = by their names.
    """
    assert scene.labels is not None
    codes = asprs_codes(scene.classes) if codes is None else codes
    largest = int(scene.labels.max(initial=-1))
    room = 256 if las.point_format.id >= 6 else 32
    classes = scene.classes
    if (
        codes is not None
        and largest < len(codes)
        and int(codes.max(initial=0)) < room
        and notes.get("labels") != "label"
    ):
        las.classification = np.where(scene.labels < 0, 0, codes[scene.labels])
        notes["labels"] = "classification"
        classes = None if np.array_equal(codes, np.arange(len(codes))) else classes
        column = {}
    else:
        column = {_free("label", scene): scene.labels}
        if "label" in scene.attributes:
            notes.pop("labels", None)
            classes = None
        else:
            notes["labels"] = "label"
    notes.pop("classes", None)
    if classes:
        notes["classes"] = list(classes)
    return column


def _free(name: str, scene: Scene) -> str:
    """The name of a field's dimension, aside where an attribute takes it."""
    while name in scene.attributes:
        name += "_in"
    return name


def _sixteen_bits(fraction: np.ndarray) -> np.ndarray:
    return np.round(np.clip(np.nan_to_num(fraction), 0, 1).astype(np.float64) * 65535).astype(np.uint16)


def _normal_columns(scene: Scene) -> dict[str, np.ndarray]:
    normals = scene.normals_in_source()
    return {} if normals is None else {name: normals[:, axis] for axis, name in enumerate(NORMALS)}


def _add(las: Any, columns: dict[str, np.ndarray], notes: dict[str, Any], path: Path) -> None:
    """Sets standard dimensions that can hold these values, and adds extra dimensions for the others."""
    import laspy

    extra: dict[str, np.ndarray] = {}
    shortened: dict[str, str] = {}
    for name, value in _storable(columns, path).items():
        if name in las.point_format.standard_dimension_names and _set_standard(las, name, value):
            continue
        short = dimension_name(name, [*las.point_format.standard_dimension_names, *extra])
        extra[short] = value
        if short != name:
            shortened[short] = name
    if shortened:
        notes["names"] = notes.get("names", {}) | shortened
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
            _warn(f"{path}: attribute {name} was left out; LAS holds numbers, one or a few for each point")
            continue
        narrow = {"b1": np.uint8, "f2": np.float32}.get(value.dtype.str[1:])
        value = value.astype(narrow or value.dtype.newbyteorder("="))
        if value.dtype.itemsize > 8:
            value = value.astype(np.float64)
        parts = {name: value} if value.ndim == 1 else {f"{name}_{axis}": part for axis, part in enumerate(value.T)}
        for part in parts:
            free = part
            while free in result:
                free += "_"
            result[free] = parts[part]
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
