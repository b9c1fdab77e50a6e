"""Key frames of nuScenes: a sweep of LIDAR_TOP with its six pictures, boxes and lidarseg labels.

    ROOT/v1.0-mini/*.json                      tables whose rows name one another by token
    ROOT/samples/LIDAR_TOP/*.pcd.bin           x y z intensity ring, float32, in the frame of the LiDAR
    ROOT/samples/CAM_FRONT/*.jpg, ...          six cameras
    ROOT/lidarseg/v1.0-mini/TOKEN_lidarseg.bin uint8 a point, where lidarseg is installed

A scene is in the frame of its LiDAR at its time stamp: x right, y forward, z up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import ImageFile, read_bytes, read_json
from scanwise.formats import kitti
from scanwise.formats.poses import rotations
from scanwise.scene import Box, Scene, View

CLASSES = (
    *("barrier", "bicycle", "bus", "car", "construction_vehicle", "motorcycle", "pedestrian", "traffic_cone"),
    *("trailer", "truck", "driveable_surface", "other_flat", "sidewalk", "terrain", "manmade", "vegetation"),
)
"""The 16 classes of the lidarseg challenge, in its order (which counts from 1)."""

CHALLENGE = {
    "movable_object.barrier": "barrier",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
    "movable_object.trafficcone": "traffic_cone",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "flat.driveable_surface": "driveable_surface",
    "flat.other": "other_flat",
    "flat.sidewalk": "sidewalk",
    "flat.terrain": "terrain",
    "static.manmade": "manmade",
    "static.vegetation": "vegetation",
}
"""Raw category to class of the challenge; the other 12 of the 32 raw ones are not counted there."""

_TABLES = (
    *("scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor"),
    *("sample_annotation", "instance", "category"),
)
_LONGEST_GAP = 1.5  # seconds between annotations, beyond which a velocity says nothing; as in nuScenes' own tools
Row = dict[str, Any]


@dataclass(eq=False)
class SampleRecord(kitti.SweepRecord):
    """`Scene.raw` of a key frame.

    Attributes:
        token: of its sample.
        to_world: (4, 4) pose of the LiDAR at its time stamp.
    """

    token: str
    to_world: np.ndarray


def read_samples(root: Path, version: str | None = None) -> Samples:
    """The key frames in time order, scene by scene; each is read when it is asked for.

    Args:
        root: of the data set.
        version: the folder of tables ("v1.0-mini"); None = the only one there.

    Raises:
        InputError: a table or a file is missing, or a token does not resolve.
    """
    root = Path(root)
    if version is None:
        found = sorted(path.parent.name for path in root.glob("v1.0-*/sample.json"))
        if len(found) != 1:
            there = f"several ({', '.join(found)}); name one" if found else "none; see docs/data-outdoor.md"
            raise InputError(f"{root}: looked for one folder of tables, v1.0-*, and found {there}")
        version = found[0]
    return Samples(_Tables(root, version))


class Samples(Sequence[Scene]):
    """The key frames as scenes; `read_samples` makes one.

    Attributes:
        tokens: the samples' tokens, in order.
        names: the same by scene and number, "scene-0103-7".
    """

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        scene_order = {token: place for place, token in enumerate(tables.rows["scene"])}
        samples = sorted(
            tables.rows["sample"].values(), key=lambda row: (scene_order.get(row["scene_token"], -1), row["timestamp"])
        )
        self.tokens = [row["token"] for row in samples]
        self.names: list[str] = []
        counts: Counter[str] = Counter()
        for row in samples:
            scene = tables.rows["scene"].get(row["scene_token"], {}).get("name", "scene")
            self.names.append(f"{scene}-{counts[scene]}")
            counts[scene] += 1

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> Scene:  # type: ignore[override]
        return _read(self._tables, self.tokens[index])

    def __iter__(self) -> Iterator[Scene]:
        return (self[index] for index in range(len(self)))


class _Tables:
    """The tables by token, and what of a sample belongs together."""

    def __init__(self, root: Path, version: str) -> None:
        self.root, self.folder = root, root / version
        self.rows = {name: {row["token"]: row for row in self._load(name)} for name in _TABLES}
        self.data: dict[str, dict[str, Row]] = {}
        self.annotations: dict[str, list[Row]] = {}
        try:
            for row in self.rows["sample_data"].values():
                if row["is_key_frame"]:
                    self.data.setdefault(row["sample_token"], {})[self._channel(row)] = row
            for row in self.rows["sample_annotation"].values():
                self.annotations.setdefault(row["sample_token"], []).append(row)
        except KeyError as error:
            raise InputError(f"{self.folder}: a row without {error} in its tables") from error
        self.instances = {token: number for number, token in enumerate(self.rows["instance"])}
        has_lidarseg = (self.folder / "lidarseg.json").is_file()
        lidarseg = self._load("lidarseg") if has_lidarseg else []
        self.lidarseg = {row["sample_data_token"]: row["filename"] for row in lidarseg}
        self.to_class = self._class_map() if has_lidarseg else np.empty(0, np.int32)

    def get(self, table: str, token: str) -> Row:
        row = self.rows[table].get(token)
        if row is None:
            raise InputError(f"{self.folder / table}.json: no row has the token {token!r} that another table names")
        return row

    def pose(self, table: str, token: str) -> np.ndarray:
        row = self.get(table, token)
        return _rigid(row["translation"], row["rotation"])

    def to_ego(self, data: Row) -> np.ndarray:
        return self.pose("calibrated_sensor", data["calibrated_sensor_token"])

    def to_world(self, data: Row) -> np.ndarray:
        """The sensor's pose at its own time stamp."""
        return self.pose("ego_pose", data["ego_pose_token"]) @ self.to_ego(data)

    def _channel(self, data: Row) -> str:
        sensor = self.get("calibrated_sensor", data["calibrated_sensor_token"])["sensor_token"]
        return self.get("sensor", sensor)["channel"]

    def _class_map(self) -> np.ndarray:
        to_class = np.full(256, -1, np.int32)
        for row in self.rows["category"].values():
            if row["name"] in CHALLENGE and "index" in row:
                to_class[row["index"]] = CLASSES.index(CHALLENGE[row["name"]])
        return to_class

    def _load(self, name: str) -> list[Row]:
        path = self.folder / f"{name}.json"
        rows = read_json(path, "table")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "token" in row for row in rows):
            raise InputError(f"{path}: damaged table (rows without token)")
        return rows


