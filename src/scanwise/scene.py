"""`Scene` and `View`: the one thing that everything passes around."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from scanwise.errors import InputError
from scanwise.ranges import color_bytes, intensity_fractions

FAR = 10_000.0
"""Metres from the origin beyond which float32 steps reach a millimetre, and coordinates are shifted."""


class Raster(Protocol):
    """An image or depth map that is read when it is touched, and known by its content."""

    def read(self) -> np.ndarray:
        """The pixels."""
        ...

    def size(self) -> tuple[int, int]:
        """Height and width, without decoding the whole."""
        ...

    def digest(self) -> str:
        """Hex digest of the stored bytes: equal content, equal digest."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayRaster:
    """A raster that is already in memory.

    Attributes:
        array: (H, W, ...) pixels.
    """

    array: np.ndarray

    def read(self) -> np.ndarray:
        """The array."""
        return self.array

    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.array.shape[0], self.array.shape[1]

    def digest(self) -> str:
        """Hex digest of the array."""
        return array_digest(self.array)


@dataclass(eq=False)
class View:
    """One posed picture of the scene, with depth where there is any.

    Cameras follow OpenCV: x right, y down, z forward, pixel centres at whole numbers. Colour and depth
    may come from two cameras; where the depth camera is not given, it is the colour camera.

    Attributes:
        image_raster: gives uint8 (H, W, 3) RGB.
        intrinsics: (3, 3) float64, of the colour camera, in pixels of `image`.
        camera_to_world: (4, 4) float64 rigid, colour camera to scene coordinates (metres).
        depth_raster: gives float32 (H', W') metres, 0 = no reading; None without depth.
        depth_intrinsics: (3, 3) float64 of the depth camera, in pixels of `depth`; None = `intrinsics`
            scaled to the depth map's size.
        depth_to_world: (4, 4) float64 rigid; None = `camera_to_world`.
        name: what the recording calls this frame.
    """

    image_raster: Raster
    intrinsics: np.ndarray
    camera_to_world: np.ndarray
    depth_raster: Raster | None = None
    depth_intrinsics: np.ndarray | None = None
    depth_to_world: np.ndarray | None = None
    name: str = ""

    @property
    def image(self) -> np.ndarray:
        """The picture, uint8 (H, W, 3), read anew at every touch."""
        return self.image_raster.read()

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of `image`, without decoding it."""
        return self.image_raster.size()

    @property
    def depth(self) -> np.ndarray | None:
        """The depth map, float32 (H', W') metres, 0 = no reading, read anew at every touch; None without."""
        return None if self.depth_raster is None else self.depth_raster.read()

    def depth_camera(self, depth_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The depth camera.

        Args:
            depth_size: (H', W') of the depth map.

        Returns:
            Intrinsics (3, 3) and pose (4, 4).
        """
        pose = self.camera_to_world if self.depth_to_world is None else self.depth_to_world
        if self.depth_intrinsics is not None:
            return self.depth_intrinsics, pose
        return scale_intrinsics(self.intrinsics, self.image_size, depth_size), pose

    def moved(self, transform: np.ndarray) -> View:
        """The same picture in a world moved by (4, 4) `transform`."""
        depth_to_world = None if self.depth_to_world is None else transform @ self.depth_to_world
        return replace(self, camera_to_world=transform @ self.camera_to_world, depth_to_world=depth_to_world)

    def digest(self) -> str:
        """Hex digest of everything that features lifted from this view depend on."""
        parts = [self.image_raster.digest()]
        if self.depth_raster is not None:
            parts.append(self.depth_raster.digest())
        matrices = (self.intrinsics, self.camera_to_world, self.depth_intrinsics, self.depth_to_world)
        parts += ["-" if matrix is None else array_digest(np.asarray(matrix, np.float64)) for matrix in matrices]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Referral:
    """A sentence and the object that it means, or the objects.

    Attributes:
        text: the sentence.
        instance: id of the object; -1 says that nothing in the scene fits.
        also: ids of further objects that it means.
        group: what its data set counts it among: "unique", "multiple", "hard", ...; "" = not said.
    """

    text: str
    instance: int
    also: tuple[int, ...] = ()
    group: str = ""

    @property
    def instances(self) -> list[int]:
        """Ids of all objects that it means."""
        return [self.instance, *self.also] if self.instance >= 0 else []


