"""Meshes (OBJ, GLB, GLTF, STL, OFF, through trimesh) as clouds: points drawn evenly from the surface. Read only.

One point for each square centimetre, between 10 000 and 500 000, always the same ones; colours from the
texture, the vertices or the faces; normals from the faces. A mesh without faces gives its vertices. glTF has
y up and is turned; the other formats do not say what is up and are taken as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.scene import Scene

FEWEST, MOST = 10_000, 500_000
_AREA = 1e-4  # square metres a point
_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
_WHITE = np.full(3, 255, np.uint8)


def read(path: Path) -> Scene:
    """A cloud from a mesh.

    Raises:
        InputError: the file is damaged or holds no geometry.
    """
    parts = _load(path)
    surfaces = [part for part in parts if len(getattr(part, "faces", ())) > 0]
    if surfaces:
        points, normals, colors = _sample(surfaces, path)
    else:
        points = np.concatenate([np.empty((0, 3)), *(np.asarray(part.vertices) for part in parts)])
        normals, colors = None, _cloud_colors(parts)
    if len(points) == 0:
        raise InputError(f"{path}: no vertices in this mesh")
    form = path.suffix.lower().lstrip(".")
    upright = _Y_UP if form in ("glb", "gltf") else np.eye(4)
    return Scene(
        points=(points @ upright[:3, :3].T).astype(np.float32),
        normals=None if normals is None else (normals @ upright[:3, :3].T).astype(np.float32),
        colors=colors,
        to_source=upright.T,
        name=path.stem,
        source_format=form,
    )


def _load(path: Path) -> list[Any]:
    """The parts of the file, each placed in the frame of the whole."""
    import trimesh

    try:
        with path.open("rb"):
            pass
        scene = trimesh.load_scene(path, process=False)
        return [part for part in scene.dump() if hasattr(part, "vertices")]
    except PermissionError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    except Exception as error:  # its loaders raise whatever a damaged file makes them stumble over
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or unsupported mesh ({said[:200]})") from error


def _sample(parts: list[Any], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Points (n, 3), unit normals (n, 3) and uint8 colours (n, 3), spread evenly over all faces."""
    corners = np.concatenate([np.asarray(part.vertices, np.float64)[part.faces] for part in parts])
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(across, axis=1)
    total = doubled.sum() / 2
    if not np.isfinite(total) or total <= 0:
        raise InputError(f"{path}: the faces of this mesh have no area, or vertices that are not finite")
    count = int(np.clip(total / _AREA, FEWEST, MOST))
    rng = np.random.default_rng(0)
    # Evenly spaced steps along the summed area, each moved at random: fewer gaps than free draws.
    steps = (np.arange(count) + rng.random(count)) * (total / count)
    face = np.minimum(np.searchsorted(np.cumsum(doubled / 2), steps, side="right"), len(doubled) - 1)
    root, along = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - along), root * along], axis=1)
    points = np.einsum("nk,nkc->nc", weights, corners[face])
    length = doubled[face, None]
    normals = across[face] / np.where(length > 0, length, 1)
    return points, normals, _surface_colors(parts, face, weights)


def _surface_colors(parts: list[Any], face: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    if all(_kind(part) is None for part in parts):
        return None
    colors = np.tile(_WHITE, (len(face), 1))
    first = 0
    for part in parts:
        here = np.flatnonzero((face >= first) & (face < first + len(part.faces)))
        if len(here) and _kind(part) is not None:
            colors[here] = _part_colors(part, face[here] - first, weights[here])
        first += len(part.faces)
    return colors


def _kind(part: Any) -> str | None:
    visual = getattr(part, "visual", None)
    return visual.kind if visual is not None and visual.defined else None


def _part_colors(part: Any, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    visual = part.visual
    if visual.kind == "face":
        return np.asarray(visual.face_colors)[face, :3]
    if visual.kind == "vertex":
        corners = np.asarray(visual.vertex_colors)[part.faces[face], :3]
        return np.round(np.einsum("nk,nkc->nc", weights, corners)).astype(np.uint8)
    return _texture_colors(part, face, weights)


def _texture_colors(part: Any, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The texture at each point, times the material's own colour; that colour alone without a texture."""
    import trimesh

    material = part.visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    uv = part.visual.uv
    if picture is None or uv is None:
        return np.tile(np.asarray(material.main_color, np.uint8)[:3], (len(face), 1))
    place = np.einsum("nk,nkc->nc", weights, np.asarray(uv)[part.faces[face]])
    colors = trimesh.visual.color.uv_to_color(np.nan_to_num(place), picture)[:, :3]
    factor = getattr(material, "baseColorFactor", None)
    if factor is None:
        return colors
    return np.round(colors * (np.asarray(factor, np.float64)[:3] / 255)).astype(np.uint8)


def _cloud_colors(parts: list[Any]) -> np.ndarray | None:
    """Colours of bare vertices, white where a part has none; None where no part has any."""
    known = [getattr(part, "colors", None) for part in parts]
    if all(colors is None or len(colors) == 0 for colors in known):
        return None
    return np.concatenate(
        [
            np.tile(_WHITE, (len(part.vertices), 1))
            if colors is None or len(colors) == 0
            else np.asarray(colors)[:, :3]
            for part, colors in zip(parts, known, strict=True)
        ]
    )
