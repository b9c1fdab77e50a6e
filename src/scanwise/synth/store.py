"""The supply of models: furniture catalogues where there are any, built-in pieces for what they lack.

Catalogues (.sh3f) are looked for in $SCANWISE_FURNITURE, or else in the user's furniture folder, which `scanwise
furniture` fills, and where Debian's package puts them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.cache import cache_dir
from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.files import replacing, write_text
from scanwise.progress import Progress, silent
from scanwise.synth.classes import NAMES, PIECES, guess, meanings
from scanwise.synth.furniture import Catalogue, Piece
from scanwise.synth.mesh import Mesh
from scanwise.synth.procedural import built_in_models
from scanwise.synth.world import Model

KNOWN = {
    "BlendSwap-CC-0.sh3f": "7ef093fe70cedbb160bdb532d86a84580459635e34130c16777f549eba1993dc",
    "BlendSwap-CC-BY.sh3f": "29ae78937b4d5dbe93db74067817a984fa411f017b007fd666bc40368bdb0c83",
    "KatorLegaz.sh3f": "f512443b5d3a6903497573095f971f44334b3165ab32182133051fa9487764a6",
    "Reallusion.sh3f": "dd553207876ccec6372dde7aaea6b2dcf2d631997fcdb8a9856a639e0db9aa9b",
    "Scopia.sh3f": "b4505451b1e8ab339c101c0afddfef4e1a07b95aa8c821c61ec41487afd43850",
}
"""SHA-256 of the catalogues in Debian's sweethome3d-furniture, whose pieces `classes.PIECES` names."""
DEBIAN = Path("/usr/share/sweethome3d/furniture")
HASHES = "SHA256SUMS"
TEXTURE = 256
ENOUGH = 4
"""A name with this many models loses a quarter of them to the held-out ones, and needs no built-in piece."""
_ARRAYS = ("vertices", "faces", "normals", "colors", "uv", "texture")


