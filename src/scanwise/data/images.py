"""Pictures as a network is trained on them: from folders, ZIP archives, WebDataset shards, or frames of scenes.

pictures = read_pictures(Path("cifar10.zip"), "train")         # train/CLASS/*.jpg
images = Images(pictures, Views(size=32, crops=8))
sample = images[Draw(index=0, seed=(1, 0, 0))]
loader = Loader(images, batch=256, seed=1, collate=collate)    # of scanwise.data.datasets
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from scanwise.data.datasets import Draw, Readable, SceneDataset, read_source, scene_paths
from scanwise.data.image_views import ImageSample, Views
from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.formats import folder as scene_folder
from scanwise.formats import recordings
from scanwise.scene import View

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".ppm", ".bmp")


class Source(Protocol):
    """Where the bytes of pictures are: kept by name, so that lists of millions stay small."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str: ...

    def read(self, index: int) -> bytes: ...


@dataclass
class ImageSet:
    """Pictures that are read when their turn comes.

    Attributes:
        labels: (n,) int32, -1 = none. classes: their names.
    """

    source: Source
    labels: np.ndarray
    classes: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Image.Image:
        """RGB. Raises InputError when the picture is damaged."""
        try:
            picture = Image.open(io.BytesIO(self.source.read(index)))
            return picture.convert("RGB")
        except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
            raise InputError(f"{self.source.name(index)}: truncated or corrupt picture ({error})") from error


@dataclass
class _Files:
    """Files of their own."""

    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return str(self.paths[index])

    def read(self, index: int) -> bytes:
        return read_bytes(self.paths[index])


class _Zip:
    """Members of a ZIP archive; each process opens it for itself."""

    def __init__(self, path: Path, names: list[str], archive: zipfile.ZipFile) -> None:
        self.path, self.names = path, names
        self._archive: zipfile.ZipFile | None = archive

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "names": self.names, "_archive": None}

    def name(self, index: int) -> str:
        return f"{self.path}/{self.names[index]}"

    def read(self, index: int) -> bytes:
        if self._archive is None:
            self._archive = zipfile.ZipFile(self.path)
        try:
            return self._archive.read(self.names[index])
        except zipfile.BadZipFile as error:
            raise InputError(f"{self.name(index)}: damaged in the archive ({error})") from error


@dataclass
class _Shards:
    """Members of tar files, by their place: `shard`, `offset`, `size` are (n,)."""

    paths: list[Path]
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    def __len__(self) -> int:
        return len(self.shard)

    def name(self, index: int) -> str:
        return f"{self.paths[self.shard[index]]} at byte {self.offset[index]}"

    def read(self, index: int) -> bytes:
        path = self.paths[self.shard[index]]
        try:
            with path.open("rb") as stream:
                stream.seek(int(self.offset[index]))
                return stream.read(int(self.size[index]))
        except OSError as error:
            raise InputError(f"{path}: cannot read ({error.strerror or error})") from error


@dataclass
class _Frames:
    """Colour pictures of the views of scene folders."""

    views: list[View]
    scenes: list[str]

    def __len__(self) -> int:
        return len(self.views)

    def name(self, index: int) -> str:
        return f"{self.scenes[index]}, frame {self.views[index].name}"

    def read(self, index: int) -> bytes:
        stored = io.BytesIO()
        Image.fromarray(self.views[index].image).save(stored, "bmp")
        return stored.getvalue()


def read_images(root: Path, split: str = "train", share: float = 1.0) -> ImageSet:
    """The pictures of a split: `split/CLASS/*.jpg` or `CLASS/*.jpg` of a folder or a ZIP, `split*.tar` or `*.tar` in
    WebDataset's layout (NAME.jpg with NAME.cls, or a "label" in NAME.json), or the frames of scene folders, of one
    scene folder, or of a recording.

    Args:
        share: of the pictures, 0..1: the first of a fixed shuffle, so that a smaller share is contained in a larger.

    Raises:
        InputError: no pictures are there.
    """
    if root.suffix == ".zip":
        pictures = _from_zip(root, split)
    elif root.suffix == ".tar" or (root.is_dir() and any(root.glob("*.tar"))):
        pictures = _from_shards(root, split)
    elif root.is_dir() and ((root / "index.json").exists() or any(root.glob(f"{split}/*/scene.json"))):
        pictures = _from_scenes(scene_paths(root, split))
    elif scene_folder.recognises(root):
        pictures = _from_scenes([root])
    elif recordings.recognises(root):
        pictures = _of_views(views := recordings.pictures(root), [str(root)] * len(views))
    else:
        pictures = _from_folder(root, split)
    if not len(pictures):
        raise InputError(f"{root}: no pictures of split {split!r}; there must be {', '.join(SUFFIXES[:3])} in it")
    return subset(pictures, share)


def subset(pictures: ImageSet, share: float) -> ImageSet:
    """A share of the pictures, 0..1, at least one; of each class the same, where there are classes."""
    if share >= 1:
        return pictures
    shuffled = np.random.default_rng(0).permutation(len(pictures))
    chosen = np.concatenate([_first(shuffled[pictures.labels[shuffled] == label], share)
                             for label in np.unique(pictures.labels)])  # fmt: skip
    return chosen_of(pictures, np.sort(chosen))


def chosen_of(pictures: ImageSet, rows: np.ndarray) -> ImageSet:
    """Some of the pictures."""
    return ImageSet(_Chosen(pictures.source, rows), pictures.labels[rows], pictures.classes)


