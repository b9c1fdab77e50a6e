"""Whole sets of made scenes: described in a few lines of YAML, made in parallel, resumable, with an index.

A set is a folder:

    set.yaml                 what it was made from
    train/train-0000/ ...    scene folders (scanwise.formats.folder), one a room or a sweep
    index.json               every scene with its counts, written when all are there
    ATTRIBUTION.md           whose models stand in it

A scene depends on the set's seed, its split and its number alone, so it does not matter which process makes it, when.
"""

from __future__ import annotations

import difflib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scanwise.errors import InputError, OutputError
from scanwise.files import read_bytes, write_json, write_text
from scanwise.formats import folder as scene_folder
from scanwise.progress import Progress, silent
from scanwise.scene import Scene
from scanwise.synth.store import Store, attributions, furniture_supply

SPLITS: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test")
Side = Annotated[int, Field(ge=16)]
"""Height or width of a picture; below that, a sensor has nothing left to blur."""


class SetConfig(BaseModel):
    """What a set is made of.

    Attributes:
        name: of the set.
        kind: rooms or streets.
        seed: of everything.
        splits: scenes (rooms) or drives (streets) in each of train, val, test. Models that are held out stand in
            val and test only, beside the others.
        views: pictures a room.
        size: (height, width) of them, pixels.
        sensors: from which one is drawn for each room.
        sentences: referring sentences an object.
        absent: sentences a room about things that are not there.
        lidar: HDL64 or HDL32, or "both", of which one is drawn for each drive.
        sweeps: a drive.
        apart: seconds from one sweep to the next; 0 = none is left out.
    """

    model_config = ConfigDict(extra="forbid")
    name: str
    kind: Literal["rooms", "streets"]
    seed: int = Field(1, ge=0)
    splits: dict[Literal["train", "val", "test"], Annotated[int, Field(ge=0)]] = Field(min_length=1)
    views: int = Field(20, ge=1)
    size: tuple[Side, Side] = (240, 320)
    sensors: list[Literal["kinect", "phone"]] = Field(["kinect", "phone"], min_length=1)
    sentences: int = Field(2, ge=0)
    absent: int = Field(4, ge=0)
    lidar: Literal["HDL64", "HDL32", "both"] = "HDL64"
    sweeps: int = Field(20, ge=1)
    apart: float = Field(0.0, ge=0, le=10)


def shares(total: int) -> dict[Literal["train", "val", "test"], int]:
    """`total` scenes in the proportions of Rooms-1, 8 : 1 : 2."""
    test, val = total * 2 // 11, total // 11
    return {"train": total - val - test, "val": val, "test": test}


def config_of(kind: Literal["rooms", "streets"], name: str, total: int, seed: int = 1) -> SetConfig:
    """The description of a set of so many scenes, and of nothing else that is not the default.

    Args:
        kind: of the scenes.
        name: of the set.
        total: scenes (rooms) or drives (streets), divided as `shares` says.
        seed: another one makes other scenes.
    """
    return SetConfig.model_validate({"name": name, "kind": kind, "seed": seed, "splits": shares(total)})


def find_config(name: str) -> SetConfig:
    """The description of a set.

    Args:
        name: of a frozen set (rooms-1, streets-1, streets-boxes), or the path of a YAML file.

    Raises:
        InputError: there is neither, or the file describes none.
    """
    frozen = Path(str(files("scanwise") / "synth" / f"{name}.yaml"))
    path = frozen if frozen.exists() else Path(name)
    if not path.exists():
        raise InputError(f"{name}: no frozen set (rooms-1, streets-1, streets-boxes) and no YAML file of that name")
    return read_config(path)


def read_config(path: Path) -> SetConfig:
    """A set's description from YAML.

    Args:
        path: of the file.

    Raises:
        InputError: not YAML, or a wrong key or value; the nearest right key is named.
    """
    try:
        return SetConfig.model_validate(yaml.safe_load(read_bytes(path)))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        close = difflib.get_close_matches(key, SetConfig.model_fields, n=1) if "extra" in first["type"] else []
        raise InputError(f"{path}: {key}: {first['msg']}" + (f"; did you mean {close[0]}?" if close else "")) from error


def write_set(config: SetConfig, out: Path, *, workers: int, progress: Progress = silent) -> dict[str, Any]:
    """Makes what is missing of a set, and its index.

    Args:
        config: what it is made of.
        out: folder of the set; one that was begun is finished.
        workers: processes.
        progress: told ("rooms" or "streets", share done) after each scene.

    Returns:
        The index.

    Raises:
        OutputError: the folder holds another set, or cannot be written.
    """
    _claim(config, out)
    items = [(split, number) for split in SPLITS for number in range(config.splits.get(split, 0))]
    missing = [item for item in items if not all(map(scene_folder.recognises, _folders(config, out, *item)))]
    progress(config.kind, 1 - len(missing) / max(len(items), 1))
    for done, _ in enumerate(_made(config, out, missing, workers), len(items) - len(missing) + 1):
        progress(config.kind, done / len(items))
    index = make_index(config, out, items)
    write_json(out / "index.json", index)
    models = sorted({model for entry in index["scenes"] for model in entry["models"]})
    lines = "\n".join(f"- {line}" for line in attributions(models))
    write_text(out / "ATTRIBUTION.md", f"# Whose models stand in {config.name}\n\n{lines}\n")
    return index


