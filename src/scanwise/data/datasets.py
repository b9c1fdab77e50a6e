"""Scenes as a network is trained on them: found in folders or shards, drawn in an order that can be resumed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from scanwise.data.shards import index_shards
from scanwise.errors import InputError
from scanwise.formats import folder as scene_folder
from scanwise.scene import Scene


@dataclass(frozen=True)
class Draw:
    """One scene to be drawn: its place in the data, and the seed of what is random about it."""

    index: int
    seed: tuple[int, ...]

    def generator(self) -> np.random.Generator:
        """Random numbers of this draw alone: the same whichever worker or process makes it."""
        return np.random.default_rng(self.seed)


class Readable(Protocol):
    """A scene that is read when it is touched."""

    def read(self) -> Scene: ...


Source = Path | Readable
"""A scene folder, or a scene in a shard or elsewhere."""


def read_source(source: Source) -> Scene:
    """The scene. Raises InputError when it is damaged."""
    return scene_folder.read(source) if isinstance(source, Path) else source.read()


class SceneDataset(Dataset[Any]):
    """Scenes, and what is made of each for training.

        scenes = Scenes(scene_paths(Path("data/rooms-1"), "train"), make)
        sample = scenes[Draw(index=0, seed=(1, 0, 0))]      # make(scene, generator of that draw)

    Args:
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
    """The scenes of a split, in order.

    They are those that `index.json` of a made set names, or the scene folders below `root/split`, or the scenes of the
    shards (.tar) in it, or, where there is no such folder, the same below `root` itself.

    Args:
        share: of the scenes, 0..1, at least one: the first of a fixed shuffle, so that a smaller share is contained
            in a larger.

    Raises:
        InputError: no scenes are there.
    """
    paths = _indexed(root, split) or _found(root / split) or ([] if (root / split).exists() else _found(root))
    if not paths:
        raise InputError(
            f"{root}: no scene folders of split {split!r}; make some with `scanwise synth rooms {root} -n 11`"
        )
    if share < 1:
        shuffled = np.random.default_rng(0).permutation(len(paths))
        paths = [paths[place] for place in sorted(shuffled[: max(1, round(share * len(paths)))])]
    return paths


def _indexed(root: Path, split: str) -> list[Source]:
    try:
        index = json.loads((root / "index.json").read_text(encoding="utf-8"))
        return [root / entry["path"] for entry in index["scenes"] if entry["split"] == split]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root / 'index.json'}: not an index of scenes ({error})") from error


def _found(folder: Path) -> list[Source]:
    """Scene folders below, or scenes of the shards in it; what is under a hidden name is unfinished."""
    if not folder.is_dir():
        return []
    found = sorted(path.parent for path in folder.rglob("scene.json"))
    sources = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return [*sources] if sources or not any(folder.glob("*.tar")) else [*index_shards(folder)]


class Loader:
    """Batches of a dataset, epoch after epoch, from any step on.

    The order of an epoch depends on the seed and the epoch alone. A global batch is dealt out to the processes, so
    that together they see what one process would see; what does not fill a batch at an epoch's end is left out.

    Args:
        batch: scenes of a global batch, a multiple of `world`. collate: samples -> batch. workers: processes that
            read ahead; 0 = none. rank, world: of the processes that train together.

    Raises:
        InputError: fewer scenes than a batch, or a batch that the processes cannot share evenly.
    """

    def __init__(
        self, scenes: SceneDataset, *, batch: int, seed: int, collate: Callable[[Sequence[Any]], Any], workers: int = 0,
        rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        if batch % world:
            raise InputError(f"a batch of {batch} cannot be shared among {world} processes; set batch to a multiple")
        if len(scenes) < batch:
            raise InputError(f"{len(scenes)} scenes are fewer than a batch of {batch}; lower batch")
        self.scenes, self.batch, self.seed = scenes, batch, seed
        self._collate, self._workers, self._rank, self._world = collate, workers, rank, world

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.scenes) // self.batch

    def batches(self, step: int) -> Iterator[Any]:
        """Batch after batch without end, from global batch number `step` on."""
        epoch, start = divmod(step, len(self))
        while True:
            loader: DataLoader[Any] = DataLoader(
                self.scenes,
                batch_sampler=self._draws(epoch)[start:],
                collate_fn=self._collate,
                num_workers=self._workers,
                multiprocessing_context="spawn" if self._workers else None,
                generator=torch.Generator(),  # else it would take from the numbers that training is made of
            )
            yield from loader
            epoch, start = epoch + 1, 0

    def _draws(self, epoch: int) -> list[list[Draw]]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.scenes)).tolist()
        draws = [Draw(index, (self.seed, epoch, index)) for index in order]
        starts = range(0, len(self) * self.batch, self.batch)
        return [draws[start + self._rank : start + self.batch : self._world] for start in starts]
