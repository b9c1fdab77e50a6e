"""What a PLY file means beyond its vertices: a coarse mesh, whose surface counts, or gaussian splats."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.ply_elements import ListColumn, Ply
from scanwise.scene import Scene

_COARSE = 0.01
"""Mean distance of vertices, as a share of the mesh's diagonal, above which they do not stand for its surface."""
_MANY = 100_000
"""Vertices that no mesh has which is coarse in that sense."""
_OF_RENDERING = {"alpha", "s", "t", "u", "v", "texture_u", "texture_v", "radius", "confidence"}
_SH_0 = 0.28209479177387814  # the constant spherical harmonic
_CLEAR = 0.1  # opacity below which a splat is hardly seen


def surface_of(scene: Scene, ply: Ply, path: Path) -> Scene | None:
    """Points drawn from the surface of a mesh whose vertices are too few to stand for it; None for any other file.

    Vertices that carry labels or other columns of their own stay what they are.
    """
    if len(scene) > _MANY or _says_more(scene):
        return None
    faces = _triangles(ply)
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(scene):
        return None
    corners = scene.points[faces].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    diagonal = np.linalg.norm(np.ptp(scene.points[np.unique(faces)].astype(np.float64), axis=0))
    if not (np.isfinite(area) and area > 0) or np.sqrt(area / len(scene)) < _COARSE * diagonal:
        return None
    import trimesh

    from scanwise.formats import mesh

    part = trimesh.Trimesh(scene.points_in_source(), faces, vertex_colors=scene.colors, process=False)
    cloud = mesh.cloud_of([part], path)
    text = f"{path}: a mesh of {len(scene):,} vertices; {len(cloud):,} points drawn from its surface are taken instead"
    warnings.warn(text, ScanwiseWarning, stacklevel=3)
    return cloud


def with_splat_colors(scene: Scene, path: Path) -> Scene:
    """Gives gaussian splats the colour that they have from all sides; any other scene stays as it is."""
    names = ("f_dc_0", "f_dc_1", "f_dc_2", "opacity")
    columns = [scene.attributes[name] for name in names if name in scene.attributes]
    if len(columns) < len(names) or scene.colors is not None or any(c.dtype.kind != "f" for c in columns):
        return scene
    *harmonics, opacity = (np.nan_to_num(column.astype(np.float64), posinf=0, neginf=0) for column in columns)
    scene.colors = np.round(np.clip(0.5 + _SH_0 * np.stack(harmonics, axis=1), 0, 1) * 255).astype(np.uint8)
    clear = np.count_nonzero(opacity < np.log(_CLEAR / (1 - _CLEAR)))
    text = f"{path}: gaussian splats; their colours are taken from f_dc, their centres for points"
    if clear:
        text += f", also of {clear:,} of {len(scene):,} that can hardly be seen (opacity below {_CLEAR:.0%})"
    warnings.warn(text, ScanwiseWarning, stacklevel=3)
    return scene


def refuse_packed_splats(ply: Ply, path: Path) -> None:
    """Raises InputError for splats in a form that only viewers of splats unpack."""
    if "packed_position" in ply.elements["vertex"].columns:
        raise InputError(f"{path}: compressed gaussian splats, which are not read; save them as an uncompressed .ply")


def _triangles(ply: Ply) -> np.ndarray:
    """The faces (F, 3) int64, those of more corners cut into fans."""
    face = ply.elements.get("face")
    lists = [column for column in face.columns.values() if isinstance(column, ListColumn)] if face else []
    if not lists or lists[0].values.dtype.kind not in "iu":
        return np.empty((0, 3), np.int64)
    counts, values = lists[0].counts.astype(np.int64), lists[0].values.astype(np.int64)
    starts = np.cumsum(counts) - counts
    fans = [np.empty((0, 3), np.int64)]
    for corners in np.unique(counts[counts >= 3]).tolist():
        rows = values[starts[counts == corners][:, None] + np.arange(corners)]
        fans += [rows[:, [0, k, k + 1]] for k in range(1, corners - 1)]
    return np.concatenate(fans)


def _says_more(scene: Scene) -> bool:
    """Whether vertices have something that points drawn elsewhere would not have."""
    more = set(scene.attributes) - _OF_RENDERING
    return bool(more) or any(c is not None for c in (scene.labels, scene.instances, scene.intensity))
