"""Named per-point columns of a file into a `Scene` and back, for every format that stores columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.scene import Scene

FAR = 10_000.0
"""Metres from the origin beyond which float32 steps reach a millimetre, and coordinates are shifted."""

# Names are compared in lower case and without CloudCompare's "scalar_"; the first group that is there wins.
_XYZ = [("x", "y", "z")]
_COLORS = [("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")]
_PACKED = [("rgb",), ("rgba",)]
_NORMALS = [("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz")]
_INTENSITY = [("intensity",), ("reflectance",), ("remission",)]
_LABELS = [
    *(("label",), ("labels",), ("class",), ("class_id",), ("classification",)),
    *(("semantic",), ("semantic_label",), ("semantic_id",)),
]
_INSTANCES = [("instance",), ("instance_id",), ("instances",), ("instance_label",), ("object_id",)]

_NAMES_OUT = {
    "points": ("x", "y", "z"),
    "colors": ("red", "green", "blue"),
    "normals": ("nx", "ny", "nz"),
    "intensity": ("intensity",),
    "labels": ("label",),
    "instances": ("instance",),
}


@dataclass(eq=False)
class Columns:
    """`Scene.raw` of formats that store columns: what the file held, for a writer to give back.

    Attributes:
        original: every column under its name, in the file's order and types, (N,) or (N, C).
        extras: what else the format keeps (comments, faces, view point, ...).
    """

    original: dict[str, np.ndarray]
    extras: Any = None

    def __len__(self) -> int:
        return len(next(iter(self.original.values())))


def scene_from_columns(
    columns: dict[str, np.ndarray], *, name: str, source_format: str, raw: Any = None, where: str = ""
) -> Scene:
    """A scene from the columns of a file.

    What is recognised, whatever the case of the letters:
      x y z (required), in metres. float64 or integers stay exact in `source_points`; coordinates more than
        10 km from the origin are shifted by whole metres, and `to_source` leads back. Rows that are not
        finite stay.
      red green blue, r g b, diffuse_red ..., or PCL's packed rgb / rgba of four bytes. 8 bits as they are;
        other integers are 8 bits up to 255 and 16 bits above; floats up to 1 are fractions.
      nx ny nz or normal_x ...: made unit; zero and non-finite ones are zero.
      intensity, reflectance: uint8 / 255, uint16 / 65535; other types by their largest value: up to 1 as it
        is, up to 255 / 255, up to 65535 / 65535, beyond that / the largest.
      label, class, semantic, ... and instance, ...: whole numbers; negative and NaN are -1.
    A column that fits none of these, or whose values do not fit its name, goes to `attributes`.

    Args:
        columns: (N,) or (N, C) each, by name.
        name: of the scene.
        source_format: suffix of the file.
        raw: kept as `Columns.extras`.
        where: what errors begin with, the file's path; "" = `name`.

    Raises:
        InputError: x, y or z is missing or holds no numbers, or columns differ in length.
    """
    _check(columns, where or name)
    made, sources = _interpret(columns)
    used = {column for group in sources.values() for column in group}
    points, source_points, to_source = _place(made.pop("points"))
    return Scene(
        points=points,
        source_points=source_points,
        to_source=to_source,
        **made,
        attributes={key: value for key, value in columns.items() if key not in used},
        name=name,
        source_format=source_format,
        raw=Columns(dict(columns), raw),
    )


def columns_from_scene(scene: Scene) -> dict[str, np.ndarray]:
    """The columns (N,) or (N, C) to write for a scene, in the source's own frame.

    A scene that came from columns and still has as many points gives them back as they were. Where a field
    of the scene says something else than its columns by now, or is new, the field goes out (as x y z, red
    green blue, nx ny nz, intensity, label, instance). Attributes that the file did not have follow; where
    one takes the name of a column of the file, that column goes out as `<name>_in`.
    Who reorders the points sets `raw=None`.
    """
    original = original_columns(scene)
    then, sources = _interpret(original) if original else ({}, {})
    field_of = {column: key for key, names in sources.items() for column in names}
    kept = _kept(scene, original, then, field_of)
    added = _added(scene, original, field_of)
    result: dict[str, np.ndarray] = {}
    for key, value in kept.items():
        result[_free(key, added.keys() | result.keys())] = value
    return result | added


def original_columns(scene: Scene) -> dict[str, np.ndarray]:
    """The file's columns behind this scene, as they were; {} where there are none or their number changed."""
    if isinstance(scene.raw, Columns) and len(scene.raw) == len(scene):
        return scene.raw.original
    return {}


