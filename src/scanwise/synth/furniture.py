"""Furniture from Sweet Home 3D catalogues (`.sh3f`): what is in them, and one model as a `Mesh`."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.synth.mesh import Mesh, face_normals, joined, unit, with_alpha

PROPERTIES = "PluginFurnitureCatalog.properties"
LARGEST_TEXTURE = 1024
OPAQUE = 0.6
PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".bmp"}
CREASE = np.cos(np.deg2rad(40))


@dataclass(frozen=True)
class Piece:
    """One model of a catalogue.

    Attributes:
        id: unique over the catalogues, "Scopia#cup".
        name: English, as the catalogue has it ("Cup").
        category: likewise ("Kitchen").
        size: width, depth, height in metres.
        licence: of the model, for attribution.
        creator: of the model, for attribution.
        catalogue: the catalogue's file.
        model: path of the OBJ inside it.
        rotation: nine numbers of the model's own rotation, row by row; None = none.
    """

    id: str
    name: str
    category: str
    size: tuple[float, float, float]
    licence: str
    creator: str
    catalogue: Path
    model: str
    rotation: tuple[float, ...] | None = None


class Catalogue:
    """The furniture in some `.sh3f` files.

    Example:
        >>> catalogue = Catalogue(["/usr/share/sweethome3d/furniture/Scopia.sh3f"])
        >>> cup = catalogue.load(catalogue["Scopia#cup"])

    Args:
        paths: the files.

    Raises:
        InputError: a file is missing, is no catalogue, or describes a piece without a size.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self.pieces: list[Piece] = [piece for path in paths for piece in _read_catalogue(Path(path))]
        self._by_id = {piece.id: piece for piece in self.pieces}

    @classmethod
    def in_folder(cls, folder: str | os.PathLike[str]) -> Catalogue:
        """Every catalogue in a folder, by name."""
        paths = sorted(Path(folder).glob("*.sh3f"))
        if not paths:
            raise InputError(f"{folder}: no .sh3f catalogue here; give the folder that holds them")
        return cls(paths)

    def __getitem__(self, id: str) -> Piece:
        if id not in self._by_id:
            raise InputError(f"no piece of furniture {id!r} in the {len(self.pieces)} of these catalogues")
        return self._by_id[id]

    def __len__(self) -> int:
        return len(self.pieces)

    def load(self, piece: Piece) -> Mesh:
        """The model at its size: z up, front = -y, origin at the centre of its footprint on the floor.

        Faces whose material is mostly transparent are left out.

        Raises:
            InputError: it cannot be read, or has no opaque face.
        """
        parts, corners = _read_model(piece)
        if not parts:
            raise InputError(f"{piece.catalogue}: {piece.model} has no opaque face; choose another piece")
        return joined(parts).moved(_pose(corners, piece))


def _read_catalogue(path: Path) -> list[Piece]:
    with _opened(path) as archive:
        try:
            text = archive.read(PROPERTIES).decode("latin-1")
        except (KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: no readable {PROPERTIES} in it; not a furniture catalogue") from error
    shared, entries = _parse_properties(text)
    return [_piece(path, entry, shared) for _, entry in sorted(entries.items())]


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such catalogue") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .sh3f catalogue ({error})") from error


def _parse_properties(text: str) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    shared: dict[str, str] = {}
    entries: dict[int, dict[str, str]] = {}
    for line in re.sub(r"\\\r?\n\s*", "", text).splitlines():
        match = re.match(r"\s*(\w+)(?:#(\d+))?\s*[=:]\s*(.*)", line)
        if match is None:
            continue
        key, number, value = match.groups()
        value = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), value).strip()
        if number is None:
            shared[key] = value
        else:
            entries.setdefault(int(number), {})[key] = value
    return shared, entries


def _piece(path: Path, entry: dict[str, str], shared: dict[str, str]) -> Piece:
    try:
        width, depth, height = (float(entry[key]) / 100 for key in ("width", "depth", "height"))
        rotation = tuple(float(number) for number in entry.get("modelRotation", "").split())
        return Piece(
            id=entry["id"],
            name=entry["name"],
            category=entry.get("category", ""),
            size=(width, depth, height),
            licence=shared.get("license", "unknown"),
            creator=entry.get("creator", "unknown"),
            catalogue=path,
            model=unquote(entry["model"]).lstrip("/"),
            rotation=rotation if len(rotation) == 9 else None,
        )
    except (KeyError, ValueError) as error:
        where = entry.get("id", entry.get("name", "a piece"))
        raise InputError(f"{path}: {where}: missing or unreadable entry ({error})") from error


def _read_model(piece: Piece) -> tuple[list[Mesh], np.ndarray]:
    """A `Mesh` for each opaque material, as the file has it, and the corners (n, 3) of all faces.

    Glass is not drawn, but it counts for the size.
    """
    import trimesh

    with tempfile.TemporaryDirectory() as folder, _opened(piece.catalogue) as archive:
        inside = PurePosixPath(piece.model).parent.as_posix() + "/"
        try:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(inside)])
            _mend_textures((Path(folder) / piece.model).parent)
            # maintain_order=True would lose the texture coordinates.
            scene: Any = trimesh.load_scene(Path(folder) / piece.model, process=False)
            solids = [solid for solid in scene.geometry.values() if len(getattr(solid, "faces", ())) > 0]
            parts = [_part(solid) for solid in solids if _opacity(solid.visual) >= OPAQUE]
        except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
            raise InputError(f"{piece.catalogue}: cannot read {piece.model} ({error})") from error
    corners = [np.asarray(solid.vertices, np.float64)[np.unique(solid.faces)] for solid in solids]
    return parts, np.concatenate(corners) if corners else np.empty((0, 3))


