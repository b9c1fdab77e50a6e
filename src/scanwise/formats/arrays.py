"""NumPy's own files: one array in NPY, named arrays in NPZ. Pickled objects are never loaded.

NPY: a table (N, C >= 3), also (C, N) or (H, W, C), whose columns are named by their values (see `naming`), or a
structured array (N,), whose fields are columns, or arrays as in an NPZ. Written: the table again with its own type, and
a structured array where the columns do not make one table.

NPZ: points, xyz, coord, coords or pos (N, 3); colors, color or rgb (N, 3); normals or normal (N, 3); intensity or
strength; labels, label, segment, segment20, segment200, semantic, semantic_gt or semantic_gt20; instances, instance or
instance_gt; classes (K,), texts that name the labels. Other arrays of N rows are attributes; the rest goes back out as
it came. The points may have further columns, which are named by their values, and any name where they are the only
table. Written with the names that the file had.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import replacing
from scanwise.formats.class_comments import checked_names, names_to_write, note_lost_names, with_classes
from scanwise.formats.columns import Columns, columns_from_scene, original_columns, scene_from_columns
from scanwise.formats.naming import column_names
from scanwise.formats.npy import load
from scanwise.scene import Scene

# Field of the scene -> the columns it stands for, and the names of the array that holds them.
_GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "points": (("x", "y", "z"), ("points", "xyz", "coord", "coords", "pos")),
    "colors": (("red", "green", "blue"), ("colors", "color", "rgb")),
    "normals": (("nx", "ny", "nz"), ("normals", "normal")),
    "intensity": (("intensity",), ("intensity", "strength")),
    "labels": (
        ("label",),
        ("labels", "label", "segment", "segment20", "semantic", "semantic_gt", "semantic_gt20", "segment200"),
    ),
    "instances": (("instance",), ("instances", "instance", "instance_gt")),
}

_CLASSES = "classes"
_MOST_COLUMNS = 24
"""Columns that a table may have; more of them are its rows."""


@dataclass(frozen=True)
class TableLayout:
    """How an NPY file held its columns.

    Attributes:
        dtype: type of its table; None for a structured array.
        transposed: whether it was (C, N).
    """

    dtype: np.dtype | None
    transposed: bool = False


@dataclass(frozen=True)
class ArchiveLayout:
    """How an NPZ file held its columns.

    Attributes:
        names: field of the scene -> name of its array in the file.
        others: arrays that are not one row a point.
    """

    names: dict[str, str]
    others: dict[str, np.ndarray]


def read(path: Path, columns: Sequence[str] | None = None) -> Scene:
    """A scene from .npy or .npz.

    Args:
        path: of the file.
        columns: what each column of its table is ("x", "y", "z", "r", "g", "b", "label", "-" for none, ...); None = by
            the values.

    Raises:
        InputError: the file is damaged or holds no points.
    """
    loaded = load(path)
    fields = () if isinstance(loaded, dict) else loaded.dtype.names or ()
    if not isinstance(loaded, dict) and _first(fields, _GROUPS["points"][1]):
        loaded = {name: np.ascontiguousarray(loaded.reshape(-1)[name]) for name in fields}
    if isinstance(loaded, dict):
        return scene_of(loaded, path, path.stem, columns)
    found, layout = _from_array(loaded, path, columns)
    return scene_from_columns(found, name=path.stem, source_format="npy", raw=layout, where=str(path))


def scene_of(arrays: dict[str, np.ndarray], path: Path, name: str, columns: Sequence[str] | None = None) -> Scene:
    """A scene from arrays by name, those of an archive or of a folder.

    Args:
        arrays: of one row a point, and others.
        path: what errors begin with.
        name: of the scene.
        columns: as in `read`.

    Raises:
        InputError: there are no points, or arrays differ in length.
    """
    found, layout = _from_archive(arrays, path, columns)
    scene = scene_from_columns(found, name=name, source_format="npz", raw=layout, where=str(path))
    names = layout.others.get(_CLASSES)
    return scene if names is None else with_classes(scene, checked_names(names.tolist()), path)


def write(scene: Scene, path: Path) -> None:
    """Writes .npy, or .npz where the suffix says so.

    Raises:
        OutputError: the place cannot be written.
    """
    columns = {}
    for name, column in columns_from_scene(scene, texts=True).items():
        if column.dtype.hasobject:
            text = f"{path}: column {name} holds Python objects and is left out"
            warnings.warn(text, ScanwiseWarning, stacklevel=2)
            continue
        columns[name] = column
    original = original_columns(scene)
    layout = scene.raw.extras if isinstance(scene.raw, Columns) and original else None
    if path.suffix.lower() == ".npz":
        content: Any = _to_archive(columns, layout if isinstance(layout, ArchiveLayout) else None)
        if names := names_to_write(scene):
            content[_CLASSES] = np.array(names)
    else:
        note_lost_names(scene, path)
        content = _to_array(columns, list(original), layout, len(scene))
    with replacing(path) as temporary, temporary.open("wb") as file:
        if isinstance(content, dict):
            _save_archive(file, content)
        else:
            np.save(file, content, allow_pickle=False)


def _from_array(
    array: np.ndarray, path: Path, given: Sequence[str] | None
) -> tuple[dict[str, np.ndarray], TableLayout]:
    if array.dtype.names is not None:
        rows = array.reshape(-1)
        return {name: np.ascontiguousarray(rows[name]) for name in array.dtype.names}, TableLayout(None)
    table, transposed = _table(array, path)
    if table is None:
        raise InputError(f"{path}: an array {array.shape} of {array.dtype} is no cloud; (N, 3) or more columns is")
    return _named(table, path, given), TableLayout(array.dtype, transposed)


def _table(array: np.ndarray, where: object) -> tuple[np.ndarray | None, bool]:
    """Numbers as one row a point (N, C >= 3), and whether they were (C, N); None = they are no such thing."""
    if array.dtype.kind not in "iuf":
        return None, False
    while array.ndim > 2 and 1 in array.shape[:-1]:  # a batch of one
        array = np.squeeze(array, axis=array.shape.index(1))
    if array.ndim == 3 and 3 <= array.shape[2] <= _MOST_COLUMNS and array.dtype.kind == "f":
        array = array.reshape(-1, array.shape[2])  # a depth camera's picture of points
    if array.ndim != 2:
        return None, False
    if 3 <= array.shape[0] <= _MOST_COLUMNS < array.shape[1]:
        text = f"{where}: {array.shape} numbers are taken for {array.shape[1]} points, a column each"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
        return array.T, True
    return (array, False) if array.shape[1] >= 3 else (None, False)


def _named(table: np.ndarray, path: Path, given: Sequence[str] | None) -> dict[str, np.ndarray]:
    names = column_names(table, given, path)
    return {name: np.ascontiguousarray(table[:, index]) for index, name in enumerate(names)}


def _from_archive(
    arrays: dict[str, np.ndarray], path: Path, given: Sequence[str] | None
) -> tuple[dict[str, np.ndarray], ArchiveLayout]:
    names = {field: _first(arrays, spellings) for field, (_, spellings) in _GROUPS.items()}
    name_of_points = names.pop("points") or _only_table(arrays, names)
    if name_of_points is None:
        there = ", ".join(arrays) or "nothing"
        raise InputError(f"{path}: no array points, xyz, coord, coords or pos in it; it holds {there}")
    array = arrays[name_of_points]
    points, transposed = _table(array, path)
    if points is None:
        raise InputError(f"{path}: {name_of_points} must be numbers (N, 3), not {array.dtype} {array.shape}")
    columns = _named(points, path, given)
    used = {"points": name_of_points}
    for field, name in names.items():
        if name is not None:
            columns |= _group(field, name, arrays[name].T if transposed else arrays[name], len(points), path)
            used[field] = name
    others: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if name in used.values():
            continue
        per_point = array.ndim in (1, 2) and len(array) == len(points) and name not in (*columns, _CLASSES)
        (columns if per_point else others)[name] = array
    return columns, ArchiveLayout(used, others)


def _group(field: str, name: str, array: np.ndarray, points: int, path: Path) -> dict[str, np.ndarray]:
    """The columns of a field of the scene, from its array."""
    parts, _ = _GROUPS[field]
    if array.shape == (points, 1) and len(parts) == 1:
        array = array[:, 0]
    elif array.shape == (points, 4) and field == "colors":
        array = array[:, :3]  # and how opaque they are
    if array.shape != ((points, 3) if len(parts) == 3 else (points,)):
        raise InputError(f"{path}: {name} is {array.shape} for {points} points")
    return {part: np.ascontiguousarray(c) for part, c in zip(parts, np.atleast_2d(array.T), strict=True)}


def _only_table(arrays: dict[str, np.ndarray], known: dict[str, str | None]) -> str | None:
    """The name of the only array that could be points, whatever it is called."""
    free = [name for name in arrays if name not in known.values() and arrays[name].dtype.kind == "f"]
    found = [name for name in free if arrays[name].ndim == 2 and max(arrays[name].shape) > 4]
    return found[0] if len(found) == 1 else None


def _first(arrays: Collection[str], spellings: tuple[str, ...]) -> str | None:
    return next((name for name in spellings if name in arrays), None)


def _to_array(columns: dict[str, np.ndarray], original: list[str], layout: Any, rows: int) -> np.ndarray:
    plain = isinstance(layout, TableLayout) and layout.dtype is not None and list(columns) == original
    if plain or list(columns) == ["x", "y", "z"]:
        return np.stack(list(columns.values()), axis=0 if plain and layout.transposed else 1)
    fields = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    table = np.empty(rows, np.dtype(fields))
    for name, column in columns.items():
        table[name] = column
    return table


def _to_archive(columns: dict[str, np.ndarray], layout: ArchiveLayout | None) -> dict[str, np.ndarray]:
    names = layout.names if layout else {}
    rest = dict(columns)
    arrays: dict[str, np.ndarray] = {}
    for field, (parts, spellings) in _GROUPS.items():
        if all(part in rest for part in parts):
            values = [rest.pop(part) for part in parts]
            arrays[names.get(field, spellings[0])] = values[0] if len(parts) == 1 else np.stack(values, axis=1)
    for name, array in [*rest.items(), *(layout.others if layout else {}).items()]:
        while name in arrays:
            name += "_in"
        arrays[name] = array
    return arrays


def _save_archive(file: Any, arrays: dict[str, np.ndarray]) -> None:
    """`np.savez` without its keyword arguments, which forbid arrays named `file` or `allow_pickle`."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