@dataclass(frozen=True)
class Box:
    """An object of the scene and the upright box around it.

    Attributes:
        instance: its id in `Scene.instances`.
        name: what a person would call it ("office chair").
        center: (x, y, z) of the box, scene coordinates.
        size: (length, width, height) along the box's own x (forward), y (left) and z (up), metres.
        heading: radians from the scene's x axis, counter-clockwise.
        velocity: (x, y) metres per second; None = not known.
        color: a colour word for it, "" = none.
        model: where its shape came from, "" = not known.
        held_out: the shape is kept from training.
    """

    instance: int
    name: str
    center: tuple[float, float, float]
    size: tuple[float, float, float]
    heading: float = 0.0
    velocity: tuple[float, float] | None = None
    color: str = ""
    model: str = ""
    held_out: bool = False

    @classmethod
    def around(cls, points: np.ndarray, instance: int, name: str) -> Box:
        """The smallest box along the scene's axes that holds some points.

        Args:
            points: (N, 3), N at least 1.
            instance: id of the object.
            name: of the object.
        """
        low, high = points.min(0).astype(float), points.max(0).astype(float)
        return cls(instance, name, tuple(((low + high) / 2).tolist()), tuple((high - low).tolist()))


@dataclass(eq=False)
class Scene:
    """A scan: points with whatever is known about each of them, and the pictures taken of it.

    Inside, everything is in metres, right-handed, z up. `to_source` leads back to the file's own frame.

    What is handed over in another type is brought to this one: colours and intensities of any range (see `ranges`);
    points of 64 bits more than 10 km from the origin are shifted, and kept exactly in `source_points`.

    Attributes:
        points: (N, 3) float32. Rows that are not finite are kept, so that outputs match inputs row by row.
        colors: (N, 3) uint8 RGB.
        normals: (N, 3) float32 unit.
        intensity: (N,) float32 in 0..1.
        labels: (N,) int32 index into `classes`, -1 = unlabelled.
        instances: (N,) int32, -1 = none.
        classes: names that `labels` points into; None where the file has numbers alone.
        boxes: the objects, one each.
        views: the posed pictures.
        sentences: referring expressions of objects.
        name: short name, for titles and folders.
        to_source: (4, 4) float64, scene coordinates to the source's own frame and units.
        source_points: (N, 3) in the file's own frame and precision, when `to_source` alone would round.
        attributes: further per-point columns (N,) or (N, C) under their names in the file.
        source_format: suffix of the file it came from ("ply", "las", ...); "" for recordings.
        raw: the format's own record (header, attributes, CRS, ...), for a writer of the same format.
    """

    points: np.ndarray
    colors: np.ndarray | None = None
    normals: np.ndarray | None = None
    intensity: np.ndarray | None = None
    labels: np.ndarray | None = None
    instances: np.ndarray | None = None
    classes: list[str] | None = None
    boxes: list[Box] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    sentences: list[Referral] = field(default_factory=list)
    name: str = "scene"
    to_source: np.ndarray = field(default_factory=lambda: np.eye(4))
    source_points: np.ndarray | None = None
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    source_format: str = ""
    raw: Any = None

    def __post_init__(self) -> None:
        self.points = np.asarray(self.points)
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise InputError(f"{self.name}: points must be (N, 3), not {self.points.shape}")
        bare = self.source_points is None and np.array_equal(self.to_source, np.eye(4))
        if bare and self.points.dtype.kind in "iuf" and is_far(self.points):
            self.points, self.source_points, self.to_source = place(self.points)
        self.points = np.ascontiguousarray(self.points, np.float32)
        for key, width, dtype in _COLUMNS:
            value = getattr(self, key)
            if value is None:
                continue
            shape = (len(self),) if width == 1 else (len(self), width)
            if np.shape(value) != shape:
                raise InputError(f"{self.name}: {key} must be {shape}, not {np.shape(value)}")
            if key in _RANGED:
                value = _RANGED[key](np.asarray(value), self.name)
            setattr(self, key, np.ascontiguousarray(value, dtype))
        for name, column in self.attributes.items():
            if len(column) != len(self):
                raise InputError(f"{self.name}: {name} has {len(column)} rows for {len(self)} points")

    def __len__(self) -> int:
        return len(self.points)

    @property
    def finite(self) -> np.ndarray:
        """Rows (N,) bool whose three coordinates are finite."""
        return np.isfinite(self.points).all(1)

    def points_in_source(self) -> np.ndarray:
        """The points (N, 3) as the source has them, float64 or the file's own type."""
        if self.source_points is not None:
            return self.source_points
        if np.array_equal(self.to_source, np.eye(4)):
            return self.points
        return self.points.astype(np.float64) @ self.to_source[:3, :3].T + self.to_source[:3, 3]

    def normals_in_source(self) -> np.ndarray | None:
        """Unit normals (N, 3) turned into the source's frame; None without normals."""
        if self.normals is None or np.array_equal(self.to_source[:3, :3], np.eye(3)):
            return self.normals
        turned = self.normals.astype(np.float64) @ np.linalg.inv(self.to_source[:3, :3])
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        return (turned / np.where(length > 0, length, 1)).astype(np.float32)

    def turned(self, rotation: np.ndarray) -> Scene:
        """The same scene in a turned frame; boxes, which stand upright, are left out.

        Args:
            rotation: (3, 3), `points @ rotation.T`.
        """
        turn = np.eye(4)
        turn[:3, :3] = rotation
        return replace(
            self,
            points=self.points @ rotation.T,
            normals=None if self.normals is None else self.normals @ rotation.T,
            views=[view.moved(turn) for view in self.views],
            boxes=[],
            to_source=self.to_source @ np.linalg.inv(turn),
            source_points=self.points_in_source(),
        )

    def with_columns(self, **columns: np.ndarray) -> Scene:
        """A copy that carries these per-point columns as well; a name already taken gets `_in` appended."""
        attributes = dict(self.attributes)
        for name in columns:
            if name in attributes:
                attributes[f"{name}_in"] = attributes.pop(name)
        return replace(self, attributes=attributes | columns)

    def digest(self) -> str:
        """Hex digest of points, colours, normals and views: the key of what is cached for this scene."""
        state = hashlib.sha256()
        for part in self._digests():
            state.update(part.encode())
        return state.hexdigest()

    def _digests(self) -> Iterator[str]:
        for array in (self.points, self.colors, self.normals, self.intensity):
            yield "-" if array is None else array_digest(array)
        for view in self.views:
            yield view.digest()


