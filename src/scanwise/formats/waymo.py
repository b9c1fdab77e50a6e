"""Frames of the Waymo Open Dataset, version 2: a folder a component, in it one parquet file a segment.

    ROOT/lidar/SEGMENT.parquet               range images (H, W, 4): range, intensity, elongation, in no-label zone
    ROOT/lidar_calibration/SEGMENT.parquet   beam inclinations, and the pose of each LiDAR on the vehicle
    ROOT/vehicle_pose/SEGMENT.parquet        the vehicle's pose, a frame each
    ROOT/lidar_pose/SEGMENT.parquet          optional: the vehicle's pose at every pixel of the TOP LiDAR
    ROOT/lidar_segmentation/SEGMENT.parquet  optional: (H, W, 2): instance, class; on some frames, TOP LiDAR
    ROOT/lidar_box/SEGMENT.parquet           optional: boxes

A scene is in the vehicle's frame at the frame's time: x forward, y left, z up. First returns only.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Box, Scene

CLASSES = (
    *("car", "truck", "bus", "other vehicle", "motorcyclist", "bicyclist", "pedestrian", "sign", "traffic light"),
    *("pole", "construction cone", "bicycle", "motorcycle", "building", "vegetation", "tree trunk", "curb", "road"),
    *("lane marker", "other ground", "walkable", "sidewalk"),
)
"""The 22 classes after 0, "undefined" (here -1), of the 23 in the segmentation labels."""

_TYPES = ("unknown", "vehicle", "pedestrian", "sign", "cyclist")
_TOP = 1
_TIME, _LASER = "key.frame_timestamp_micros", "key.laser_name"
_IMAGE = "range_image_return1"
Row = dict[str, Any]


def read_segment(root: Path, segment: str | None = None) -> Segment:
    """The frames of one segment in time order, each read when it is asked for.

    Args:
        root: of the data set.
        segment: the file's name without .parquet; None = the only one there.

    Raises:
        InputError: pyarrow or a component is missing, or one is damaged.
    """
    root = Path(root)
    if segment is None:
        found = sorted(path.stem for path in (root / "lidar").glob("*.parquet"))
        if len(found) != 1:
            there = f"{len(found)}; name one, such as {found[0]}" if found else "none; see docs/data-outdoor.md"
            raise InputError(f"{root / 'lidar'}: looked for one segment (.parquet) and found {there}")
        segment = found[0]
    return Segment(root, segment)


class Segment(Sequence[tuple[Scene, np.ndarray]]):
    """The frames of a segment: item i is (Scene in the vehicle's frame, (4, 4) float64 vehicle to world).

    Args:
        root: of the data set.
        name: of the segment.

    Attributes:
        times: (F,) int64 microseconds.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        rows = _rows(self._path("vehicle_pose"))
        prefix = "[VehiclePoseComponent].world_from_vehicle.transform"
        path = self._path("vehicle_pose")
        self._poses = {_value(row, _TIME, path): _matrix(_value(row, prefix, path), path) for row in rows}
        self.times = np.array(sorted(self._poses), np.int64)
        path = self._path("lidar_calibration")
        self._calibrations = {_value(row, _LASER, path): row for row in _rows(path)}
        if not self._path("lidar_pose").is_file():
            text = "without lidar_pose the TOP LiDAR's points are smeared by the vehicle's motion during a turn (0.1 s)"
            warnings.warn(f"{root}: {text}", ScanwiseWarning, stacklevel=3)

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, index: int) -> tuple[Scene, np.ndarray]:  # type: ignore[override]
        time = int(self.times[index])
        return self._frame(time), self._poses[time]

    def __iter__(self) -> Iterator[tuple[Scene, np.ndarray]]:
        return (self[index] for index in range(len(self)))

    def is_labelled(self, index: int) -> bool:
        """Whether the points of a frame have labels, as those of about one frame in eight do."""
        return int(self.times[index]) in self._labelled_times

    @cached_property
    def _labelled_times(self) -> frozenset[int]:
        path = self._path("lidar_segmentation")
        return (
            frozenset(_value(row, _TIME, path) for row in _rows(path, columns=[_TIME]))
            if path.is_file()
            else frozenset()
        )

    def _path(self, component: str) -> Path:
        return self.root / component / f"{self.name}.parquet"

    def _optional(self, component: str, time: int) -> list[Row]:
        path = self._path(component)
        return _rows(path, time) if path.is_file() else []

    def _frame(self, time: int) -> Scene:
        path = self._path("lidar")
        returns = {_value(row, _LASER, path): _image(row, "LiDARComponent", 4, path) for row in _rows(path, time)}
        if not returns:
            raise InputError(f"{path}: no range image at {time}, a time of vehicle_pose")
        lasers = sorted(returns)
        hits = {laser: returns[laser][..., 0] > 0 for laser in lasers}
        values = np.concatenate([returns[laser][hits[laser]] for laser in lasers])
        points = [self._points(time, laser, returns[laser][..., 0])[hits[laser]] for laser in lasers]
        return Scene(
            np.concatenate(points),
            intensity=np.tanh(np.nan_to_num(values[:, 1]).clip(0)),
            **self._labels(time, hits),
            boxes=self._boxes(time),
            attributes={
                "elongation": values[:, 2],
                "no_label_zone": (values[:, 3] > 0).astype(np.uint8),
                "laser": np.repeat(np.array(lasers, np.uint8), [int(hits[laser].sum()) for laser in lasers]),
            },
            name=f"{self.name}-{time}",
        )

    def _points(self, time: int, laser: int, ranges: np.ndarray) -> np.ndarray:
        """(H, W, 3) float64 in the vehicle's frame."""
        path = self._path("lidar_calibration")
        if laser not in self._calibrations:
            raise InputError(f"{path}: no calibration of laser {laser}, which lidar/ has range images of")
        row, height, width = self._calibrations[laser], *ranges.shape
        component = "[LiDARCalibrationComponent]."
        pose = _matrix(_value(row, f"{component}extrinsic.transform", path), path)
        inclination = row.get(f"{component}beam_inclination.values")
        if inclination is None or len(inclination) == 0:
            low, high = (_value(row, f"{component}beam_inclination.{end}", path) for end in ("min", "max"))
            inclination = low + (np.arange(height) + 0.5) / height * (high - low)
        if len(inclination) != height:
            raise InputError(f"{path}: {len(inclination)} beams of laser {laser} for {height} rows of its range image")
        # Row 0 looks up; column 0 looks back, and the columns go clockwise, turned with the LiDAR on the vehicle.
        up = np.asarray(inclination, np.float64)[::-1, None]
        turn = (width - np.arange(width) - 0.5) / width * 2 - 1
        around = turn * np.pi - np.arctan2(pose[1, 0], pose[0, 0])
        rays = np.stack(np.broadcast_arrays(np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)), -1)
        points = (rays * ranges[..., None]) @ pose[:3, :3].T + pose[:3, 3]
        return self._unrolled(time, points) if laser == _TOP else points

    def _unrolled(self, time: int, points: np.ndarray) -> np.ndarray:
        """Points moved from the vehicle's frame at their own moment to that at the frame's time."""
        path = self._path("lidar_pose")
        for row in self._optional("lidar_pose", time):
            if _value(row, _LASER, path) != _TOP:
                continue
            pixels = _image(row, "LiDARPoseComponent", 6, path).astype(np.float64)
            if pixels.shape[:2] != points.shape[:2]:
                raise InputError(f"{path}: {pixels.shape[:2]} poses for a range image of {points.shape[:2]}")
            world = np.einsum("hwij,hwj->hwi", _rotations(pixels[..., :3]), points) + pixels[..., 3:]
            from_world = np.linalg.inv(self._poses[time])
            points = world @ from_world[:3, :3].T + from_world[:3, 3]
        return points

    def _labels(self, time: int, hits: dict[int, np.ndarray]) -> dict[str, Any]:
        path = self._path("lidar_segmentation")
        rows = self._optional("lidar_segmentation", time)
        if not rows:
            return {}
        numbers = {laser: np.zeros((*hit.shape, 2), np.int32) for laser, hit in hits.items()}
        for row in rows:
            laser = _value(row, _LASER, path)
            image = _image(row, "LiDARSegmentationLabelComponent", 2, path)
            if laser not in hits or image.shape[:2] != hits[laser].shape:
                raise InputError(f"{path}: labels of laser {laser} do not have the shape of its range image at {time}")
            numbers[laser] = image.astype(np.int32)
        objects, classes = np.concatenate([numbers[laser][hits[laser]] for laser in sorted(hits)]).T
        if classes.min(initial=0) < 0 or classes.max(initial=0) > len(CLASSES):
            raise InputError(f"{path}: class numbers must be 0 to {len(CLASSES)}; {classes.max()} is among them")
        return {"labels": classes - 1, "classes": list(CLASSES), "instances": np.where(objects > 0, objects, -1)}

    def _boxes(self, time: int) -> list[Box]:
        from_world = np.linalg.inv(self._poses[time])[:3, :3]
        path = self._path("lidar_box")
        return [_box(row, number, from_world, path) for number, row in enumerate(self._optional("lidar_box", time))]