def _check(columns: dict[str, np.ndarray], where: str) -> None:
    there = ", ".join(columns) or "none"
    names = _find(columns, _XYZ)
    if names is None:
        raise InputError(f"{where}: columns x, y and z of numbers are needed; the file has {there}")
    rows = len(columns[names[0]])
    for key, column in columns.items():
        if len(column) != rows:
            raise InputError(f"{where}: column {key} has {len(column)} rows, x has {rows}")


def _find(columns: dict[str, np.ndarray], groups: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The file's names of the first group of which every column is there and holds numbers."""
    known: dict[str, str] = {}
    for key, column in columns.items():
        if column.ndim == 1 and column.dtype.kind in "biuf":
            known.setdefault(key.lower().removeprefix("scalar_"), key)
    for group in groups:
        if all(member in known for member in group):
            return tuple(known[member] for member in group)
    return None


def _interpret(columns: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Scene fields that the columns give, and the names of the columns behind each."""
    made: dict[str, Any] = {}
    sources: dict[str, tuple[str, ...]] = {}
    for key, groups, convert in (
        ("points", _XYZ, lambda xyz: np.stack(xyz, axis=1)),
        ("colors", _COLORS, _colors),
        ("colors", _PACKED, _unpacked),
        ("normals", _NORMALS, _normals),
        ("intensity", _INTENSITY, _intensity),
        ("labels", _LABELS, _whole),
        ("instances", _INSTANCES, _whole),
    ):
        names = _find(columns, groups)
        value = None if names is None or key in made else convert([columns[n] for n in names])
        if names is not None and value is not None:
            made[key], sources[key] = value, names
    return made, sources


def _place(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """float32 points, the exact ones where float32 loses something, and the way back (4, 4)."""
    to_source = np.eye(4)
    finite = xyz[np.isfinite(xyz).all(1)]
    if len(finite) and (finite.max() > FAR or finite.min() < -FAR):
        to_source[:3, 3] = np.round(np.partition(finite, len(finite) // 2, axis=0)[len(finite) // 2])
    elif xyz.dtype == np.float32:
        return xyz, None, to_source
    with np.errstate(over="ignore", invalid="ignore"):
        points = (xyz.astype(np.float64) - to_source[:3, 3]).astype(np.float32)
    return points, xyz, to_source


def _colors(channels: list[np.ndarray]) -> np.ndarray:
    values = np.stack(channels, axis=1)
    if values.dtype == np.uint8:
        return values
    fractions = values.dtype.kind == "f"
    values = np.nan_to_num(values.astype(np.float64), nan=0, posinf=0, neginf=0)
    largest = values.max(initial=0)
    if fractions and largest <= 1:
        values = values * 255
    elif largest > 255:
        values = values / 257
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _unpacked(columns: list[np.ndarray]) -> np.ndarray | None:
    (packed,) = columns
    if packed.dtype.itemsize != 4:
        return None
    bits = np.ascontiguousarray(packed).view(np.uint32)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)


def pack_colors(colors: np.ndarray) -> np.ndarray:
    """Colours uint8 (N, 3) RGB as uint32 (N,) 0x00RRGGBB, PCL's packed colour."""
    wide = colors.astype(np.uint32)
    return wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]


def _normals(axes: list[np.ndarray]) -> np.ndarray:
    values = np.stack(axes, axis=1).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(values, axis=1)
        usable = np.isfinite(length) & (length > 0)
        values[~usable] = 0
        off_unit = usable & (np.abs(length - 1) > 1e-4)
        values[off_unit] /= length[off_unit, None]
    return values.astype(np.float32)


def _intensity(columns: list[np.ndarray]) -> np.ndarray:
    (column,) = columns
    values = np.nan_to_num(column.astype(np.float64), nan=0, posinf=0, neginf=0)
    if column.dtype in (np.uint8, np.uint16):
        scale = float(np.iinfo(column.dtype).max)
    else:
        largest = float(values.max(initial=0))
        scale = next((step for step in (1.0, 255.0, 65535.0) if largest <= step), largest)
    return np.clip(values / scale, 0, 1).astype(np.float32)


def _whole(columns: list[np.ndarray]) -> np.ndarray | None:
    """int32 ids; None when the values are not whole numbers that fit."""
    (column,) = columns
    values = np.nan_to_num(column.astype(np.float64), nan=-1) if column.dtype.kind == "f" else column
    limits = np.iinfo(np.int32)
    if len(values) and (values.max() > limits.max or values.min() < limits.min):
        return None
    ids = values.astype(np.int32)
    return np.maximum(ids, -1) if np.array_equal(ids, values) else None


def _kept(
    scene: Scene, original: dict[str, np.ndarray], then: dict[str, np.ndarray], field_of: dict[str, str]
) -> dict[str, np.ndarray]:
    """The original columns with those replaced whose scene field changed, and new fields after them."""
    now = {
        "points": scene.points_in_source(),
        "colors": scene.colors,
        "normals": scene.normals_in_source(),
        "intensity": scene.intensity,
        "labels": scene.labels,
        "instances": scene.instances,
    }
    changed = {key for key, value in now.items() if not _same(key, then.get(key), value)}
    fresh = {name: part for key in now if key in changed for name, part in _split(key, now[key]).items()}
    kept: dict[str, np.ndarray] = {}
    for name, column in original.items():
        key = field_of.get(name, "")
        if key not in changed:
            kept[_free(name, kept.keys() | fresh)] = column
        else:
            kept |= {part: fresh[part] for part in _NAMES_OUT[key] if part in fresh}
    return kept | fresh


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_in"
    return name


def _split(key: str, value: np.ndarray | None) -> dict[str, np.ndarray]:
    if value is None:
        return {}
    names = _NAMES_OUT[key]
    return {name: np.ascontiguousarray(part) for name, part in zip(names, np.atleast_2d(value.T), strict=True)}


def _same(key: str, then: np.ndarray | None, now: np.ndarray | None) -> bool:
    """Whether a field still says what its columns say, up to the rounding of turning a scene and back."""
    if then is None or now is None:
        return then is now
    if np.array_equal(then, now, equal_nan=True):
        return True
    if key not in ("points", "normals"):
        return False
    finite = np.abs(then[np.isfinite(then)])
    tolerance = 1e-6 * max(1.0, float(finite.max(initial=0)))
    return np.allclose(then, now, rtol=0, atol=tolerance, equal_nan=True)


def _added(scene: Scene, original: dict[str, np.ndarray], used: Collection[str]) -> dict[str, np.ndarray]:
    """Attributes that are not columns of the file; `used` are the columns that became fields of the scene."""
    added = {}
    for name, value in scene.attributes.items():
        column = original.get(name)
        if column is value or original.get(name.removesuffix("_in")) is value:
            continue
        # An answer may equal the column whose name it takes; `with_columns` then moved that column aside.
        taken = name in used or scene.attributes.get(f"{name}_in") is column
        if column is None or taken or column.dtype != value.dtype or column.tobytes() != value.tobytes():
            added[name] = value
    return added