def _mend_textures(folder: Path) -> None:
    """Point dead texture paths of the materials at a picture of that name here, or at the only picture."""
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    by_name = {path.name.lower(): path.name for path in pictures}
    for library in folder.glob("*.mtl"):
        lines = library.read_text("latin-1").splitlines()
        for number, line in enumerate(lines):
            key, _, name = line.strip().partition(" ")
            if key.lower() != "map_kd" or (folder / name.strip()).is_file():
                continue
            found = by_name.get(re.split(r"[/\\]", name.strip())[-1].lower())
            if found is None and len(pictures) == 1:
                found = pictures[0].name
            lines[number] = "" if found is None else f"map_Kd {found}"
        library.write_text("\n".join(lines), "latin-1")


def _part(geometry: Any) -> Mesh:
    """A trimesh geometry with its one material as a `Mesh`."""
    material = getattr(geometry.visual, "material", None)
    vertices = np.asarray(geometry.vertices, np.float64)
    faces = np.asarray(geometry.faces, np.int32)
    picture = _picture(material)
    uv = getattr(geometry.visual, "uv", None)
    color = np.array([180, 180, 180], np.uint8) if material is None else np.asarray(material.diffuse)[:3]
    if picture is not None and (uv is None or len(uv) != len(vertices)):
        color = picture[..., :3].reshape(-1, 3).mean(0).round().astype(np.uint8)
        picture = None
    return Mesh(
        vertices=vertices.astype(np.float32),
        faces=faces,
        normals=_corner_normals(vertices, faces, geometry.vertex_normals),
        colors=np.tile(color.astype(np.uint8), (len(faces), 1)),
        uv=np.zeros((len(faces), 3, 2), np.float32) if picture is None else np.asarray(uv, np.float32)[faces],
        texture=np.full(len(faces), -1 if picture is None else 0, np.int32),
        textures=[] if picture is None else [picture],
    )


def _opacity(visual: Any) -> float:
    """1 = opaque; in a material, `d` is opacity, `Tr` transparency."""
    values = getattr(getattr(visual, "material", None), "kwargs", {})
    try:
        if "d" in values:
            return float(values["d"][-1])
        return 1 - float(values["tr"][-1]) if "tr" in values else 1.0
    except ValueError:
        return 1.0


def _picture(material: Any) -> np.ndarray | None:
    """The material's texture, uint8 (h, w, 4); None without one or where its file is dead."""
    image = getattr(material, "image", None)
    if image is None:
        return None
    try:
        image.thumbnail((LARGEST_TEXTURE, LARGEST_TEXTURE))
        return with_alpha(np.asarray(image.convert("RGBA")))
    except (OSError, SyntaxError, ValueError) as error:
        warnings.warn(
            f"a texture cannot be read ({error}); its faces get a plain colour", ScanwiseWarning, stacklevel=2
        )
        return None


def _corner_normals(vertices: np.ndarray, faces: np.ndarray, smooth: np.ndarray) -> np.ndarray:
    """(F, 3, 3): the file's smooth normals, but flat where they would round an edge off."""
    flat = np.repeat(face_normals(vertices, faces)[:, None], 3, axis=1)
    corners = unit(np.asarray(smooth, np.float64)[faces])
    creased = np.abs((corners * flat).sum(2)) < CREASE
    return np.where(creased[..., None], flat, corners).astype(np.float32)


def _pose(corners: np.ndarray, piece: Piece) -> np.ndarray:
    """(4, 4): rotate, scale each axis to the catalogue's size, turn y-up to z-up, put on the floor."""
    width, depth, height = piece.size
    target = np.array([width, height, depth])
    turns = [np.eye(3)]
    if piece.rotation is not None:
        turns.insert(0, np.array(piece.rotation).reshape(3, 3))
    choices = [_fit(corners @ turn.T, target) for turn in turns]
    # Two tables have a rotation that their size was measured without: less distortion tells.
    best = min(range(len(turns)), key=lambda index: choices[index][2])
    scale, foot, _ = choices[best]
    to_z_up = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    pose = np.eye(4)
    pose[:3, :3] = to_z_up @ np.diag(scale) @ turns[best]
    pose[:3, 3] = -(to_z_up @ (scale * foot))
    return pose


def _fit(vertices: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Scale per axis, foot centre, and distortion (largest over smallest scale) to reach `target`, y up."""
    low, high = vertices.min(0), vertices.max(0)
    extent = high - low
    thick = (extent > 1e-9) & (target > 0)
    scale = np.where(thick, target / np.where(thick, extent, 1), 1.0)
    foot = (low + high) / 2
    foot[1] = low[1]
    distortion = scale[thick].max() / scale[thick].min() if thick.any() else 1.0
    return scale, foot, float(distortion)
