"""PLY into and out of a `Scene`: any vertex properties, faces and other elements kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.class_comments import comments_of, split_comments, with_classes
from scanwise.formats.columns import Columns, columns_from_scene, original_columns, scene_from_columns
from scanwise.formats.ply_elements import Element, ListColumn, Ply, read_elements
from scanwise.formats.ply_meshes import refuse_packed_splats, surface_of, with_splat_colors
from scanwise.formats.ply_writing import write_elements
from scanwise.scene import Scene


@dataclass(eq=False)
class PlyExtras:
    """What a PLY file holds beside the columns of its points.

    Attributes:
        ply: the file's elements in order, "vertex" among them; comments; obj_info.
    """

    ply: Ply


def read(path: str | os.PathLike[str]) -> Scene:
    """A PLY file as a scene of N >= 0 points: its vertices, or points drawn from the surface of a coarse mesh.

    Properties become the fields that `formats.columns` recognises, the rest `attributes`. Gaussian splats have the
    colour of their f_dc.

    Raises:
        InputError: the file does not hold what its header promises, or no vertices with x, y and z.
    """
    scene = read_vertices(path)
    assert isinstance(scene.raw, Columns)
    surface = surface_of(scene, scene.raw.extras.ply, Path(path))
    return with_splat_colors(scene, Path(path)) if surface is None else surface


def read_vertices(path: str | os.PathLike[str]) -> Scene:
    """The vertices of a PLY file, whatever its faces are: what the labels of a data set belong to.

    Raises:
        InputError: as `read`.
    """
    path = Path(path)
    ply = read_elements(path)
    vertices = ply.elements.get("vertex")
    if vertices is None:
        there = ", ".join(ply.elements) or "none"
        raise InputError(f"{path}: the PLY header has no element vertex; it has {there}")
    refuse_packed_splats(ply, path)
    columns = {key: value for key, value in vertices.columns.items() if isinstance(value, np.ndarray)}
    names, ply.comments = split_comments(ply.comments)
    scene = scene_from_columns(columns, name=path.stem, source_format="ply", raw=PlyExtras(ply), where=str(path))
    return with_classes(scene, names, path)


def write(scene: Scene, path: str | os.PathLike[str], *, encoding: str = "binary_little_endian") -> None:
    """Writes the scene's points in its source's frame, with everything that is known about each of them.

    A scene read from PLY keeps its properties' names, types and order, its comments and its other elements
    (faces, ...) as long as the number of points is the same.

    Args:
        scene: what to write.
        path: of the file.
        encoding: "ascii", "binary_little_endian" or "binary_big_endian".

    Raises:
        OutputError: the place cannot be written, or the encoding is unknown.
    """
    columns = storable_columns(columns_from_scene(scene), "PLY")
    vertices = Element(len(scene), dict(columns))
    ply = Ply({"vertex": vertices})
    extras = scene.raw.extras if isinstance(scene.raw, Columns) and original_columns(scene) else None
    if isinstance(extras, PlyExtras):
        old = extras.ply
        lists = {k: v for k, v in old.elements["vertex"].columns.items() if isinstance(v, ListColumn)}
        vertices.columns |= {k: v for k, v in lists.items() if k not in columns}
        ply = Ply(old.elements | {"vertex": vertices}, old.comments, old.obj_info)
    ply.comments = [*ply.comments, *comments_of(scene)]
    write_elements(ply, path, encoding=encoding)


def triangles(scene: Scene, path: Path) -> np.ndarray | None:
    """The faces of a mesh that `read_vertices` gave.

    Args:
        scene: the mesh, with `raw` as `read_vertices` left it.
        path: of its file, for errors.

    Returns:
        (F, 3) int64 rows of `points`; None where the file has no faces.

    Raises:
        InputError: a face is no triangle, or has a vertex that is not there.
    """
    assert isinstance(scene.raw, Columns)
    face = scene.raw.extras.ply.elements.get("face")
    lists = [column for column in face.columns.values() if isinstance(column, ListColumn)] if face else []
    if not lists:
        return None
    if not (lists[0].counts == 3).all():
        raise InputError(f"{path}: a face is no triangle; the meshes of this data set hold triangles only")
    corners = lists[0].values.reshape(-1, 3).astype(np.int64)
    if len(corners) and (corners.min() < 0 or corners.max() >= len(scene)):
        raise InputError(f"{path}: a face names vertex {int(corners.max())} of {len(scene)}")
    return corners


def storable_columns(
    columns: dict[str, np.ndarray], format_name: str, *, long_integers: bool = False, words: bool = False
) -> dict[str, np.ndarray]:
    """The columns in the eight types of PLY, one (N,) column each.

    (N, C) becomes <name>_0 ...; names become one word each; bool becomes uint8, float16 float32, and 64-bit
    integers int32 or uint32 where they fit, else float64. Texts are left out, with a warning.

    Args:
        columns: (N,) or (N, C) each, by name.
        format_name: for the warning.
        long_integers: the format has integers of any width, so they stay as they are.
        words: the format has words as well.
    """
    result: dict[str, np.ndarray] = {}
    for name, column in columns.items():
        name = header_name(name, result)
        if words and column.dtype.kind == "U" and column.ndim == 1:
            result[name] = column
            continue
        if column.dtype.kind not in "biuf":
            text = f"column {name} holds {column.dtype.name}, which {format_name} cannot; it is left out"
            warnings.warn(text, ScanwiseWarning, stacklevel=3)
            continue
        if not long_integers and column.dtype.kind in "iu" and np.abs(column.astype(np.float64)).max(initial=0) > 2**53:
            text = f"column {name} holds integers beyond 2^53, which {format_name} rounds; .npz keeps them"
            warnings.warn(text, ScanwiseWarning, stacklevel=3)
        column = column if long_integers and column.dtype.kind in "iu" else _storable(column)
        if column.ndim == 1:
            result[name] = column
        else:
            parts = column.reshape(len(column), int(np.prod(column.shape[1:])))
            for k in range(parts.shape[1]):
                result[header_name(f"{name}_{k}", result)] = np.ascontiguousarray(parts[:, k])
    return result


def header_name(name: str, taken: Collection[str]) -> str:
    """A column's name as one word that no column has yet, for headers that separate words by blanks."""
    name = "_".join(name.split()) or "column"
    while name in taken:
        name += "_"
    return name


def _storable(column: np.ndarray) -> np.ndarray:
    kind, size = column.dtype.kind, column.dtype.itemsize
    if kind == "b":
        return column.astype(np.uint8)
    if kind == "f":
        return column.astype(np.float32 if size <= 4 else np.float64, copy=False)
    if size <= 4:
        return column.astype(column.dtype.newbyteorder("="), copy=False)
    for narrow in (np.int32, np.uint32):
        limits = np.iinfo(narrow)
        if column.min(initial=0) >= limits.min and column.max(initial=0) <= limits.max:
            return column.astype(narrow)
    return column.astype(np.float64)
