"""Named per-point columns of a file into a `Scene` and back, for every format that stores columns."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.ranges import color_bytes, intensity_fractions
from scanwise.scene import Scene, place

# Names are compared as `_plain` has them; the first group that is there wins.
_XYZ = [
    *(("x", "y", "z"), ("px", "py", "pz"), ("pos_x", "pos_y", "pos_z"), ("point_x", "point_y", "point_z")),
    *(("easting", "northing", "elevation"), ("easting", "northing", "height"), ("east", "north", "up")),
]
_COLORS = [("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")]
_PACKED = [("rgb",), ("rgba",)]
_NORMALS = [("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz")]
_INTENSITY = [("intensity",), ("reflectance",), ("remission",), ("reflectivity",), ("strength",), ("i",)]
_LABELS = [
    *(("label",), ("labels",), ("class",), ("class_id",), ("classification",), ("category",), ("category_id",)),
    *(("semantic",), ("semantic_label",), ("semantic_id",), ("sem_label",), ("segment",), ("class_name",)),
]
_INSTANCES = [
    *(("instance",), ("instance_id",), ("instances",), ("instance_label",), ("object_id",), ("ins_label",)),
]
_COARSE = 0.01  # metres of rounding that are told
_UNLABELLED = ("", "-", "unlabelled", "unlabeled", "unannotated", "unclassified", "none", "nan", "ignore", "void")

_NAMES_OUT = {
    "points": ("x", "y", "z"),
    "colors": ("red", "green", "blue"),
    "normals": ("nx", "ny", "nz"),
    "intensity": ("intensity",),
    "labels": ("label",),
    "instances": ("instance",),
}


_EMPTY = {"colors": "colours", "normals": "normals", "intensity": "intensities"}


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
      label, class, semantic, ... and instance, ...: whole numbers; negative and NaN are -1. Labels may be words, which
        are `classes` then.
    Colours, normals and intensities that are all 0 were not known to who wrote them: they are none, with a note.
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
    made, sources = _interpret(columns, where or name)
    note_empty([key for key in sources if key not in made], where or name)
    used = {column for group in sources.values() for column in group}
    points, source_points, to_source = place(made.pop("points"))
    if source_points is not None and to_source[:3, 3].any():
        _note_rounded(source_points, to_source[:3, 3], where or name)
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


def columns_from_scene(scene: Scene, *, packed: bool = False, texts: bool = False) -> dict[str, np.ndarray]:
    """The columns (N,) or (N, C) to write for a scene, in the source's own frame.

    A scene that came from columns and still has as many points gives them back as they were. Where a field
    of the scene says something else than its columns by now, or is new, the field goes out (as x y z, red
    green blue, nx ny nz, intensity, label, instance). Attributes that the file did not have follow; where
    one takes the name of a column of the file, that column goes out as `<name>_in`.
    Who reorders the points sets `raw=None`.

    Args:
        scene: what to write.
        packed: keep the packed colours of a PCD file, which no other format's readers know.
        texts: keep labels that are words in the file; else they go out as numbers.
    """
    original = original_columns(scene)
    then, sources = _interpret(original) if original else ({}, {})
    field_of = {column: key for key, names in sources.items() for column in names}
    if not texts and "classes" in then:
        del then["labels"]
    kept = _kept(scene, original, then, field_of)
    added = _added(scene, original, field_of)
    result: dict[str, np.ndarray] = {}
    for key, value in kept.items():
        result[_free(key, added.keys() | result.keys())] = value
    if not packed and scene.source_format == "pcd":
        result = _without_packed(result, sources.get("colors", ()))
    return result | added


def original_columns(scene: Scene) -> dict[str, np.ndarray]:
    """The file's columns behind this scene, as they were; {} where there are none or their number changed."""
    if isinstance(scene.raw, Columns) and len(scene.raw) == len(scene):
        return scene.raw.original
    return {}


def colors_of_16_bits(scene: Scene) -> list[np.ndarray] | None:
    """Red, green and blue (N,) uint16 of the file behind a scene; None where they have 8 bits, or are others by now."""
    original = original_columns(scene)
    names = _find(original, _COLORS)
    if names is None or scene.colors is None:
        return None
    channels = [original[name] for name in names]
    whole = all(channel.dtype.kind in "iu" and channel.min(initial=0) >= 0 for channel in channels)
    if not whole or not 255 < max(int(channel.max(initial=0)) for channel in channels) <= 65535:
        return None
    channels = [channel.astype(np.uint16) for channel in channels]
    return channels if np.array_equal(color_bytes(np.stack(channels, axis=1)), scene.colors) else None


