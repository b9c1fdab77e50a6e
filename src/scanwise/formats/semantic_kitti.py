"""Drives in SemanticKITTI's layout: `sequences/NN/` with one sweep a file and the pose of each.

    velodyne/000000.bin      x y z intensity, float32, in the frame of the LiDAR (x forward, y left, z up)
    labels/000000.label      uint32: class in the lower 16 bits, object in the upper; see `kitti`
    poses.txt                a line a sweep: 12 numbers, rows of the left camera's (3, 4) pose in the first one's frame
    calib.txt                P0: ... P3:, and Tr: LiDAR to left camera, 12 numbers
    times.txt                seconds, a line a sweep

One sweep alone is `kitti`'s; here they come with their poses, in the frame of the first sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.formats import kitti
from scanwise.formats.poses import rigid
from scanwise.scene import Scene

_MOVING = (252, 259)
PosedSweep = tuple[Scene, np.ndarray]


def read_sequence(folder: Path) -> Drive:
    """The sweeps of `sequences/NN`, each read when it is asked for, with the LiDAR's pose.

    Raises:
        InputError: a file of the layout is missing or does not fit the others.
    """
    folder = Path(folder)
    sweeps = sorted((folder / "velodyne").glob("*.bin"))
    if not sweeps:
        raise InputError(f"{folder / 'velodyne'}: no sweeps (.bin); name a folder such as sequences/00")
    to_camera = read_calibration(folder / "calib.txt", ("Tr",))["Tr"]
    cameras = _poses(folder / "poses.txt", len(sweeps))
    poses = np.linalg.inv(to_camera) @ cameras @ to_camera
    times = _numbers(folder / "times.txt", 1)[:, 0] if (folder / "times.txt").is_file() else None
    if times is not None and len(times) < len(sweeps):
        raise InputError(f"{folder / 'times.txt'}: {len(times)} times for {len(sweeps)} sweeps in velodyne/")
    return Drive(sweeps, poses, times)


class Drive(Sequence[PosedSweep]):
    """Sweeps with poses: item i is (Scene in the LiDAR's frame, (4, 4) float64 LiDAR to the first sweep's frame).

    Attributes:
        paths: the sweeps' files.
        poses: (S, 4, 4) float64.
        times: (S,) float64 seconds, None = not known.
    """

    def __init__(self, paths: list[Path], poses: np.ndarray, times: np.ndarray | None) -> None:
        self.paths, self.poses, self.times = paths, poses, times

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> PosedSweep: ...
    @overload
    def __getitem__(self, index: slice) -> Drive: ...
    def __getitem__(self, index: int | slice) -> PosedSweep | Drive:
        if isinstance(index, slice):
            return Drive(self.paths[index], self.poses[index], None if self.times is None else self.times[index])
        return _sweep(self.paths[index]), self.poses[index]

    def __iter__(self) -> Iterator[PosedSweep]:
        return (self[index] for index in range(len(self)))


def accumulate(sweeps: Iterable[PosedSweep], to: np.ndarray | None = None) -> Scene:
    """Several sweeps as one scene.

    The attribute `sweep` (uint16) tells which sweep a point is from. Objects keep one number throughout where the
    sweeps carry SemanticKITTI's numbers. What only some of the sweeps know is left out.

    Args:
        sweeps: scenes with their poses (4, 4).
        to: (4, 4) pose of the frame that the scene is in; None = that of the first sweep.

    Raises:
        InputError: there are no sweeps.
    """
    sweeps = list(sweeps)
    if not sweeps:
        raise InputError("no sweeps to accumulate")
    scenes = [scene for scene, _ in sweeps]
    to_frame = np.linalg.inv(sweeps[0][1] if to is None else to)
    points = [_moved(scene.points, to_frame @ pose) for scene, pose in sweeps]
    names = set.intersection(*(set(scene.attributes) for scene in scenes))
    attributes = {name: np.concatenate([scene.attributes[name] for scene in scenes]) for name in sorted(names)}
    attributes["sweep"] = np.repeat(np.arange(len(scenes), dtype=np.uint16), [len(scene) for scene in scenes])
    fields: dict[str, Any] = {}
    if all(scene.intensity is not None for scene in scenes):
        fields["intensity"] = np.concatenate([scene.intensity for scene in scenes])
    if all(scene.labels is not None and scene.classes == scenes[0].classes for scene in scenes):
        fields |= {"labels": np.concatenate([scene.labels for scene in scenes]), "classes": scenes[0].classes}
    if kitti.RAW_LABEL in attributes:
        fields["instances"] = kitti.instances_of(attributes[kitti.RAW_LABEL])
    return Scene(np.concatenate(points), **fields, attributes=attributes, name=scenes[0].name)


def read_calibration(path: Path, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The matrices of a KITTI `calib.txt`.

    Args:
        path: of the file.
        needed: names that must be there.

    Returns:
        By name, as (4, 4) float64; "R0_rect" has 9 numbers, others 12.

    Raises:
        InputError: one of `needed` is missing.
    """
    matrices = {}
    for line in _text(path).splitlines():
        name, colon, values = line.partition(":")
        if not colon or not values.strip():
            continue
        try:
            numbers = np.array(values.split(), np.float64)
            rows = numbers.reshape(3, -1)
        except ValueError:
            continue  # KITTI's raw recordings keep dates and sizes among the matrices
        if len(numbers) in (9, 12) and np.isfinite(numbers).all():
            matrices[name.strip()] = np.eye(4)
            matrices[name.strip()][:3, : rows.shape[1]] = rows
    if missing := [name for name in needed if name not in matrices]:
        raise InputError(f"{path}: no matrix {missing[0]}: with its 12 (R0_rect: 9) numbers")
    return matrices


def _sweep(path: Path) -> Scene:
    scene = kitti.read(path)
    if kitti.RAW_LABEL not in scene.attributes:
        return scene
    numbers = scene.attributes[kitti.RAW_LABEL] & 0xFFFF
    moving = (numbers >= _MOVING[0]) & (numbers <= _MOVING[1])
    return scene.with_columns(moving=moving.astype(np.uint8))


def _poses(path: Path, count: int) -> np.ndarray:
    rows = _numbers(path, 12)
    if len(rows) < count:
        raise InputError(f"{path}: {len(rows)} poses for {count} sweeps in velodyne/")
    poses = np.tile(np.eye(4), (count, 1, 1))
    for index, row in enumerate(rows[:count]):
        poses[index, :3] = row.reshape(3, 4)
        mended = rigid(poses[index], f"{path}: line {index + 1}")
        if mended is None:
            raise InputError(f"{path}: line {index + 1} is no pose: a number is not finite")
        poses[index] = mended
    return poses


def _numbers(path: Path, columns: int) -> np.ndarray:
    lines = [line.split() for line in _text(path).splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        if len(line) != columns:
            raise InputError(f"{path}: line {number} holds {len(line)} numbers in place of {columns}")
    try:
        return np.array(lines, np.float64).reshape(-1, columns)
    except ValueError as error:
        raise InputError(f"{path}: not numbers ({error})") from error


def _text(path: Path) -> str:
    return read_bytes(path).decode("utf-8", "replace")


def _moved(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    return (points.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
