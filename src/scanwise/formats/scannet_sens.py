"""ScanNet's .sens streams: every frame found by its sizes, pictures decoded when they are touched.

Little-endian, version 4: uint32 version; uint64 length and bytes of the sensor's name; intrinsics and extrinsics of
the colour camera, then of the depth camera, 4x4 float32 each, row by row; int32 compression of colour (0 raw,
1 png, 2 jpeg) and of depth (0 raw uint16, 1 zlib uint16); uint32 width and height of colour, of depth; float32 depth
units per metre; uint64 frames. A frame: camera_to_world 4x4 float32, uint64 time stamps of colour and depth, uint64
sizes of the colour and depth bytes, then both. What follows the frames (IMU readings) is not read.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from scanwise.errors import InputError
from scanwise.files import opened_picture, to_metres
from scanwise.formats.poses import pinhole, pose_of, rigid
from scanwise.formats.recording import posed
from scanwise.scene import View

_VERSION = 4
_RAW, _PNG, _JPEG = 0, 1, 2
_ZLIB = 1
_AFTER_NAME = struct.Struct("<64f2i4IfQ")
_FRAME = struct.Struct("<16f4Q")


@dataclass(frozen=True)
class _Blob:
    """Bytes of the stream that one picture lies in, and (H, W) that the header promises."""

    path: Path
    at: int
    count: int
    shape: tuple[int, int]

    def bytes(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                data = file.read(self.count)
        except OSError as error:
            raise InputError(f"{self.path}: cannot read ({error.strerror or error})") from error
        if len(data) < self.count:
            raise InputError(f"{self.path}: cut off since it was opened; copy it again")
        return data


@dataclass(frozen=True, eq=False)
class SensImage:
    """A colour picture inside a stream.

    Attributes:
        blob: where its bytes are.
        compression: of the header.
    """

    blob: _Blob
    compression: int

    @property
    def suffix(self) -> str:
        """Suffix of a file with the same bytes; "" where they are raw pixels."""
        return {_PNG: ".png", _JPEG: ".jpg"}.get(self.compression, "")

    @property
    def data(self) -> bytes:
        """The bytes as they are stored."""
        return self.blob.bytes()

    def read(self) -> np.ndarray:
        """The picture, uint8 (H, W, 3)."""
        data, shape = self.blob.bytes(), (*self.blob.shape, 3)
        if self.compression == _RAW:
            if len(data) != np.prod(shape):
                raise InputError(f"{self.blob.path}: a raw picture of {len(data)} bytes is not {shape}")
            return np.frombuffer(data, np.uint8).reshape(shape).copy()
        with opened_picture(io.BytesIO(data), f"{self.blob.path}: at byte {self.blob.at}") as picture:
            return np.asarray(picture.convert("RGB"))

    def size(self) -> tuple[int, int]:
        """Height and width, from the header."""
        return self.blob.shape

    def digest(self) -> str:
        """Hex digest of the stored bytes."""
        return hashlib.sha256(self.blob.bytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class SensDepth:
    """A depth map inside a stream.

    Attributes:
        blob: where its bytes are.
        compression: of the header.
        units_per_metre: of the header.
    """

    blob: _Blob
    compression: int
    units_per_metre: float

    def read(self) -> np.ndarray:
        """The depth map, float32 (H, W) metres, 0 = no reading."""
        data, (height, width) = self.blob.bytes(), self.blob.shape
        if self.compression == _ZLIB:
            try:
                data = zlib.decompress(data)
            except zlib.error as error:
                raise InputError(f"{self.blob.path}: corrupt depth map at byte {self.blob.at} ({error})") from error
        if len(data) != 2 * height * width:
            raise InputError(f"{self.blob.path}: a depth map of {len(data)} bytes is not {width} x {height}")
        stored = np.frombuffer(data, "<u2").reshape(height, width)
        return to_metres(stored, self.units_per_metre, float("inf"), self.blob.path)

    def size(self) -> tuple[int, int]:
        """Height and width, from the header."""
        return self.blob.shape

    def digest(self) -> str:
        """Hex digest of the stored bytes and their unit."""
        state = hashlib.sha256(self.blob.bytes())
        state.update(f"{self.units_per_metre}".encode())
        return state.hexdigest()


@dataclass(frozen=True)
class _Header:
    """Both cameras' intrinsics (3, 3) and poses in the rig (4, 4), sizes (H, W), and how pictures are packed."""

    color: np.ndarray
    depth: np.ndarray
    color_to_rig: np.ndarray
    depth_to_rig: np.ndarray
    compressions: tuple[int, int]
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    units_per_metre: float
    frames: int