def _check(columns: dict[str, np.ndarray], where: str) -> None:
    there = ", ".join(columns) or "none"
    names = _find(columns, _XYZ)
    if names is None:
        raise InputError(f"{where}: columns x, y and z of numbers are needed; the file has {there}")
    rows = len(columns[names[0]])
    for key, column in columns.items():
        if len(column) != rows:
            raise InputError(f"{where}: column {key} has {len(column)} rows, x has {rows}")


def _find(
    columns: dict[str, np.ndarray], groups: Iterable[tuple[str, ...]], kinds: str = "biuf"
) -> tuple[str, ...] | None:
    """The file's names of the first group of which every column is there and holds numbers (or these kinds)."""
    known: dict[str, str] = {}
    for key, column in columns.items():
        if column.ndim == 1 and column.dtype.kind in kinds:
            known.setdefault(_plain(key), key)
    for group in groups:
        if all(member in known for member in group):
            return tuple(known[member] for member in group)
    return None


def _plain(name: str) -> str:
    """A column's name without CloudCompare's "scalar_", a unit in brackets, and the case of its letters."""
    return re.sub(r"\s*[\[(].*", "", name.strip().lower()).removeprefix("scalar_").replace(" ", "_")


def _interpret(
    columns: dict[str, np.ndarray], where: str | None = None
) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Scene fields that the columns give, and the names of the columns behind each, also of those that are all 0."""
    made: dict[str, Any] = {}
    sources: dict[str, tuple[str, ...]] = {}
    for key, groups, convert in (
        ("points", _XYZ, lambda xyz: np.stack(xyz, axis=1)),
        ("colors", _COLORS, lambda channels: color_bytes(np.stack(channels, axis=1), where)),
        ("colors", _PACKED, _unpacked),
        ("normals", _NORMALS, _normals),
        ("intensity", _INTENSITY, lambda column: intensity_fractions(column[0], where)),
        ("labels", _LABELS, _whole),
        ("instances", _INSTANCES, _whole),
    ):
        names = _find(columns, groups)
        value = None if names is None or key in sources else convert([columns[n] for n in names])
        if names is not None and value is not None:
            sources[key] = names
            if not is_empty(key, value):
                made[key] = value
    if "labels" not in made and (words := _find(columns, _LABELS, kinds="U")) is not None:
        made["classes"], made["labels"] = _classes(columns[words[0]])
        sources["labels"] = words
    return made, sources


def is_empty(field: str, values: np.ndarray | None) -> bool:
    """Whether a field of a scene is there and says nothing: colours, normals or intensities that are all 0."""
    return field in _EMPTY and values is not None and len(values) > 0 and not values.any()


def note_empty(fields: Iterable[str], where: object) -> None:
    """Notes which fields were left out because they say nothing."""
    if words := [_EMPTY[field] for field in fields]:
        text = f"{where}: {', '.join(words)} are all 0, so they are taken for not known"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)


def _note_rounded(xyz: np.ndarray, origin: np.ndarray, where: object) -> None:
    """Notes coordinates that float32 rounded before they came into the file, or because the file keeps them as such."""
    with np.errstate(over="ignore", invalid="ignore"):
        step = float(np.spacing(np.abs(origin).astype(np.float32)).max())
    if not _COARSE <= step < np.inf:
        return
    some = xyz[:: -(-len(xyz) // 1000) or 1].astype(np.float64)
    some = some[np.isfinite(some).all(1)]
    fractions = (some != np.floor(some)).any() or xyz.dtype == np.float32
    with np.errstate(over="ignore"):
        rounded = some.astype(np.float32).astype(np.float64)
    if fractions and np.array_equal(rounded, some):
        text = f"{where}: the file is rounded to {step:g} m, as float32 is that far from the origin"
        warnings.warn(f"{text}; save it with float64, or from nearer the origin", ScanwiseWarning, stacklevel=3)


def _classes(words: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names in order, and for each word (N,) which of them it is, -1 for what says that there is none."""
    names, index = np.unique(words, return_inverse=True)
    named = [name.lower() not in _UNLABELLED for name in names.tolist()]
    place = np.where(named, np.cumsum(named) - 1, -1)
    return names[named].tolist(), place[index].astype(np.int32)


def _unpacked(columns: list[np.ndarray]) -> np.ndarray | None:
    (packed,) = columns
    if packed.dtype.itemsize != 4:
        return None
    bits = np.ascontiguousarray(packed).view(np.uint32)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)


def _without_packed(columns: dict[str, np.ndarray], colors: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The columns with red, green, blue, and alpha where the column is called for it, in place of a packed one."""
    result: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        channels = _unpacked([column]) if (name,) == colors else None
        if channels is None:
            result[name] = column
            continue
        result |= {part: np.ascontiguousarray(channels[:, axis]) for axis, part in enumerate(_COLORS[0])}
        if name.lower() == "rgba":
            result[_free("alpha", columns)] = (np.ascontiguousarray(column).view(np.uint32) >> 24).astype(np.uint8)
    return result


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
