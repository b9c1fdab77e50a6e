"""Scenes as a network is trained on them: found in folders, shards or files, drawn in an order that can be resumed.

dataset = SceneDataset(scene_paths(Path("data/rooms-1"), "train"), make)
loader = Loader(dataset, batch=4, seed=1, collate=collate)
for batch in loader.batches(0): ...
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from scanwise.data.shards import index_shards
from scanwise.data.splits import WORDS, listed_scenes, of_nuscenes, sequences_of
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import drives
from scanwise.formats.registry import find_scenes, read_scene
from scanwise.geometry.inside import brought_inside
from scanwise.scene import Scene

SCENE_FILE = "scene.json"  # of a scene folder of ours, which is in metres and upright


@dataclass(frozen=True)
class Draw:
    """One scene to be drawn.

    Attributes:
        index: of the scene in the data.
        seed: of what is random about it.
    """

    index: int
    seed: tuple[int, ...]

    def generator(self) -> np.random.Generator:
        """Random numbers of this draw alone: the same whichever worker or process makes it."""
        return np.random.default_rng(self.seed)


class Readable(Protocol):
    """A scene that is read when it is touched."""

    def read(self) -> Scene:
        """The scene. Raises InputError when it is damaged."""
        ...


Source = Path | Readable
"""Any path that `read_scene` reads, or a scene in a shard, a drive or elsewhere."""


def read_source(source: Source) -> Scene:
    """The scene, as a network is to see it; files of other programs are brought upright, and what strays left out.

    Raises:
        InputError: it is damaged, or cannot be in metres.
    """
    if not isinstance(source, Path):
        return source.read()
    scene = read_scene(source)
    if (source / SCENE_FILE).exists():
        return scene
    try:
        return brought_inside(scene)
    except InputError as error:
        raise InputError(f"{error}; `scanwise convert` makes a scene folder in metres of it") from error


@dataclass(frozen=True)
class StoredFrame:
    """A frame of a drive or of a data set of frames, whose tables are read once.

    Attributes:
        folder: that `drives.recognises`.
        index: of the frame in it.
    """

    folder: Path
    index: int

    def read(self) -> Scene:
        """The scene. Raises InputError when it is damaged."""
        return _frames(self.folder).frame(self.index)

    @property
    def labelled(self) -> bool:
        """Whether its points have labels, as far as that is known without reading it; Waymo labels some frames."""
        known = _frames(self.folder).labelled
        return known is None or known(self.index)


_frames = cache(drives.frames)


class SceneDataset(Dataset[Any]):
    """Scenes, and what is made of each for training.

        dataset = SceneDataset(scene_paths(Path("data/rooms-1"), "train"), make)
        sample = dataset[Draw(index=0, seed=(1, 0, 0))]      # make(scene, generator of that draw)

    Args:
        sources: the scenes.
        make: scene and random numbers -> sample; importable, as workers are sent it.
    """

    def __init__(self, sources: Sequence[Source], make: Callable[[Scene, np.random.Generator], Any]) -> None:
        self.sources = list(sources)
        self._make = make

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, draw: Draw) -> Any:
        return self._make(read_source(self.sources[draw.index]), draw.generator())


def scene_paths(root: Path, split: str, share: float = 1.0) -> list[Source]:
    """The scenes of a split, in an order that is the same every time.

    They are the first of these that are there: those that `index.json` of a made set names; those that a list of the
    data set's own names ("scannetv2_train.txt", see `data.splits`), or that are known to be a split of SemanticKITTI or
    nuScenes; the scene folders below `root/split` (or `root/training`, `root/validation`, `root/testing`); the scenes
    of the shards (.tar) in it; whatever else `read_scene` reads in it, at any depth (files, recordings, scenes of data
    sets, the frames of drives). Where there is no such folder, the same of `root` itself; a warning says so where other
    splits are trained on then. Symbolic links are followed. Hidden names are unfinished, and passed over.

    Args:
        root: folder of the splits, or of the scenes of one; or one scene.
        split: "train", "val" or "test".
        share: of the scenes, 0..1, at least one: the first of a fixed shuffle, so that a smaller share is contained
            in a larger.

    Raises:
        InputError: no scenes are there.
    """
    places = [root / word for word in WORDS.get(split, (split,))]
    place = next((each for each in places if each.exists()), places[0])
    paths = _indexed(root, split) or [*listed_scenes(root, split)] or _known_split(root, split) or _found(place)
    if not paths and not place.exists():
        paths = _found(root)
        if paths and split != "train":
            taken = f"every scene in it ({len(paths)}) is taken for {split}, those of train too"
            text = f"{root}: has no folder {split}, so {taken}"
            warnings.warn(text, ScanwiseWarning, stacklevel=2)
    if not paths:
        raise InputError(
            f"{root}: no scene folders of split {split!r}, nor shards, recordings or point clouds; "
            "`scanwise synth rooms` makes some"
        )
    return shared(paths, share)


def shared(sources: Sequence[Source], share: float) -> list[Source]:
    """The first of a fixed shuffle of scenes, in their own order.

    Args:
        sources: the scenes.
        share: of them, 0..1, at least one.
    """
    if share >= 1:
        return list(sources)
    shuffled = np.random.default_rng(0).permutation(len(sources))
    return [sources[index] for index in sorted(shuffled[: max(1, round(share * len(sources)))])]


def _indexed(root: Path, split: str) -> list[Source]:
    try:
        index = json.loads((root / "index.json").read_text(encoding="utf-8"))
        return [root / entry["path"] for entry in index["scenes"] if entry["split"] == split]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root / 'index.json'}: not an index of scenes ({error})") from error


def _known_split(root: Path, split: str) -> list[Source]:
    """The frames of a split that a data set does not list, and that is known all the same."""
    if not root.is_dir():
        return []
    if drives.is_nuscenes(root):
        return [StoredFrame(root, index) for index in of_nuscenes(_frames(root).names, split)]
    return [source for path in sequences_of(root, split) for source in _stored_frames(path)]


def _stored_frames(folder: Path) -> list[Source]:
    return [StoredFrame(folder, index) for index in range(len(_frames(folder).names))]


def _found(place: Path) -> list[Source]:
    if folders := _scene_folders(place):
        return [*folders]
    if any(place.glob("*.tar")):
        return [*index_shards(place)]
    return _read_as_formats(place) if place.exists() else []


def _scene_folders(place: Path) -> list[Path]:
    """The scene folders below a place, behind symbolic links too, without hidden ones."""
    folders, seen = [], set[str]()
    for at, inside, files in os.walk(place, followlinks=True):
        if SCENE_FILE in files:
            folders.append(Path(at))
        real = os.path.realpath(at)
        inside[:] = [] if real in seen else [name for name in inside if not name.startswith(".")]
        seen.add(real)  # a link may lead back up
    return sorted(folders)


def _read_as_formats(place: Path) -> list[Source]:
    paths, others = find_scenes(place)
    if paths and others:
        text = f"{place}: {len(others)} of its files are no scenes and are left out, such as {others[0].name}"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    sources: list[Source] = []
    for path in paths:
        if path.is_dir() and drives.recognises(path):
            sources += _stored_frames(path)
        else:
            sources.append(path)
    return sources


class Loader:
    """Batches of a dataset, epoch after epoch, from any step on.

    The order of an epoch depends on the seed and the epoch alone. A global batch is dealt out to the processes, so
    that together they see what one process would see; what does not fill a batch at an epoch's end is left out.

    Args:
        dataset: takes a `Draw`.
        batch: samples of a global batch, a multiple of `world`.
        seed: of the order, and of what is random about each draw.
        collate: samples -> batch.
        workers: processes that read ahead; 0 = none.
        rank: of this process among those that train together.
        world: how many of them there are.

    Raises:
        InputError: fewer scenes than a batch, or a batch that the processes cannot share evenly.
    """

    def __init__(
        self, dataset: SceneDataset, *, batch: int, seed: int, collate: Callable[[Sequence[Any]], Any],
        workers: int = 0, rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        if batch % world:
            raise InputError(f"a batch of {batch} cannot be shared among {world} processes; set batch to a multiple")
        if len(dataset) < batch:
            raise InputError(f"{len(dataset)} scenes are fewer than a batch of {batch}; lower batch")
        self.dataset, self.batch, self.seed = dataset, batch, seed
        self._collate, self._workers, self._rank, self._world = collate, workers, rank, world

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.dataset) // self.batch

    def batches(self, step: int) -> Iterator[Any]:
        """Batch after batch without end, from global batch number `step` on."""
        loader: DataLoader[Any] = DataLoader(
            self.dataset,
            batch_sampler=self._all_draws(step),  # one without end, so that workers stay from epoch to epoch
            collate_fn=self._collate,
            num_workers=self._workers,
            multiprocessing_context="spawn" if self._workers else None,
            generator=torch.Generator(),  # else it would take from the numbers that training is made of
        )
        yield from loader

    def _all_draws(self, step: int) -> Iterator[list[Draw]]:
        """The draws of one batch after the other, epoch after epoch."""
        epoch, start = divmod(step, len(self))
        while True:
            yield from self._draws(epoch)[start:]
            epoch, start = epoch + 1, 0

    def _draws(self, epoch: int) -> list[list[Draw]]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset)).tolist()
        draws = [Draw(index, (self.seed, epoch, index)) for index in order]
        starts = range(0, len(self) * self.batch, self.batch)
        return [draws[start + self._rank : start + self.batch : self._world] for start in starts]
