"""Meshes (OBJ, GLB, GLTF, STL, OFF, through trimesh) as clouds: points drawn evenly from the surface. Read only.

One point for each square centimetre, between 10 000 and 500 000, always the same ones; colours from the
texture, the vertices or the faces; normals from the faces. A mesh without faces gives its vertices. Where a material
or its picture is missing there is no colour: trimesh's grey is none. glTF has y up and is turned; the other formats do
not say what is up and are taken as they are. `ply` sends its coarse meshes here.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import gltf
from scanwise.memory import check_fits
from scanwise.scene import Scene

FEWEST, MOST = 10_000, 500_000
_AREA = 1e-4  # square metres a point
_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
# What trimesh puts in the place of a material, and of a picture, that it did not find.
_LOST, _NO_PICTURE = np.array([102, 102, 102, 255], np.uint8), 100
_TINT = "tint"
_WHITE = np.full(3, 255, np.uint8)


def read(path: Path) -> Scene:
    """A cloud from a mesh.

    Raises:
        InputError: the file is damaged or holds no geometry.
    """
    return cloud_of(_load(path), path)


def cloud_of(parts: list[Any], path: Path) -> Scene:
    """A cloud from the parts of a mesh.

    Args:
        parts: trimesh's, each placed in the frame of the whole.
        path: of the file that they are from.

    Raises:
        InputError: there are no vertices, or the faces have no area.
    """
    surfaces = [part for part in parts if len(getattr(part, "faces", ())) > 0]
    with _quiet():
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

    form = path.suffix.lower().lstrip(".")
    check_fits((path.stat().st_size if path.is_file() else 0) * (10 if form in ("obj", "off") else 4), path)
    plain = gltf.plain_glb(path) if form in ("glb", "gltf") else None
    try:
        with path.open("rb"), _quiet():
            if plain is None:
                scene = trimesh.load_scene(path, process=False)
            else:
                resolver = trimesh.resolvers.FilePathResolver(str(path))
                scene = trimesh.load_scene(io.BytesIO(plain), file_type="glb", resolver=resolver, process=False)
            for part in scene.geometry.values():  # `dump` would lose the colours beside a material
                tint = getattr(getattr(part, "visual", None), "vertex_attributes", {}).get("color")
                if tint is not None:
                    part.vertex_attributes[_TINT] = tint
            parts = [part for part in scene.dump() if hasattr(part, "vertices")]
            _check(parts)
            return parts
    except PermissionError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    except Exception as error:  # its loaders raise whatever a damaged file makes them stumble over
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or unsupported mesh ({said[:200]})") from error


def _check(parts: list[Any]) -> None:
    """Raises ValueError for what a loader lets through: vertices without three coordinates, faces without vertices."""
    for part in parts:
        faces = np.asarray(getattr(part, "faces", ()))
        if np.shape(part.vertices)[1:] != (3,):
            raise ValueError(f"vertices of {np.shape(part.vertices)}")
        if faces.size and not 0 <= faces.min() <= faces.max() < len(part.vertices):
            raise ValueError(f"a face names vertex {faces.max()} of {len(part.vertices)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what trimesh, Pillow and NumPy would print of a file to themselves: what matters is told in our words."""
    log = logging.getLogger("trimesh")
    was = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            for kind in (Image.DecompressionBombWarning, RuntimeWarning, DeprecationWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        log.setLevel(was)


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
    return points, normals, _surface_colors(parts, face, weights, path)


def _surface_colors(parts: list[Any], face: np.ndarray, weights: np.ndarray, path: Path) -> np.ndarray | None:
    """uint8 (n, 3), white where a part says nothing; None where no part says anything."""
    if lost := sum(_kind(part) == "texture" and not _is_colored(part) for part in parts):
        text = f"{path}: {lost} of {len(parts)} parts have a material or a picture that is missing or says no colour"
        text += "; they are " + ("taken as white" if any(map(_is_colored, parts)) else "without colours")
        warnings.warn(text, ScanwiseWarning, stacklevel=5)
    if not any(map(_is_colored, parts)):
        return None
    colors = np.tile(_WHITE, (len(face), 1))
    first = 0
    for part in parts:
        here = np.flatnonzero((face >= first) & (face < first + len(part.faces)))
        if len(here) and _is_colored(part):
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


def _is_colored(part: Any) -> bool:
    kind = _kind(part)
    return kind is not None and (kind != "texture" or _base_color(part) is not None or _tint(part) is not None)


def _tint(part: Any) -> np.ndarray | None:
    """Colours (V, 3) of the vertices that a glTF part has beside its material."""
    colors = getattr(part, "vertex_attributes", {}).get(_TINT)
    return None if colors is None or len(colors) != len(part.vertices) else np.asarray(colors)[:, :3]


def _base_color(part: Any) -> np.ndarray | None:
    """What a material says of its colour: (3,) in 0..1, or None for nothing, as where it was not found."""
    material = part.visual.material
    if _picture(part) is not None:
        factor = getattr(material, "baseColorFactor", None)
        return np.ones(3) if factor is None else np.asarray(factor, np.float64)[:3] / 255
    if hasattr(material, "baseColorFactor"):
        factor = material.baseColorFactor
        return None if factor is None else np.asarray(factor, np.float64)[:3] / 255
    told = "kd" in (getattr(material, "kwargs", None) or {}) or not np.array_equal(material.main_color, _LOST)
    return np.asarray(material.main_color, np.float64)[:3] / 255 if told else None


def _picture(part: Any) -> Any:
    material = part.visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if picture is None or np.shape(part.visual.uv) != (len(part.vertices), 2):
        return None
    stands_for_none = picture.width <= 2 and picture.height <= 2 and (np.asarray(picture)[..., :3] == _NO_PICTURE).all()
    return None if stands_for_none else picture


def _texture_colors(part: Any, face: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The texture at each point, or white, times the material's own colour and that of the vertices."""
    import trimesh

    base, picture, tint = _base_color(part), _picture(part), _tint(part)
    colors = np.tile(np.ones(3) if base is None else base, (len(face), 1))
    if picture is not None:
        check_fits(8 * picture.width * picture.height, f"the texture of {part.metadata.get('name', 'a mesh')}")
        place = np.einsum("nk,nkc->nc", weights, np.asarray(part.visual.uv)[part.faces[face]])
        colors *= trimesh.visual.color.uv_to_color(np.nan_to_num(place), picture)[:, :3]
    elif tint is None:
        colors *= 255
    if tint is not None:
        shade = np.einsum("nk,nkc->nc", weights, tint[part.faces[face]])
        colors *= shade if picture is None else shade / 255
    return np.clip(np.round(colors), 0, 255).astype(np.uint8)


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