def _box(row: Row, number: int, from_world: np.ndarray, path: Path) -> Box:
    def numbers(name: str) -> tuple[float, float, float]:
        x, y, z = (float(_value(row, f"[LiDARBoxComponent].{name}.{axis}", path)) for axis in "xyz")
        return x, y, z

    kind = int(_value(row, "[LiDARBoxComponent].type", path))
    speed = [row.get(f"[LiDARBoxComponent].speed.{axis}") for axis in "xyz"]
    known = speed[0] is not None and speed[1] is not None
    velocity = from_world @ [float(value or 0) for value in speed] if known else None
    return Box(
        instance=number,
        name=_TYPES[kind] if 0 <= kind < len(_TYPES) else _TYPES[0],
        center=numbers("box.center"),
        size=numbers("box.size"),
        heading=float(_value(row, "[LiDARBoxComponent].box.heading", path)),
        velocity=None if velocity is None else (float(velocity[0]), float(velocity[1])),
    )


def _rows(path: Path, time: int | None = None, columns: list[str] | None = None) -> list[Row]:
    """The rows of a component, all or those of one frame; with all columns, or some."""
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise InputError(f"{path}: Waymo's parquet files need pyarrow; pip install scanwise[waymo]") from error
    if not path.is_file():
        raise InputError(f"{path}: no such component; see docs/data-outdoor.md for what to download")
    try:
        filters = None if time is None else [(_TIME, "=", time)]
        return parquet.read_table(path, columns=columns, filters=filters).to_pylist()
    except (ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged parquet file ({str(error).splitlines()[0]})") from error


def _value(row: Row, name: str, path: Path) -> Any:
    if row.get(name) is None:
        raise InputError(f"{path}: no column or value {name}")
    return row[name]


def _image(row: Row, component: str, channels: int, path: Path) -> np.ndarray:
    """(H, W, channels) float32."""
    values = np.array(_value(row, f"[{component}].{_IMAGE}.values", path), np.float32)
    shape = tuple(_value(row, f"[{component}].{_IMAGE}.shape", path))
    if len(shape) != 3 or shape[2] != channels or values.size != np.prod(shape):
        raise InputError(f"{path}: {values.size} values for an image of shape {shape}; (H, W, {channels}) is needed")
    return values.reshape(shape)


def _matrix(values: Any, path: Path) -> np.ndarray:
    matrix = np.array(values, np.float64)
    if matrix.size != 16 or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix.reshape(4, 4))) < 0.5:
        raise InputError(f"{path}: a transform is no pose of 16 numbers")
    return matrix.reshape(4, 4)


def _rotations(angles: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw (..., 3) in radians -> (..., 3, 3), turned about x first, z last."""
    (cr, cp, cy), (sr, sp, sy) = np.moveaxis(np.cos(angles), -1, 0), np.moveaxis(np.sin(angles), -1, 0)
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)