@dataclass(frozen=True, eq=False)
class CatalogueModel:
    """A piece of a catalogue as a `Model`.

    Attributes:
        catalogue: that it is in.
        piece: what the catalogue says of it.
        name: its open name.
        held_out: whether it is kept from training.
        digest: SHA-256 of the catalogue's file.
    """

    catalogue: Catalogue
    piece: Piece
    name: str
    held_out: bool
    digest: str

    @property
    def id(self) -> str:
        """CATALOGUE#NAME, unlike that of any other model."""
        return self.piece.id

    @property
    def kind(self) -> str:
        """Its class."""
        return NAMES[self.name].kind

    @property
    def size(self) -> tuple[float, float, float]:
        """Width, depth and height, metres."""
        return self.piece.size

    def load(self, generator: np.random.Generator) -> Mesh:
        """The piece as it is in the catalogue, with textures of at most 256 px.

        Args:
            generator: is not asked: the piece always looks the same.

        Raises:
            InputError: it cannot be read.
        """
        path = cache_dir() / "furniture-meshes" / self.digest[:32] / f"{_file_name(self.id)}.npz"
        try:
            return _load_mesh(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            mesh = _small_textures(self.catalogue.load(self.piece))
        with contextlib.suppress(OutputError):  # a cache that cannot be written costs time, and nothing else
            _save_mesh(mesh, path)
        return mesh


class Store:
    """A `Supply` of these models.

    store = furniture_supply()
    chair = store.models("office chair", held_out=False)[0]
    mesh = chair.load(np.random.default_rng(0))
    """

    def __init__(self, models: Iterable[Model]) -> None:
        self._models: dict[str, list[Model]] = {}
        for model in models:
            self._models.setdefault(model.name, []).append(model)

    def names(self) -> list[str]:
        """Every open name there is a model for, sorted."""
        return sorted(self._models)

    def models(self, name: str, *, held_out: bool) -> Sequence[Model]:
        """Models of that open name, or of those it is a synonym of, in a stable order; empty when there are none.

        Args:
            name: an open name, or a synonym of some.
            held_out: the held-out ones too, beside those for training.
        """
        return [
            model
            for meaning in meanings(name)
            for model in self._models.get(meaning, ())
            if held_out or not model.held_out
        ]

    def all(self) -> list[Model]:
        """Every model, by name."""
        return [model for name in self.names() for model in self._models[name]]

    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """Every open name there is a model for, with its synonyms."""
        return {name: NAMES[name].synonyms for name in self.names()}


def furniture_supply() -> Store:
    """The models of the catalogues on this machine, with built-in pieces for names that they have few of.

    Warns when there is no catalogue, or when one is not the file that it was.

    Raises:
        InputError: $SCANWISE_FURNITURE is no folder, or a catalogue is damaged.
    """
    paths = catalogue_paths()
    if not paths:
        warnings.warn(
            "no furniture catalogue found, so built-in shapes stand in for real furniture, fewer and plainer; "
            "`scanwise furniture fetch` gets 820 real models",
            ScanwiseWarning,
            stacklevel=2,
        )
    real = [model for path in paths for model in _catalogue_models(path, file_hash(path))]
    unique = list({model.id: model for model in reversed(real)}.values())[::-1]
    counts: dict[str, int] = {}
    for model in unique:
        counts[model.name] = counts.get(model.name, 0) + 1
    added = [model for model in built_in_models() if counts.get(model.name, 0) < ENOUGH]
    return Store([*unique, *added])


def furniture_folder() -> Path:
    """Where `scanwise furniture` keeps catalogues."""
    return cache_dir() / "furniture"


def catalogue_paths() -> list[Path]:
    """The catalogues on this machine; of two with one name, the user's.

    Raises:
        InputError: $SCANWISE_FURNITURE is no folder.
    """
    if chosen := os.environ.get("SCANWISE_FURNITURE"):
        folders = [Path(chosen)]
        if not folders[0].is_dir():
            raise InputError(f"{chosen}: no such folder; SCANWISE_FURNITURE names the one that holds .sh3f catalogues")
    else:
        folders = [furniture_folder(), DEBIAN]
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.sh3f")):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def file_hash(path: Path) -> str:
    """Hex SHA-256 of a catalogue; warns when it is not the one that is recorded for its name."""
    digest = sha256(path)
    expected = noted_hashes(path.parent).get(path.name) or KNOWN.get(path.name, digest)
    if digest != expected:
        warnings.warn(
            f"{path}: not the catalogue that was recorded (SHA-256 {digest[:12]}..., expected {expected[:12]}...), so "
            "the same seed makes other scenes than elsewhere; `scanwise furniture add` records it",
            ScanwiseWarning,
            stacklevel=3,
        )
    return digest


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error


def noted_hashes(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of the catalogues that were added to a folder."""
    try:
        lines = (folder / HASHES).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name.strip(): digest for digest, _, name in (line.partition(" ") for line in lines)}


def add_catalogues(paths: Sequence[Path], progress: Progress = silent) -> list[Path]:
    """Copies catalogues to the user's furniture folder and notes their hashes; none, where one of them is none.

    Args:
        paths: .sh3f files.
        progress: told ("adding", share done) after each.

    Returns:
        Their new places.

    Raises:
        InputError: one is no catalogue.
        OutputError: the folder cannot be written.
    """
    for path in paths:
        if path.suffix != ".sh3f":
            raise InputError(f"{path}: not a .sh3f catalogue; nothing was added")
        Catalogue([path])
    added = []
    for number, path in enumerate(paths, 1):
        target = furniture_folder() / path.name
        noted = noted_hashes(target.parent) | {path.name: sha256(path)}
        with replacing(target) as temporary:
            temporary.write_bytes(path.read_bytes())
        lines = [f"{digest}  {name}\n" for name, digest in sorted(noted.items())]
        write_text(target.parent / HASHES, "".join(lines))
        added.append(target)
        progress("adding", number / len(paths))
    return added


def attributions(model_ids: Iterable[str]) -> list[str]:
    """Lines to be kept beside what was made from these models: creator, licence, catalogue, pieces."""
    pieces = {piece.id: piece for path in catalogue_paths() for piece in Catalogue([path]).pieces}
    grouped: dict[str, list[str]] = {}
    for id in sorted(set(model_ids) - {""}):
        if id in pieces:
            piece = pieces[id]
            source = f"{piece.creator} ({piece.licence}; {piece.catalogue.name})"
        elif id.startswith("built-in#"):
            source = "scanwise's built-in shapes (Apache-2.0)"
        else:
            source = "of a catalogue that is not on this machine"
        grouped.setdefault(source, []).append(id)
    return [f"{source}: {', '.join(ids)}" for source, ids in sorted(grouped.items())]


def _catalogue_models(path: Path, digest: str) -> list[Model]:
    models: list[Model] = []
    catalogue = Catalogue([path])
    for piece in catalogue.pieces:
        name = PIECES[piece.id] if piece.id in PIECES else guess(piece.name)
        if name:
            models.append(CatalogueModel(catalogue, piece, name, _is_held_out(piece.id, name), digest))
    return models


def _is_held_out(id: str, name: str) -> bool:
    if id in PIECES:
        return id in held_out_pieces()
    return _of_name(name) >= ENOUGH and _rank(id) < f"{2**254:064x}"


@cache
def _of_name(name: str) -> int:
    return sum(other == name for other in PIECES.values())


@cache
def held_out_pieces() -> frozenset[str]:
    """Ids of the known pieces that are kept from training.

    They are a quarter of each open name that has four or more, and a quarter of the rarer ones of each kind together,
    but never all of a name. The choice depends on the table of known pieces alone, so it is the same whichever
    catalogues are there.
    """
    by_name: dict[str, list[str]] = {}
    for id, name in PIECES.items():
        if name:
            by_name.setdefault(name, []).append(id)
    chosen: set[str] = set()
    rare: dict[str, list[str]] = {}
    for name, ids in by_name.items():
        if len(ids) >= ENOUGH:
            chosen.update(sorted(ids, key=_rank)[: _quarter(len(ids))])
        else:
            rare.setdefault(NAMES[name].kind, []).extend(ids)
    for ids in rare.values():
        left = {name: len(by_name[name]) for name in {PIECES[id] for id in ids}}
        quota = _quarter(len(ids)) if len(ids) >= ENOUGH else 0
        for id in sorted(ids, key=_rank):
            if quota and left[PIECES[id]] > 1:
                chosen.add(id)
                left[PIECES[id]] -= 1
                quota -= 1
    return frozenset(chosen)


def _quarter(count: int) -> int:
    return (count + 2) // 4


def _rank(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()


def _file_name(id: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in id)[:80] + _rank(id)[:8]


def _small_textures(mesh: Mesh) -> Mesh:
    from PIL import Image

    small = []
    for texture in mesh.textures:
        factor = TEXTURE / max(texture.shape[:2])
        if factor < 1:
            size = [max(1, round(side * factor)) for side in texture.shape[1::-1]]
            texture = np.asarray(Image.fromarray(texture).resize((size[0], size[1]), Image.Resampling.BOX))
        small.append(texture)
    return replace(mesh, textures=small)


def _save_mesh(mesh: Mesh, path: Path) -> None:
    arrays: dict[str, Any] = {name: getattr(mesh, name) for name in _ARRAYS}
    arrays |= {f"texture-{index}": texture for index, texture in enumerate(mesh.textures)}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def _load_mesh(path: Path) -> Mesh:
    with np.load(path, allow_pickle=False) as stored:
        count = sum(name.startswith("texture-") for name in stored.files)
        textures = [stored[f"texture-{index}"] for index in range(count)]
        return Mesh(**{name: stored[name] for name in _ARRAYS}, textures=textures)