_COLUMNS: tuple[tuple[str, int, type], ...] = (
    ("colors", 3, np.uint8),
    ("normals", 3, np.float32),
    ("intensity", 1, np.float32),
    ("labels", 1, np.int32),
    ("instances", 1, np.int32),
)
_RANGED = {"colors": color_bytes, "intensity": intensity_fractions}


def is_far(points: np.ndarray) -> bool:
    """Whether some of these points (N, 3) lie further from the origin than float32 is fine for."""
    with np.errstate(invalid="ignore"):
        low, high = (float(points.min()), float(points.max())) if points.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = points[np.isfinite(points).all(1)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return high > FAR or low < -FAR


def place(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Points of a file, near enough to the origin for float32.

    Args:
        xyz: (N, 3) of any type of number; rows that are not finite stay.

    Returns:
        float32 points, shifted by whole metres if they are far; `xyz` where float32 loses something, else None; and the
        way back (4, 4).
    """
    to_source = np.eye(4)
    if is_far(xyz):
        finite = xyz[np.isfinite(xyz).all(1)]
        to_source[:3, 3] = np.round(np.partition(finite, len(finite) // 2, axis=0)[len(finite) // 2])
    elif xyz.dtype == np.float32:
        return xyz, None, to_source
    with np.errstate(over="ignore", invalid="ignore"):
        points = (xyz.astype(np.float64) - to_source[:3, 3]).astype(np.float32)
    return points, xyz, to_source


def array_digest(array: np.ndarray) -> str:
    """Hex SHA-256 of an array's type, shape and bytes."""
    array = np.ascontiguousarray(array)
    state = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    state.update(array.data if array.size else b"")
    return state.hexdigest()


def scale_intrinsics(intrinsics: np.ndarray, old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Intrinsics (3, 3) of the same camera when its image is resized.

    Args:
        intrinsics: (3, 3) of the image as it was.
        old: (H, W) that it had.
        new: (H, W) that it has.
    """
    sy, sx = new[0] / old[0], new[1] / old[1]
    result = np.array(intrinsics, np.float64)
    result[0, 0] *= sx
    result[1, 1] *= sy
    result[0, 1] *= sx
    result[0, 2] = (result[0, 2] + 0.5) * sx - 0.5
    result[1, 2] = (result[1, 2] + 0.5) * sy - 0.5
    return result