def joined(first: ImageSet, second: ImageSet) -> ImageSet:
    """Those of both; the second's have no class among the first's."""
    labels = np.concatenate([first.labels, np.full(len(second), -1, np.int32)])
    return ImageSet(_Joined(first.source, second.source), labels, first.classes)


@dataclass
class _Joined:
    first: Source
    second: Source

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def name(self, index: int) -> str:
        source, row = self._place(index)
        return source.name(row)

    def read(self, index: int) -> bytes:
        source, row = self._place(index)
        return source.read(row)

    def _place(self, index: int) -> tuple[Source, int]:
        beyond = index - len(self.first)
        return (self.first, index) if beyond < 0 else (self.second, beyond)


def _first(rows: np.ndarray, share: float) -> np.ndarray:
    return rows[: max(1, round(share * len(rows)))]


@dataclass
class _Chosen:
    source: Source
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        return self.source.name(int(self.rows[index]))

    def read(self, index: int) -> bytes:
        return self.source.read(int(self.rows[index]))


def _from_folder(root: Path, split: str) -> ImageSet:
    top = root / split if (root / split).is_dir() else root
    if not top.is_dir():
        raise InputError(f"{root}: no such folder, archive or shard of pictures")
    paths = sorted(path for path in top.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    parents = [path.relative_to(top).parts[0] if path.parent != top else "" for path in paths]
    return _labelled(_Files(paths), parents)


def _from_zip(path: Path, split: str) -> ImageSet:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as a ZIP archive ({error})") from error
    names = sorted(name for name in archive.namelist() if name.lower().endswith(SUFFIXES))
    chosen = [name for name in names if name.startswith(f"{split}/")]
    parts = [name.split("/")[1:] if chosen else name.split("/") for name in chosen or names]
    return _labelled(_Zip(path, chosen or names, archive), [part[0] if len(part) > 1 else "" for part in parts])


def _labelled(source: Source, parents: list[str]) -> ImageSet:
    """The folder that a picture is in is its class; pictures in no folder have none."""
    classes = sorted(set(parents) - {""})
    number = {name: place for place, name in enumerate(classes)}
    return ImageSet(source, np.array([number.get(parent, -1) for parent in parents], np.int32), classes)


def _from_scenes(sources: Sequence[Path | Readable]) -> ImageSet:
    views, names = [], []
    for source in sources:
        found = read_source(source).views
        views += found
        names += [str(source)] * len(found)
    return _of_views(views, names)


def _of_views(views: list[View], names: list[str]) -> ImageSet:
    return ImageSet(_Frames(views, names), np.full(len(views), -1, np.int32), [])


def _from_shards(root: Path, split: str) -> ImageSet:
    paths = [root] if root.suffix == ".tar" else sorted(root.glob(f"{split}*.tar")) or sorted(root.glob("*.tar"))
    places: list[tuple[int, int, int]] = []
    labels: list[int] = []
    for number, path in enumerate(paths):
        try:
            found = _members(path)
        except (OSError, tarfile.TarError) as error:
            raise InputError(f"{path}: cannot be read as a tar shard ({error})") from error
        places += [(number, offset, size) for offset, size, _ in found]
        labels += [label for _, _, label in found]
    shard, offset, size = np.array(places, np.int64).reshape(-1, 3).T
    known = np.array(labels, np.int32)
    return ImageSet(
        _Shards(paths, shard, offset, size), known, [str(number) for number in range(int(known.max(initial=-1)) + 1)]
    )


def _members(path: Path) -> list[tuple[int, int, int]]:
    """Offset, size and label of each picture of a shard; its headers and small text members are all that is read."""
    pictures: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
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
    return [(offset, size, labels.get(key, -1)) for key, (offset, size) in pictures.items()]


def _label(content: bytes, suffix: str) -> int | None:
    try:
        value = json.loads(content)
        return int(value if suffix == "cls" else value["label"])
    except (ValueError, KeyError, TypeError):
        return None


# Samples and batches


class ImageDataset(SceneDataset):
    """What training makes of each picture; `images[draw]` takes a Draw, as `Loader` deals them out."""

    def __init__(self, pictures: ImageSet, views: Views) -> None:
        self.pictures, self.views = pictures, views

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, draw: Draw) -> ImageSample:
        sample = self.views(self.pictures[draw.index], draw.generator())
        return replace(sample, label=int(self.pictures.labels[draw.index]))


@dataclass
class ImageBatch:
    """Pictures of one step.

    Attributes:
        images: (B, 3, S, S) uint8. labels: (B,) int64, -1 = none. second: (B, 3, S, S) uint8, another view of each,
            or None. crops: (B, V, 3, s, s) uint8 small crops, or None.
    """

    images: torch.Tensor
    labels: torch.Tensor
    second: torch.Tensor | None = None
    crops: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> ImageBatch:
        second = None if self.second is None else self.second.to(device)
        crops = None if self.crops is None else self.crops.to(device)
        return ImageBatch(self.images.to(device), self.labels.to(device), second, crops)


def collate(samples: Sequence[ImageSample]) -> ImageBatch:
    """Samples of equal sizes -> a batch."""
    labels = torch.tensor([sample.label for sample in samples])
    images, second, crops = (
        None if getattr(samples[0], name) is None
        else torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))
        for name in ("image", "second", "crops")
    )  # fmt: skip
    assert images is not None
    return ImageBatch(images, labels, second, crops)


def to_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 0..255 -> float32 0..1."""
    return images.float() / 255
