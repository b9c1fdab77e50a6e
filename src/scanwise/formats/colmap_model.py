"""COLMAP's sparse models, cameras, images and points3D as .bin or .txt, into arrays."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes

# Names of the parameters, in the order of COLMAP's numbers of the models; f and k are fx = fy and k1.
MODELS = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "OPENCV_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "FOV": ("fx", "fy", "cx", "cy", "omega"),
    "SIMPLE_RADIAL_FISHEYE": ("f", "cx", "cy", "k1"),
    "RADIAL_FISHEYE": ("f", "cx", "cy", "k1", "k2"),
    "THIN_PRISM_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1"),
}

_T = TypeVar("_T")


@dataclass(frozen=True)
class Camera:
    """A camera.

    Attributes:
        model: its name, one of MODELS.
        size: (H, W) of its pictures.
        parameters: by name; cx and cy count from the corner of the first pixel.
    """

    model: str
    size: tuple[int, int]
    parameters: dict[str, float]


@dataclass(frozen=True)
class Image:
    """A picture.

    Attributes:
        name: of its file.
        camera: number of its camera.
        rotation: quaternion w, x, y, z, world to camera.
        translation: (3,) likewise.
    """

    name: str
    camera: int
    rotation: tuple[float, ...]
    translation: tuple[float, ...]


def find(folder: Path) -> Path | None:
    """The folder of the model in or below a folder, None without."""
    places = [folder, *(folder / name for name in ("sparse/0", "sparse", "colmap/sparse/0", "dense/sparse"))]
    return next((place for place in places if _file(place, "cameras") and _file(place, "images")), None)


def _file(place: Path, part: str) -> Path | None:
    return next((path for suffix in (".bin", ".txt") if (path := place / (part + suffix)).is_file()), None)


def read(place: Path) -> tuple[dict[int, Camera], list[Image], tuple[np.ndarray, np.ndarray]]:
    """A model's cameras by number, its pictures, and its points (N, 3) float64 with colours (N, 3) uint8.

    Raises:
        InputError: a part is cut off or malformed.
    """
    parts = [_file(place, part) for part in ("cameras", "images", "points3D")]
    cameras, images, points = (
        None if path is None else _read(path, *how) for path, how in zip(parts, _HOW, strict=True)
    )
    table = np.zeros((0, 6)) if points is None else points  # which may have been left out
    return dict(cameras or []), images or [], (table[:, :3], table[:, 3:].clip(0, 255).astype(np.uint8))


def _read(path: Path, of_text: Callable[[str], Any], of_bytes: Callable[[bytes], Any]) -> Any:
    data = read_bytes(path)
    try:
        return of_bytes(data) if path.suffix == ".bin" else of_text(data.decode("utf-8", "replace"))
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(f"{path}: cut off or malformed COLMAP model ({error})") from error


def _camera(number: int, model: str, size: tuple[int, int], values: list[float]) -> tuple[int, Camera]:
    names = MODELS[model]
    if len(values) != len(names) or min(size) <= 0:
        raise ValueError(f"camera {number}: {model} has {len(names)} parameters, not {len(values)}")
    given = dict(zip(names, values, strict=True))
    focal = {key: given.get(key, given.get("f", 0.0)) for key in ("fx", "fy")}
    return number, Camera(model, size, given | focal)


# --------------------------------------------------------------------------------------------------- text


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def _cameras_of_text(text: str) -> list[tuple[int, Camera]]:
    rows = [line.split() for line in _lines(text) if line.strip()]
    return [_camera(int(row[0]), row[1], (int(row[3]), int(row[2])), [float(w) for w in row[4:]]) for row in rows]


def _images_of_text(text: str) -> list[Image]:
    """Two lines a picture, of which the second, its points, may be empty."""
    lines = _lines(text)
    while lines and not lines[0].strip():
        lines.pop(0)
    rows = [line.split(maxsplit=9) for line in lines[::2] if line.strip()]
    return [
        Image(row[9].strip(), int(row[8]), tuple(map(float, row[1:5])), tuple(map(float, row[5:8]))) for row in rows
    ]


def _points_of_text(text: str) -> np.ndarray:
    rows = [line.split(maxsplit=7)[1:7] for line in _lines(text) if line.strip()]
    return np.array(rows, np.float64).reshape(-1, 6)


# ------------------------------------------------------------------------------------------------- binary


def _cameras_of_bytes(data: bytes) -> list[tuple[int, Camera]]:
    (count,), at = struct.unpack_from("<Q", data), 8
    cameras = []
    for _ in range(count):
        number, model, width, height = struct.unpack_from("<iiQQ", data, at)
        name = list(MODELS)[model]
        values = struct.unpack_from(f"<{len(MODELS[name])}d", data, at + 24)
        at += 24 + 8 * len(values)
        cameras.append(_camera(number, name, (height, width), list(values)))
    return cameras


def _images_of_bytes(data: bytes) -> list[Image]:
    (count,), at = struct.unpack_from("<Q", data), 8
    images = []
    for _ in range(count):
        _, *pose, camera = struct.unpack_from("<i7di", data, at)
        end = data.index(b"\0", at + 64)
        name = data[at + 64 : end].decode("utf-8", "replace")
        (points,) = struct.unpack_from("<Q", data, end + 1)
        at = end + 9 + 24 * points
        images.append(Image(name, camera, tuple(pose[:4]), tuple(pose[4:])))
    return _whole(images, at, data)


def _points_of_bytes(data: bytes) -> np.ndarray:
    (count,), at = struct.unpack_from("<Q", data), 8
    point, points = struct.Struct("<8x3d3B8xQ"), []
    for _ in range(count):
        *values, track = point.unpack_from(data, at)
        at += point.size + 8 * track
        points.append(tuple(values))
    return np.array(_whole(points, at, data), np.float64).reshape(-1, 6)


def _whole(found: list[_T], at: int, data: bytes) -> list[_T]:
    """What was found, where the file does not end before it."""
    if at > len(data):
        raise ValueError(f"{len(data)} bytes of {at}")
    return found


_HOW = (
    (_cameras_of_text, _cameras_of_bytes),
    (_images_of_text, _images_of_bytes),
    (_points_of_text, _points_of_bytes),
)