def read_views(path: Path) -> list[View]:
    """The posed frames of a stream, undecoded, in the scan's own world (not axis-aligned), named by their number.

    Frames without a usable pose (tracking was lost) are left out with a warning. The extrinsics lead from the
    rig, whose pose each frame has, to the camera; in ScanNet's own release they are the identity.

    Raises:
        InputError: another version or compression, cut off, or without a single pose.
    """
    try:
        with path.open("rb") as file:
            header = _read_header(file, path)
            frames = list(_frames(file, header, path))
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error
    named = posed(((str(index), pose_of(pose)) for index, (pose, _, _) in enumerate(frames)), path)
    return [_view(name, pose, header, *frames[int(name)][1:]) for name, pose in named]


def _view(name: str, pose: np.ndarray, header: _Header, color: _Blob, depth: _Blob) -> View:
    return View(
        SensImage(color, header.compressions[0]),
        header.color,
        pose @ header.color_to_rig,
        SensDepth(depth, header.compressions[1], header.units_per_metre) if depth.count else None,
        header.depth,
        pose @ header.depth_to_rig,
        name,
    )


def _read_header(file: BinaryIO, path: Path) -> _Header:
    (version,) = struct.unpack("<I", _take(file, 4, path))
    if version != _VERSION:
        raise InputError(f"{path}: a .sens stream of version {version}; only version {_VERSION} can be read")
    (length,) = struct.unpack("<Q", _take(file, 8, path))
    _take(file, length, path)
    values = _AFTER_NAME.unpack(_take(file, _AFTER_NAME.size, path))
    matrices = np.array(values[:64], np.float64).reshape(4, 4, 4)
    color_packing, depth_packing, *sizes = values[64:70]
    units, frames = values[70:]
    if color_packing not in (_RAW, _PNG, _JPEG) or depth_packing not in (_RAW, _ZLIB):
        raise InputError(
            f"{path}: pictures packed as {color_packing} (colour) and {depth_packing} (depth) cannot be read; known "
            "are 0 raw, 1 png, 2 jpeg for colour and 0 raw, 1 zlib for depth"
        )
    if not units > 0:
        raise InputError(f"{path}: {units} depth units per metre; the number must be positive")
    color_to_rig, depth_to_rig = (_to_rig(matrices[index], path) for index in (1, 3))
    return _Header(
        pinhole(matrices[0], f"{path}: header"),
        pinhole(matrices[2], f"{path}: header"),
        color_to_rig,
        depth_to_rig,
        (color_packing, depth_packing),
        (sizes[1], sizes[0]),
        (sizes[3], sizes[2]),
        units,
        frames,
    )


def _to_rig(extrinsics: np.ndarray, path: Path) -> np.ndarray:
    pose = rigid(extrinsics, f"{path}: extrinsics")
    if pose is None:
        raise InputError(f"{path}: the extrinsics in its header are not finite")
    return np.linalg.inv(pose)


def _frames(file: BinaryIO, header: _Header, path: Path) -> Iterator[tuple[np.ndarray, _Blob, _Blob]]:
    """Pose and places of the pictures of each frame, by seeking over the pictures."""
    end = path.stat().st_size
    for index in range(header.frames):
        head = file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            raise InputError(f"{path}: cut off after {index} of {header.frames} frames; copy it again")
        values = _FRAME.unpack(head)
        color_bytes, depth_bytes = values[18:]
        at = file.tell()
        after = at + color_bytes + depth_bytes
        if after > end:
            raise InputError(f"{path}: cut off within frame {index} of {header.frames}; copy it again")
        file.seek(after)
        pose = np.array(values[:16], np.float64).reshape(4, 4)
        color = _Blob(path, at, color_bytes, header.color_size)
        yield pose, color, _Blob(path, at + color_bytes, depth_bytes, header.depth_size)


def _take(file: BinaryIO, count: int, path: Path) -> bytes:
    data = file.read(min(count, 1 << 20))
    if len(data) < count:
        raise InputError(f"{path}: cut off within its header, or not a .sens stream")
    return data
