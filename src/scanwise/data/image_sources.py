"""Where the bytes of pictures are: files, a ZIP archive, tar shards, frames of scenes.

A source keeps names and places, so that lists of millions stay small, and reads a picture when its turn comes.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.scene import View

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".ppm", ".bmp")


class ImageSource(Protocol):
    """Encoded pictures by their number."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What a picture is called, for errors and lists."""
        ...

    def read(self, index: int) -> bytes:
        """A picture's file.

        Raises:
            InputError: it cannot be read.
        """
        ...


@dataclass
class Files:
    """Files of their own.

    Attributes:
        paths: one a picture.
    """

    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Its path."""
        return str(self.paths[index])

    def read(self, index: int) -> bytes:
        """Its content."""
        return read_bytes(self.paths[index])


class ZipMembers:
    """Members of a ZIP archive; each process opens it for itself.

    Args:
        path: of the archive.
        names: of the members, one a picture.
        archive: the same, opened.
    """

    def __init__(self, path: Path, names: list[str], archive: zipfile.ZipFile) -> None:
        self.path, self.names = path, names
        self._archive: zipfile.ZipFile | None = archive

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "names": self.names, "_archive": None}

    def name(self, index: int) -> str:
        """Its path behind the archive's."""
        return f"{self.path}/{self.names[index]}"

    def read(self, index: int) -> bytes:
        """Its content."""
        if self._archive is None:
            self._archive = zipfile.ZipFile(self.path)
        try:
            return self._archive.read(self.names[index])
        except zipfile.BadZipFile as error:
            raise InputError(f"{self.name(index)}: damaged in the archive ({error})") from error


@dataclass
class ShardMembers:
    """Members of tar files.

    Attributes:
        paths: of the shards.
        shard: (n,) int64 row among `paths`.
        offset: (n,) int64 first byte within the shard.
        size: (n,) int64 bytes.
    """

    paths: list[Path]
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.shard)

    def name(self, index: int) -> str:
        """Its shard, and the byte that it begins at."""
        return f"{self.paths[self.shard[index]]} at byte {self.offset[index]}"

    def read(self, index: int) -> bytes:
        """Its content."""
        path = self.paths[self.shard[index]]
        try:
            with path.open("rb") as stream:
                stream.seek(int(self.offset[index]))
                return stream.read(int(self.size[index]))
        except OSError as error:
            raise InputError(f"{path}: cannot read ({error.strerror or error})") from error


@dataclass
class ViewImages:
    """Colour images of the views of scenes.

    Attributes:
        views: one a picture.
        scenes: name of each one's scene.
    """

    views: list[View]
    scenes: list[str]

    def __len__(self) -> int:
        return len(self.views)

    def name(self, index: int) -> str:
        """Its scene and its view."""
        return f"{self.scenes[index]}, frame {self.views[index].name}"

    def read(self, index: int) -> bytes:
        """The image as a BMP file."""
        stored = io.BytesIO()
        Image.fromarray(self.views[index].image).save(stored, "bmp")
        return stored.getvalue()


@dataclass
class Selected:
    """Some of several sources' pictures.

    Attributes:
        sources: one behind the other.
        rows: (n,) int64 number of each picture among all of theirs.
    """

    sources: Sequence[ImageSource]
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """As its source calls it."""
        source, row = self._find(index)
        return source.name(row)

    def read(self, index: int) -> bytes:
        """As its source reads it."""
        source, row = self._find(index)
        return source.read(row)

    def _find(self, index: int) -> tuple[ImageSource, int]:
        row = int(self.rows[index])
        for source in self.sources:
            if row < len(source):
                return source, row
            row -= len(source)
        raise IndexError(index)


def shard_members(path: Path) -> list[tuple[int, int, int]]:
    """The pictures of a shard in WebDataset's layout; its headers and small text members are all that is read.

    Args:
        path: of the tar file.

    Returns:
        Offset, size and label of each; label -1 = none.

    Raises:
        InputError: not a tar file.
    """
    pictures: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                folder, slash, file = member.name.rpartition("/")
                stem, _, suffix = file.partition(".")
                key = folder + slash + stem
                if f".{suffix.lower()}" in SUFFIXES:
                    pictures.setdefault(key, (member.offset_data, member.size))
                elif suffix in ("cls", "json"):
                    stream = tar.extractfile(member)
                    label = _label(stream.read() if stream else b"", suffix)
                    if label is not None:
                        labels[key] = label
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"{path}: cannot be read as a tar shard ({error})") from error
    return [(offset, size, labels.get(key, -1)) for key, (offset, size) in pictures.items()]


def _label(content: bytes, suffix: str) -> int | None:
    try:
        value = json.loads(content)
        return int(value if suffix == "cls" else value["label"])
    except (ValueError, KeyError, TypeError):
        return None
