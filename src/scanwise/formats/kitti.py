"""LiDAR sweeps in `.bin`: KITTI and SemanticKITTI (x y z intensity) and nuScenes (x y z intensity ring), float32.

Which of the two a file is, its numbers say: its size must be whole points, and a ring is a small whole number.
Only where both layouts fit does the name decide (`.pcd.bin` is nuScenes). The frame is the sensor's own, z up.

Labels are read from the `.label` beside a sweep, or from `../labels/` as SemanticKITTI keeps them: uint32, the
lower 16 bits the class, the upper 16 the object. If every class is one of SemanticKITTI's, `labels` are the 19
classes of its benchmark; if not, `labels` are the numbers as they are (65535 = unlabelled) and `classes` is
None. The whole number is kept as the attribute `semantickitti_label`.

Written: the sweep's own columns, or x y z intensity for a scene from elsewhere; and where there are labels, a
`.label` beside it, with SemanticKITTI's numbers if the classes are its, else with the indices of the classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes, replacing
from scanwise.formats.class_comments import names_to_write
from scanwise.ranges import intensity_fractions
from scanwise.scene import Scene

CLASSES = (
    *("car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "bicyclist", "motorcyclist", "road"),
    *("parking", "sidewalk", "other-ground", "building", "fence", "vegetation", "trunk", "terrain", "pole"),
    "traffic-sign",
)
"""The 19 classes of SemanticKITTI's benchmark, in its order."""

_RAW_IDS = (10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81)
_MERGED = {13: 4, 16: 4, 60: 8, 252: 0, 253: 6, 254: 5, 255: 7, 256: 4, 257: 4, 258: 3, 259: 4}
_UNLABELLED = (0, 1, 52, 99)
_NONE = 65535
RAW_LABEL = "semantickitti_label"
"""The attribute that keeps the numbers of a `.label` as they are, uint32 (N,)."""

_FARTHEST = 10_000.0
_RINGS = 256


@dataclass(eq=False)
class SweepRecord:
    """`Scene.raw` of a sweep.

    Attributes:
        rows: (N, 4) or (N, 5) float32, as they are in the file.
    """

    rows: np.ndarray

    @property
    def layout(self) -> str:
        """Whose layout the rows have: "nuScenes" or "KITTI"."""
        return "nuScenes" if self.rows.shape[1] == 5 else "KITTI"


def read(path: Path) -> Scene:
    """A sweep with its labels where they are.

    Raises:
        InputError: the numbers are those of no sweep.
    """
    rows = _rows(path)
    attributes: dict[str, np.ndarray] = {}
    if rows.shape[1] == 5:
        attributes["ring"] = np.nan_to_num(rows[:, 4], nan=0, posinf=0, neginf=0).astype(np.uint8)
    fields: dict[str, Any] = {}
    labels = _label_file(path)
    if labels is not None:
        attributes[RAW_LABEL] = _raw_labels(labels, len(rows), path)
        fields = _label_fields(attributes[RAW_LABEL])
    return Scene(
        points=rows[:, :3],
        intensity=intensity_fractions(rows[:, 3]) if rows[:, 3].any() else None,  # every sweep has the column
        **fields,
        attributes=attributes,
        name=_stem(path),
        source_format="bin",
        raw=SweepRecord(rows),
    )


def write(scene: Scene, path: Path) -> None:
    """Writes the sweep, and `.label` beside it where there are labels.

    Raises:
        OutputError: the place cannot be written.
    """
    rows = _rows_of(scene, path)
    numbers = _numbers(scene, path)
    kept = {RAW_LABEL, "ring"} if rows.shape[1] == 5 else {RAW_LABEL}
    left_out = [name for name in scene.attributes if name not in kept]
    left_out += [name for name in ("colors", "normals") if getattr(scene, name) is not None]
    if left_out:
        _warn(f"{path}: {', '.join(left_out)} left out; a .bin sweep has no place for them")
    with replacing(path) as temporary:
        temporary.write_bytes(rows.astype("<f4").tobytes())
    if numbers is not None:
        with replacing(path.with_name(_stem(path) + ".label")) as temporary:
            temporary.write_bytes(numbers.astype("<u4").tobytes())


def _rows(path: Path) -> np.ndarray:
    content = read_bytes(path)
    if not content:
        raise InputError(f"{path}: the file is empty")
    fitting = [columns for columns in (4, 5) if len(content) % (4 * columns) == 0]
    if not fitting:
        raise InputError(
            f"{path}: {len(content)} bytes are no whole number of points, of 16 bytes (KITTI) or 20 (nuScenes)"
        )
    numbers = np.frombuffer(content, "<f4").astype(np.float32)
    candidates = [numbers.reshape(-1, columns) for columns in fitting]
    sweeps = [rows for rows in candidates if _plausible(rows)]
    if not sweeps:
        raise InputError(
            f"{path}: neither a KITTI sweep (x y z intensity, float32) nor a nuScenes one (and ring); "
            "coordinates, intensities or rings are out of range"
        )
    return sweeps[-1] if path.name.lower().endswith(".pcd.bin") else sweeps[0]


