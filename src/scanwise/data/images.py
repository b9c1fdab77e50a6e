"""Images as a network is trained on them: from folders, ZIP archives, WebDataset shards, or frames of scenes.

images = read_images(Path("cifar10.zip"), "train")                # train/CLASS/*.jpg
dataset = ImageDataset(images, Whole(48))  # views are drawn on the device
sample = dataset[Draw(index=0, seed=(1, 0, 0))]
loader = Loader(dataset, batch=256, seed=1, collate=collate)      # of scanwise.data.datasets
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from scanwise.data.datasets import Draw, Readable, SceneDataset, read_source, scene_paths
from scanwise.data.image_sources import (
    SUFFIXES,
    Files,
    ImageSource,
    Selected,
    ShardMembers,
    ViewImages,
    ZipMembers,
    shard_members,
)  # fmt: skip
from scanwise.data.image_views import ImageSample
from scanwise.errors import InputError
from scanwise.files import opened_picture
from scanwise.formats import folder as scene_folder
from scanwise.formats import recordings
from scanwise.scene import View

CIFAR10 = (
    "CIFAR-10 is at https://www.cs.toronto.edu/~kriz/cifar.html; put it there as train/CLASS/*.jpg and "
    "test/CLASS/*.jpg in a folder or a ZIP, or name another place"
)


@dataclass
class ImageSet:
    """Pictures that are read when their turn comes.

    Attributes:
        source: where they are.
        labels: (n,) int32 row of each one's class, -1 = none.
        classes: their names.
    """

    source: ImageSource
    labels: np.ndarray
    classes: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Image.Image:
        """A picture, RGB.

        Raises:
            InputError: it is damaged.
        """
        with opened_picture(io.BytesIO(self.source.read(index)), self.source.name(index)) as picture:
            return picture.convert("RGB")

    def source_facts(self, index: int) -> dict[str, Any]:
        """Of a picture, its "name" and, where it has one, the "position" of its camera, metres."""
        facts: dict[str, Any] = {"name": self.source.name(index)}
        if isinstance(self.source, ViewImages):
            place = self.source.views[index].camera_to_world[:3, 3]
            facts["position"] = [round(float(value), 3) for value in place]
        return facts


def read_images(root: Path, split: str = "train", share: float = 1.0) -> ImageSet:
    """The pictures of a split.

    Args:
        root: a folder or ZIP of `split/CLASS/*.jpg` or `CLASS/*.jpg`; a folder of `split*.tar` or `*.tar`, or one such
            shard, in WebDataset's layout (NAME.jpg with NAME.cls, or a "label" in NAME.json); or scene folders, one
            scene folder, or a recording, whose frames are taken.
        split: "train", "test", ...
        share: of the pictures, 0..1: the first of a fixed shuffle, so that a smaller share is contained in a larger.

    Raises:
        InputError: no pictures are there.
    """
    if not root.exists():
        hint = f"; {CIFAR10}" if root.stem.lower() == "cifar10" else ""
        raise InputError(f"{root}: no such folder, archive or shard of pictures{hint}", option="changes")
    if root.suffix == ".zip":
        images = _from_zip(root, split)
    elif root.suffix == ".tar" or (root.is_dir() and any(root.glob("*.tar"))):
        images = _from_shards(root, split)
    elif root.is_dir() and ((root / "index.json").exists() or any(root.glob(f"{split}/*/scene.json"))):
        images = _from_scenes(scene_paths(root, split))
    elif scene_folder.recognises(root):
        images = _from_scenes([root])
    elif recordings.recognises(root):
        images = _of_views(views := recordings.pictures(root), [str(root)] * len(views))
    else:
        images = _from_folder(root, split)
    if not len(images):
        raise InputError(f"{root}: no pictures of split {split!r}; there must be {', '.join(SUFFIXES[:3])} in it")
    return subset(images, share)


def subset(images: ImageSet, share: float) -> ImageSet:
    """Some of a set; of each class the same share, where there are classes.

    Args:
        images: the set.
        share: 0..1, at least one picture of each class.
    """
    if share >= 1:
        return images
    shuffled = np.random.default_rng(0).permutation(len(images))
    by_class = (shuffled[images.labels[shuffled] == label] for label in np.unique(images.labels))
    rows = np.sort(np.concatenate([rows[: max(1, round(share * len(rows)))] for rows in by_class]))
    return ImageSet(Selected([images.source], rows), images.labels[rows], images.classes)


def joined(first: ImageSet, second: ImageSet) -> ImageSet:
    """The pictures of both; the second's have no class among the first's."""
    labels = np.concatenate([first.labels, np.full(len(second), -1, np.int32)])
    return ImageSet(Selected([first.source, second.source], np.arange(len(labels))), labels, first.classes)


def _from_folder(root: Path, split: str) -> ImageSet:
    top = root / split if (root / split).is_dir() else root
    if not top.is_dir():
        raise InputError(f"{root}: no such folder, archive or shard of pictures")
    paths = sorted(path for path in top.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    parents = [path.relative_to(top).parts[0] if path.parent != top else "" for path in paths]
    return _labelled(Files(paths), parents)


def _from_zip(path: Path, split: str) -> ImageSet:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read as a ZIP archive ({error})") from error
    names = sorted(name for name in archive.namelist() if name.lower().endswith(SUFFIXES))
    chosen = [name for name in names if name.startswith(f"{split}/")]
    parts = [name.split("/")[1:] if chosen else name.split("/") for name in chosen or names]
    return _labelled(ZipMembers(path, chosen or names, archive), [part[0] if len(part) > 1 else "" for part in parts])


def _labelled(source: ImageSource, parents: list[str]) -> ImageSet:
    """The folder that a picture is in is its class; pictures in no folder have none."""
    classes = sorted(set(parents) - {""})
    row = {name: number for number, name in enumerate(classes)}
    return ImageSet(source, np.array([row.get(parent, -1) for parent in parents], np.int32), classes)


def _from_scenes(sources: Sequence[Path | Readable]) -> ImageSet:
    views, names = [], []
    for source in sources:
        found = read_source(source).views
        views += found
        names += [str(source)] * len(found)
    return _of_views(views, names)


def _of_views(views: list[View], names: list[str]) -> ImageSet:
    return ImageSet(ViewImages(views, names), np.full(len(views), -1, np.int32), [])


def _from_shards(root: Path, split: str) -> ImageSet:
    paths = [root] if root.suffix == ".tar" else sorted(root.glob(f"{split}*.tar")) or sorted(root.glob("*.tar"))
    members = [(number, *member) for number, path in enumerate(paths) for member in shard_members(path)]
    shard, offset, size, label = np.array(members, np.int64).reshape(-1, 4).T
    classes = [str(number) for number in range(int(label.max(initial=-1)) + 1)]
    return ImageSet(ShardMembers(paths, shard, offset, size), label.astype(np.int32), classes)


# Samples and batches


class ImageDataset(SceneDataset):
    """What training makes of each picture; `dataset[draw]` takes a Draw, as `Loader` deals them out.

    Args:
        images: the pictures.
        views: picture and random numbers -> sample.
    """

    def __init__(self, images: ImageSet, views: Callable[[Image.Image, np.random.Generator], ImageSample]) -> None:
        self.images, self.views = images, views

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, draw: Draw) -> ImageSample:
        sample = self.views(self.images[draw.index], draw.generator())
        return replace(sample, label=int(self.images.labels[draw.index]))


@dataclass
class ImageBatch:
    """Images of one step.

    Attributes:
        images: (B, 3, S, S) uint8, or views (B, 3, H, W) float32 in [0, 1].
        labels: (B,) int64, -1 = none.
        second: as `images`, another view of each, or None.
        crops: (B, V, 3, s, s) as `images`, small crops, or None.
        aspect: (B,) width over height of whole pictures that `images` are, squeezed, and views are to be drawn from;
            None = `images` are views.
    """

    images: torch.Tensor
    labels: torch.Tensor
    second: torch.Tensor | None = None
    crops: torch.Tensor | None = None
    aspect: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> ImageBatch:
        """The same on another device."""
        moved: dict[str, Any] = {
            name: None if value is None else value.to(device) for name, value in vars(self).items()
        }
        return ImageBatch(**moved)


def collate(samples: Sequence[ImageSample]) -> ImageBatch:
    """Samples of equal sizes -> a batch."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    aspects = [sample.aspect for sample in samples if sample.aspect is not None]
    labels = torch.tensor([sample.label for sample in samples])
    return ImageBatch(images, labels, aspect=torch.tensor(aspects) if aspects else None)


def to_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 0..255 -> float32 0..1, and what is in it already as it is."""
    return images if images.is_floating_point() else images.float() / 255