def make_room_scene(config: SetConfig, split: str, number: int) -> Scene:
    """Room `number` of a split, recorded, labelled and described."""
    from scanwise.synth.cameras import walk
    from scanwise.synth.record import record
    from scanwise.synth.rooms import make_room
    from scanwise.synth.sentences import sentences

    generator = generator_of(config, split, number)
    store = _store()
    world = make_room(None, store, generator, held_out=split != "train", name=f"{split}-{number:04d}")
    poses = walk(world, generator, views=config.views)
    sensor = config.sensors[int(generator.integers(len(config.sensors)))]
    scene = record(world, poses, sensor, config.size, generator)
    scene.sentences = sentences(
        scene.boxes,
        {body.box.instance: body.support for body in world.bodies if body.box is not None},
        world.floor_plan,
        poses,
        generator,
        per_object=config.sentences,
        absent=config.absent,
        vocabulary=store.vocabulary(),
    )
    return scene


def make_drive(config: SetConfig, split: str, number: int) -> list[Scene]:
    """The sweeps of drive `number` of a split."""
    from scanwise.synth import lidar
    from scanwise.synth.drives import drive
    from scanwise.synth.streets import make_street

    generator = generator_of(config, split, number)
    street = make_street(_store(), generator, held_out=split != "train", name=f"{split}-{number:04d}")
    name = ("HDL64", "HDL32")[int(generator.random() < 1 / 3)] if config.lidar == "both" else config.lidar
    return drive(street, getattr(lidar, name), generator, sweeps=config.sweeps, apart=config.apart)


def generator_of(config: SetConfig, split: str, number: int) -> np.random.Generator:
    """The random numbers of one scene of a set."""
    return np.random.default_rng([config.seed, SPLITS.index(split), number])


def make_index(config: SetConfig, out: Path, items: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """What is in a set: an entry a scene, and the points and instances of each class."""
    scenes = []
    points: dict[str, int] = {}
    instances: dict[str, int] = {}
    for split, number in items:
        for path in _folders(config, out, split, number):
            scene = scene_folder.read(path)
            _add_counts(scene, points, instances)
            scenes.append(
                {
                    "split": split,
                    "path": str(path.relative_to(out)),
                    "points": len(scene),
                    "objects": len(scene.boxes),
                    "sentences": len(scene.sentences),
                    "held_out": sum(box.held_out for box in scene.boxes),
                    "models": sorted({box.model for box in scene.boxes}),
                    "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
                }
            )
    return {"name": config.name, "kind": config.kind, "points": points, "instances": instances, "scenes": scenes}


def _add_counts(scene: Scene, points: dict[str, int], instances: dict[str, int]) -> None:
    assert scene.labels is not None
    assert scene.classes is not None
    counts = np.bincount(scene.labels[scene.labels >= 0], minlength=len(scene.classes))
    for name, count in zip(scene.classes, counts.tolist(), strict=True):
        points[name] = points.get(name, 0) + count
    if scene.instances is not None:
        pairs = np.unique(np.stack([scene.instances, scene.labels])[:, scene.instances >= 0], axis=1)
        for label in pairs[1][pairs[1] >= 0].tolist():
            instances[scene.classes[label]] = instances.get(scene.classes[label], 0) + 1


def _claim(config: SetConfig, out: Path) -> None:
    """Writes set.yaml into a new folder, or finds the same one in an old."""
    path, text = out / "set.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    if path.exists():
        if read_config(path) != config:
            raise OutputError(f"{out}: holds a set made from another description ({path}); choose another folder")
        return
    if out.exists() and any(out.iterdir()):
        raise OutputError(f"{out}: is there and is no set of ours; choose a new folder")
    write_text(path, text)


def _folders(config: SetConfig, out: Path, split: str, number: int) -> list[Path]:
    stem = out / split / f"{split}-{number:04d}"
    if config.kind == "rooms":
        return [stem]
    return [stem / f"{sweep:04d}" for sweep in range(config.sweeps)]


def _made(config: SetConfig, out: Path, items: Sequence[tuple[str, int]], workers: int) -> Iterator[None]:
    jobs = [(config, out, *item) for item in items]
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_make, jobs)
        return
    with _one_thread_each(), multiprocessing.get_context("spawn").Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap_unordered(_make, jobs)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile leave the other cores to each other."""
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ |= dict.fromkeys(before, "1")
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _make(job: tuple[SetConfig, Path, str, int]) -> None:
    config, out, split, number = job
    if config.kind == "rooms":
        scenes = [make_room_scene(config, split, number)]
    else:
        scenes = make_drive(config, split, number)
    for scene, path in zip(scenes, _folders(config, out, split, number), strict=True):
        scene_folder.write(scene, path, compact=True)


@cache
def _store() -> Store:
    return furniture_supply()