def _plausible(rows: np.ndarray) -> bool:
    finite = rows[np.isfinite(rows).all(1)]
    if len(finite) == 0:
        return True
    near = np.abs(finite[:, :3]).max() <= _FARTHEST
    strengths = finite[:, 3].min() >= 0 and finite[:, 3].max() <= 65535
    if rows.shape[1] == 4:
        return bool(near and strengths)
    rings = finite[:, 4]
    whole = np.array_equal(rings, np.floor(rings)) and rings.min() >= 0 and rings.max() < _RINGS
    return bool(near and strengths and whole)


def _stem(path: Path) -> str:
    stem = path.stem
    return stem[: -len(".pcd")] if stem.lower().endswith(".pcd") else stem


def _label_file(path: Path) -> Path | None:
    name = _stem(path) + ".label"
    places = (path.with_name(name), path.parent.parent / "labels" / name)
    return next((place for place in places if place.is_file()), None)


def _raw_labels(path: Path, count: int, sweep: Path) -> np.ndarray:
    content = read_bytes(path)
    if len(content) != 4 * count:
        raise InputError(f"{path}: {len(content)} bytes for the {count} points of {sweep}; {4 * count} are needed")
    return np.frombuffer(content, "<u4").astype(np.uint32)


def _label_fields(raw: np.ndarray) -> dict[str, Any]:
    ids, where = np.unique(raw & 0xFFFF, return_inverse=True)
    known = dict.fromkeys(_UNLABELLED, -1) | {raw_id: index for index, raw_id in enumerate(_RAW_IDS)} | _MERGED
    ours = all(int(raw_id) in known for raw_id in ids)
    if ours:
        index = np.array([known[int(raw_id)] for raw_id in ids], np.int32)
    else:
        index = np.where(ids == _NONE, -1, ids.astype(np.int32))
    fields: dict[str, Any] = {"labels": index[where], "classes": list(CLASSES) if ours else None}
    if (raw >> 16).any():
        fields["instances"] = instances_of(raw)
    return fields


def instances_of(raw: np.ndarray) -> np.ndarray:
    """The objects in the numbers (N,) of a `.label`, which counts them within their class.

    Returns:
        (N,) int32 ids from 0 throughout the points, -1 = none.
    """
    instances = np.full(len(raw), -1, np.int32)
    counted = raw >> 16 > 0
    instances[counted] = np.unique(raw[counted], return_inverse=True)[1]
    return instances


def _rows_of(scene: Scene, path: Path) -> np.ndarray:
    points = scene.points_in_source()
    record = scene.raw
    if isinstance(record, SweepRecord) and np.array_equal(record.rows[:, :3], points, equal_nan=True):
        was = intensity_fractions(record.rows[:, 3])
        if scene.intensity is None or np.array_equal(scene.intensity, was):
            return record.rows
        return np.column_stack([record.rows[:, :3], scene.intensity, record.rows[:, 4:]])
    rounded = points.astype(np.float32)
    finite = np.isfinite(rounded)
    error = np.abs(rounded[finite] - points[finite].astype(np.float64)).max(initial=0)
    if error > 0.001:
        _warn(f"{path}: coordinates are rounded by up to {error:.3g}, as .bin holds float32; .ply keeps them")
    intensity = np.zeros(len(scene), np.float32) if scene.intensity is None else scene.intensity
    columns = [rounded, intensity]
    ring = scene.attributes.get("ring")
    if ring is not None and path.name.lower().endswith(".pcd.bin") and _are_rings(ring):
        columns.append(ring.astype(np.float32))
    return np.column_stack(columns)


def _are_rings(column: np.ndarray) -> bool:
    whole = column.ndim == 1 and column.dtype.kind in "iu"
    return bool(whole and column.min(initial=0) >= 0 and column.max(initial=0) < _RINGS)


def _numbers(scene: Scene, path: Path) -> np.ndarray | None:
    """uint32 (N,) for the `.label`, None without labels and objects."""
    if scene.labels is None and scene.instances is None:
        return None
    labels = np.full(len(scene), -1, np.int32) if scene.labels is None else scene.labels
    stored = scene.attributes.get(RAW_LABEL)
    if stored is not None and _says(stored, labels, scene.instances):
        return stored
    if scene.classes == list(CLASSES):
        numbers = np.where(labels < 0, 0, np.array(_RAW_IDS)[labels])
    else:
        numbers = np.where(labels < 0, _NONE, labels)
        if names_to_write(scene) is not None:
            _warn(
                f"{path}: the .label beside it holds numbers alone; class names are lost, .ply or a folder keeps them"
            )
    objects = np.zeros(len(scene), np.int64) if scene.instances is None else scene.instances.astype(np.int64) + 1
    if max(int(numbers.max(initial=0)), int(objects.max(initial=0))) > _NONE:
        _warn(f"{path}: the .label beside it has 16 bits for a class and for an object; larger numbers are left out")
        numbers, objects = np.where(numbers > _NONE, _NONE, numbers), np.where(objects > _NONE, 0, objects)
    return numbers.astype(np.uint32) | objects.astype(np.uint32) << np.uint32(16)


def _says(raw: np.ndarray, labels: np.ndarray, instances: np.ndarray | None) -> bool:
    """Whether the numbers of a `.label` stand for these labels and objects."""
    fields = _label_fields(raw)
    there = fields.get("instances")
    same_objects = instances is None or (there is not None and np.array_equal(there, instances))
    return same_objects and np.array_equal(fields["labels"], labels)


def _warn(text: str) -> None:
    warnings.warn(text, ScanwiseWarning, stacklevel=3)
