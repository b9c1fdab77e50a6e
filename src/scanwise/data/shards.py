"""Scenes in tar shards, for streaming: WebDataset's layout, which `webdataset` itself reads and writes as well.

A shard is a tar of samples; the members of one sample follow one another and share the name up to the first dot:

    000000.json              what `scene.json` of a scene folder holds, and the CRC-32 of every other member
    000000.points.npy        and .colors.npy, .labels.npy, ... where known; .attributes-000.npy, ...
    000000.images-000000.jpg the pictures, byte for byte as a scene folder has them; .depths-000000.png

Reading walks the tar's headers alone, shuffles those, and loads a scene when its turn comes: a shuffle buffer
costs next to no memory, and skipping what an earlier run has seen costs no reading.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, OutputError
from scanwise.files import decode, picture_size, replacing, to_metres, to_rgb8
from scanwise.formats import folder as scene_folder
from scanwise.scene import Box, Referral, Scene, View

_ARRAYS = ("points", "colors", "normals", "intensity", "labels", "instances", "source_points")
_MATRICES = ("intrinsics", "camera_to_world", "depth_intrinsics", "depth_to_world")
_BLOCK = 512


def write_shards(scenes: Iterable[Scene], folder: str | os.PathLike[str], *, scenes_per_shard: int) -> list[Path]:
    """Writes `shard-000000.tar`, ... into a folder, each whole or absent.

    Args:
        scenes: are taken one after the other.
        folder: without shards.
        scenes_per_shard: 1 or more.

    Returns:
        The paths of the shards.

    Raises:
        InputError: `scenes_per_shard` is no such number.
        OutputError: shards are there already, or the place cannot be written.
    """
    if scenes_per_shard < 1:
        raise InputError(f"scenes_per_shard must be 1 or more, not {scenes_per_shard}")
    folder = Path(folder)
    if old := sorted(folder.glob("*.tar")):
        raise OutputError(f"{folder}: holds shards already ({old[0].name}); choose another folder or empty it")
    paths: list[Path] = []
    numbered = enumerate(scenes)
    while first := next(numbered, None):
        path = folder / f"shard-{len(paths):06d}.tar"
        with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            _add(tar, *first)
            for index, scene in islice(numbered, scenes_per_shard - 1):
                _add(tar, index, scene)
        paths.append(path)
    return paths


def read_shards(
    shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    shuffle_buffer: int = 0,
    seed: int = 0,
    epoch: int = 0,
    rank: int = 0,
    world_size: int = 1,
    worker: tuple[int, int] | None = None,
    skip: int = 0,
) -> Iterator[Scene]:
    """This reader's share of the scenes; over all ranks and workers every scene comes exactly once.

    Shards are dealt out whole; where there are fewer than readers, several share one, scene by scene. Shares may
    differ in length, so ranks that step together should count steps, not epochs. The same arguments give the same
    order; `epoch` changes it.

    Args:
        shards: a folder of `.tar`, a pattern with `*`, or paths.
        shuffle_buffer: scenes among which the next is drawn; the shards' order is shuffled too. 0 = as stored.
        seed: of the shuffling.
        epoch: of the shuffling as well: each has another order.
        rank: of this process among those that train together.
        world_size: how many of them there are.
        worker: (index, count) within the process; None = asks PyTorch's DataLoader, (0, 1) outside of one.
        skip: scenes of this share to leave out at the start, to go on where an earlier run stopped.

    Raises:
        InputError: no shard is there, or one is truncated or damaged (named).
    """
    paths = _expand(shards)
    index, count = _dataloader_worker() if worker is None else worker
    if not (0 <= rank < world_size and 0 <= index < count):
        raise InputError(f"no reader has rank {rank} of {world_size} and worker {index} of {count}; counts begin at 0")
    reader, readers = index * world_size + rank, count * world_size
    if shuffle_buffer:
        order = np.random.default_rng([seed, epoch]).permutation(len(paths))
        paths = [paths[place] for place in order]
    samples = _share(paths, reader, readers)
    if shuffle_buffer:
        samples = _shuffled(samples, shuffle_buffer, np.random.default_rng([seed, epoch, reader]))
    return (_scene(sample) for sample in islice(samples, skip, None))


@dataclass(frozen=True)
class StoredScene:
    """A scene of a local shard, found by its headers and read when asked for."""

    members: dict[str, _Member]

    def read(self) -> Scene:
        """The scene. Raises InputError when it is damaged."""
        return _scene(self.members)


def index_shards(shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[StoredScene]:
    """Every scene of some local shards, in order, for drawing in any order.

    Args:
        shards: a folder, a pattern, or files.

    Raises:
        InputError: no shard is there, or one is truncated.
    """
    return [StoredScene(sample) for path in _expand(shards) for sample in _samples(path)]


@dataclass(frozen=True)
class _Member:
    """A file within a shard, read when touched. `crc`: the CRC-32 it must have, None = not known."""

    shard: Path
    name: str
    offset: int
    size: int
    crc: int | None = None

    def read_bytes(self) -> bytes:
        try:
            with self.shard.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except OSError as error:
            raise InputError(f"{self.shard}: cannot read ({error.strerror or error})") from error
        if len(content) != self.size or (self.crc is not None and zlib.crc32(content) != self.crc):
            raise InputError(f"{self.shard}: {self.name} in it is damaged; make or fetch this shard again")
        return content


@dataclass(frozen=True)
class _Picture:
    """A raster of a shard; `per_metre` makes it a depth map, stored as that many units a metre."""

    member: _Member
    per_metre: float | None = None
    far: float = float("inf")

    def read(self) -> np.ndarray:
        stored = _load(self.member) if self._is_array else decode(self._stream(), self._where)
        if self.per_metre is None:
            return to_rgb8(stored)
        return to_metres(stored, self.per_metre, self.far, self._where)

    def size(self) -> tuple[int, int]:
        return _load(self.member).shape[:2] if self._is_array else picture_size(self._stream(), self._where)

    def digest(self) -> str:
        state = hashlib.sha256(self.member.read_bytes())
        if self.per_metre is not None:
            state.update(f"{self.per_metre} {self.far}".encode())
        return state.hexdigest()

    @property
    def _is_array(self) -> bool:
        return self.member.name.endswith(".npy")

    @property
    def _where(self) -> str:
        return f"{self.member.shard}: {self.member.name}"

    def _stream(self) -> io.BytesIO:
        return io.BytesIO(self.member.read_bytes())


_Sample = dict[str, _Member]


def _add(tar: tarfile.TarFile, index: int, scene: Scene) -> None:
    with tempfile.TemporaryDirectory(prefix="scanwise-") as place:
        folder = Path(place) / "scene"
        scene_folder.write(scene, folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "scene.json")
        contents = {_flat(str(path.relative_to(folder))): path.read_bytes() for path in files}
        record = json.loads((folder / "scene.json").read_text())
    record["crc32"] = {name: zlib.crc32(content) for name, content in contents.items()}
    for name, content in {"json": json.dumps(record).encode(), **contents}.items():
        header = tarfile.TarInfo(f"{index:06d}.{name}")
        header.size = len(content)
        tar.addfile(header, io.BytesIO(content))


def _flat(file: str) -> str:
    return file.replace(os.sep, "-")


def _expand(shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(shards, str | os.PathLike):
        paths = [Path(path) for path in shards]
    elif Path(shards).is_dir():
        paths = sorted(Path(shards).glob("*.tar"))
    else:
        paths = sorted(Path(path) for path in glob.glob(os.fspath(shards)))
    if not paths:
        raise InputError(f"{shards}: no shards (.tar) there")
    return paths


def _dataloader_worker() -> tuple[int, int]:
    if "torch" not in sys.modules:
        return 0, 1
    from torch.utils.data import get_worker_info

    info = get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def _share(paths: list[Path], reader: int, readers: int) -> Iterator[_Sample]:
    for path in paths[reader % len(paths) :: readers]:
        sharing = len(range(reader % len(paths), readers, len(paths))) if readers > len(paths) else 1
        yield from islice(_samples(path), reader // len(paths), None, sharing)


def _shuffled(samples: Iterator[_Sample], size: int, rng: np.random.Generator) -> Iterator[_Sample]:
    buffer: list[_Sample] = []
    for sample in samples:
        buffer.append(sample)
        if len(buffer) >= size:
            yield _drawn(buffer, rng)
    while buffer:
        yield _drawn(buffer, rng)


def _drawn(buffer: list[_Sample], rng: np.random.Generator) -> _Sample:
    place = int(rng.integers(len(buffer)))
    buffer[place], buffer[-1] = buffer[-1], buffer[place]
    return buffer.pop()


def _samples(path: Path) -> Iterator[_Sample]:
    """The samples of one shard, in order, from its headers alone."""
    key, sample = "", _Sample()
    for member in _members(path):
        stem, _, name = member.name.rpartition("/")[2].partition(".")
        stem = member.name.rpartition("/")[0] + "/" + stem
        if sample and stem != key:
            yield sample
            sample = {}
        key, sample[name] = stem, member
    if sample:
        yield sample


def _members(path: Path) -> Iterator[_Member]:
    try:
        with tarfile.open(path, "r:") as tar:
            for header in tar:
                if header.isreg() and not header.name.startswith("__"):
                    yield _Member(path, header.name, header.offset_data, header.size)
        # Tar takes a file that ends between two members for a whole one: only its closing zeros tell.
        with path.open("rb") as file:
            file.seek(-2 * _BLOCK, os.SEEK_END)
            if any(file.read()):
                raise InputError(f"{path}: truncated shard; make or fetch it again")
    except tarfile.TarError as error:
        raise InputError(f"{path}: truncated or damaged shard ({error}); make or fetch it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error


def _load(member: _Member) -> np.ndarray:
    try:
        return np.load(io.BytesIO(member.read_bytes()), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{member.shard}: {member.name} in it is no whole array ({error})") from error


def _scene(sample: _Sample) -> Scene:
    first = next(iter(sample.values()))
    try:
        record: dict[str, Any] = json.loads(sample["json"].read_bytes()) if "json" in sample else {}
        crcs = record.get("crc32", {})
        if missing := [name for name in ("points.npy", *crcs) if name not in sample]:
            raise InputError(f"{first.shard}: {missing[0]} of {first.name} is missing from the shard")
        sample = {
            name: _Member(member.shard, member.name, member.offset, member.size, crcs.get(name))
            for name, member in sample.items()
        }
        arrays = {name: _load(sample[f"{name}.npy"]) for name in _ARRAYS if f"{name}.npy" in sample}
        columns = enumerate(record.get("attributes", []))
        return Scene(
            **arrays,
            boxes=[_box(box) for box in record.get("boxes", [])],
            classes=record.get("classes"),
            views=[_view(sample, view) for view in record.get("views", [])],
            sentences=[Referral(text, instance) for text, instance in record.get("sentences", [])],
            name=record.get("name", "scene"),
            to_source=np.array(record.get("to_source", np.eye(4)), np.float64),
            attributes={name: _load(sample[f"attributes-{index:03d}.npy"]) for index, name in columns},
            source_format=record.get("source_format", ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{first.shard}: damaged description of {first.name} ({error})") from error


def _box(record: dict[str, Any]) -> Box:
    velocity = record["velocity"] and tuple(record["velocity"])
    return Box(**record | {"center": tuple(record["center"]), "size": tuple(record["size"]), "velocity": velocity})


def _view(sample: _Sample, record: dict[str, Any]) -> View:
    depth = record["depth"]
    far = float("inf") if depth is None or depth["far"] is None else depth["far"]
    matrices = {name: None if record[name] is None else np.array(record[name], np.float64) for name in _MATRICES}
    return View(
        image_raster=_Picture(sample[_flat(record["image"])]),
        depth_raster=None if depth is None else _Picture(sample[_flat(depth["file"])], depth["per_metre"], far),
        name=record["name"],
        **matrices,  # type: ignore[arg-type]
    )