def _read(tables: _Tables, token: str) -> Scene:
    data = tables.data.get(token, {})
    if "LIDAR_TOP" not in data:
        raise InputError(f"{tables.folder / 'sample_data.json'}: sample {token} has no key frame of LIDAR_TOP")
    lidar = data["LIDAR_TOP"]
    try:
        to_world = tables.to_world(lidar)
        from_world = np.linalg.inv(to_world)
        scene = kitti.read(tables.root / lidar["filename"])
        labels = _labels(tables, lidar["token"], len(scene))
        assert isinstance(scene.raw, kitti.SweepRecord)
        return replace(
            scene,
            labels=labels,
            classes=None if labels is None else list(CLASSES),
            boxes=[_box(tables, row, from_world) for row in tables.annotations.get(token, [])],
            views=[_view(tables, data[name], name, from_world) for name in sorted(data) if name.startswith("CAM_")],
            name=token,
            raw=SampleRecord(scene.raw.rows, token, to_world),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{tables.folder}: a damaged row of sample {token} ({error})") from error


def _labels(tables: _Tables, lidar_token: str, count: int) -> np.ndarray | None:
    if lidar_token not in tables.lidarseg:
        return None
    path = tables.root / tables.lidarseg[lidar_token]
    numbers = np.frombuffer(read_bytes(path), np.uint8)
    if len(numbers) != count:
        raise InputError(f"{path}: {len(numbers)} labels for the {count} points of its sweep")
    return tables.to_class[numbers]


def _view(tables: _Tables, data: Row, name: str, from_world: np.ndarray) -> View:
    """By way of the world: the car has moved between the camera's time stamp and the LiDAR's."""
    sensor = tables.get("calibrated_sensor", data["calibrated_sensor_token"])
    intrinsics = np.array(sensor["camera_intrinsic"], np.float64).reshape(3, 3)
    return View(ImageFile(tables.root / data["filename"]), intrinsics, from_world @ tables.to_world(data), name=name)


def _box(tables: _Tables, row: Row, from_world: np.ndarray) -> Box:
    instance = tables.get("instance", row["instance_token"])
    pose = from_world @ _rigid(row["translation"], row["rotation"])
    width, length, height = (float(value) for value in row["size"])
    velocity = _velocity(tables, row)
    x, y, z = (float(value) for value in pose[:3, 3])
    turned = None if velocity is None else from_world[:3, :3] @ velocity
    return Box(
        instance=tables.instances[row["instance_token"]],
        name=tables.get("category", instance["category_token"])["name"],
        center=(x, y, z),
        size=(length, width, height),
        heading=float(np.arctan2(pose[1, 0], pose[0, 0])),
        velocity=None if turned is None else (float(turned[0]), float(turned[1])),
    )


def _velocity(tables: _Tables, row: Row) -> np.ndarray | None:
    """(3,) metres per second in the world, from the annotations of the object before and after this one."""
    before, after = (tables.get("sample_annotation", row[way]) if row[way] else row for way in ("prev", "next"))
    if before is after:
        return None
    times = [tables.get("sample", annotation["sample_token"])["timestamp"] * 1e-6 for annotation in (before, after)]
    seconds = times[1] - times[0]
    longest = _LONGEST_GAP * (2 if row["prev"] and row["next"] else 1)
    if not 0 < seconds <= longest:
        return None
    return (np.array(after["translation"], np.float64) - np.array(before["translation"], np.float64)) / seconds


def _rigid(translation: Any, rotation: Any) -> np.ndarray:
    """(4, 4) from metres and a quaternion (w, x, y, z)."""
    pose = np.eye(4)
    pose[:3, :3] = rotations(np.roll(np.array(rotation, np.float64) / np.linalg.norm(rotation), -1))
    pose[:3, 3] = translation
    return pose
