"""NumPy's own files: one array in NPY, named arrays in NPZ. Pickled objects are never loaded.

NPY: a table (N, C >= 3), whose columns are named as those of a text file without names (see `text`), or a
structured array (N,), whose fields are columns. Written: the table again with its own type, and a structured
array where the columns do not make one table.

NPZ: points, xyz, coord, coords or pos (N, 3); colors, color or rgb (N, 3); normals or normal (N, 3); intensity or
strength; labels, label, segment, segment20, semantic, semantic_gt or semantic_gt20; instances, instance or
instance_gt. Other arrays of N rows are attributes; the rest goes back out as it came. Written with the names that the
file had.
"""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import replacing
from scanwise.formats.columns import Columns, columns_from_scene, original_columns, scene_from_columns
from scanwise.formats.text import names_by_count
from scanwise.scene import Scene

# Field of the scene -> the columns it stands for, and the names of the array that holds them.
_GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "points": (("x", "y", "z"), ("points", "xyz", "coord", "coords", "pos")),
    "colors": (("red", "green", "blue"), ("colors", "color", "rgb")),
    "normals": (("nx", "ny", "nz"), ("normals", "normal")),
    "intensity": (("intensity",), ("intensity", "strength")),
    "labels": (("label",), ("labels", "label", "segment", "segment20", "semantic", "semantic_gt", "semantic_gt20")),
    "instances": (("instance",), ("instances", "instance", "instance_gt")),
}


@dataclass(frozen=True)
class TableLayout:
    """How an NPY file held its columns.

    Attributes:
        dtype: type of its table; None for a structured array.
    """

    dtype: np.dtype | None


@dataclass(frozen=True)
class ArchiveLayout:
    """How an NPZ file held its columns.

    Attributes:
        names: field of the scene -> name of its array in the file.
        others: arrays that are not one row a point.
    """

    names: dict[str, str]
    others: dict[str, np.ndarray]


def read(path: Path) -> Scene:
    """A scene from .npy or .npz.

    Raises:
        InputError: the file is damaged or holds no points.
    """
    loaded = _load(path)
    form = path.suffix.lower().lstrip(".")
    layout: TableLayout | ArchiveLayout
    if isinstance(loaded, dict):
        columns, layout = _from_archive(loaded, path)
    else:
        columns, layout = _from_array(loaded, path)
    return scene_from_columns(columns, name=path.stem, source_format=form, raw=layout, where=str(path))


def write(scene: Scene, path: Path) -> None:
    """Writes .npy, or .npz where the suffix says so.

    Raises:
        OutputError: the place cannot be written.
    """
    columns = {}
    for name, column in columns_from_scene(scene).items():
        if column.dtype.hasobject:
            text = f"{path}: column {name} holds Python objects and is left out"
            warnings.warn(text, ScanwiseWarning, stacklevel=2)
            continue
        columns[name] = column
    original = original_columns(scene)
    layout = scene.raw.extras if isinstance(scene.raw, Columns) and original else None
    if path.suffix.lower() == ".npz":
        content: Any = _to_archive(columns, layout if isinstance(layout, ArchiveLayout) else None)
    else:
        content = _to_array(columns, list(original), layout, len(scene))
    with replacing(path) as temporary, temporary.open("wb") as file:
        if isinstance(content, dict):
            _save_archive(file, content)
        else:
            np.save(file, content, allow_pickle=False)


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:  # NumPy would leave a file open that it cannot read
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            arrays = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error
    except Exception as error:  # besides ValueError: zlib.error, BadZipFile, what NumPy's header parser lets through
        said = " ".join(str(error).split())[:120] or type(error).__name__
        if "pickle" in said.lower():
            said = "pickled objects, or not of NumPy at all"
        raise InputError(f"{path}: no whole file of plain arrays ({said}); save it again with NumPy") from error
    if other := next((name for name, array in arrays.items() if not isinstance(array, np.ndarray)), None):
        raise InputError(f"{path}: {other} in it is no array; save it again with NumPy")
    return arrays


def _from_array(array: np.ndarray, path: Path) -> tuple[dict[str, np.ndarray], TableLayout]:
    if array.dtype.names is not None:
        rows = array.reshape(-1)
        return {name: np.ascontiguousarray(rows[name]) for name in array.dtype.names}, TableLayout(None)
    if array.ndim != 2 or array.shape[1] < 3 or array.dtype.kind not in "iuf":
        raise InputError(f"{path}: an array {array.shape} of {array.dtype} is no cloud; (N, 3) or more columns is")
    names = names_by_count(array)
    columns = {name: np.ascontiguousarray(array[:, index]) for index, name in enumerate(names)}
    return columns, TableLayout(array.dtype)


def _from_archive(arrays: dict[str, np.ndarray], path: Path) -> tuple[dict[str, np.ndarray], ArchiveLayout]:
    names = {field: _first(arrays, spellings) for field, (_, spellings) in _GROUPS.items()}
    if names["points"] is None:
        there = ", ".join(arrays) or "nothing"
        raise InputError(f"{path}: no array points, xyz, coord, coords or pos in it; it holds {there}")
    points = arrays[names["points"]]
    if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "iuf":
        raise InputError(f"{path}: {names['points']} must be numbers (N, 3), not {points.dtype} {points.shape}")
    columns: dict[str, np.ndarray] = {}
    used: dict[str, str] = {}
    for field, (parts, _) in _GROUPS.items():
        name = names[field]
        if name is None:
            continue
        array = arrays[name]
        if array.shape == (len(points), 1) and len(parts) == 1:
            array = array[:, 0]
        if array.shape != ((len(points), 3) if len(parts) == 3 else (len(points),)):
            raise InputError(f"{path}: {name} is {array.shape} for {len(points)} points")
        columns |= {part: np.ascontiguousarray(c) for part, c in zip(parts, np.atleast_2d(array.T), strict=True)}
        used[field] = name
    others: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if name in used.values():
            continue
        per_point = array.ndim in (1, 2) and len(array) == len(points) and name not in columns
        (columns if per_point else others)[name] = array
    return columns, ArchiveLayout(used, others)


def _first(arrays: dict[str, np.ndarray], spellings: tuple[str, ...]) -> str | None:
    return next((name for name in spellings if name in arrays), None)


def _to_array(columns: dict[str, np.ndarray], original: list[str], layout: Any, rows: int) -> np.ndarray:
    plain = isinstance(layout, TableLayout) and layout.dtype is not None and list(columns) == original
    if plain or list(columns) == ["x", "y", "z"]:
        return np.stack(list(columns.values()), axis=1)
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
