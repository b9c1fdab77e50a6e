"""Record3D's recordings: a .r3d file (a ZIP), or the folder that it unpacks into.

`metadata` is JSON: size of the pictures w, h and of the depth maps dw, dh; K, the intrinsics column by column;
perFrameIntrinsicCoeffs, fx fy cx cy of each frame, in newer ones; poses, qx qy qz qw tx ty tz of each frame, camera to
world in OpenGL's axes. rgbd/N.jpg, N.depth (float32 metres) and N.conf (a byte a pixel, 0 = not to be trusted), the
last two packed with LZFSE. The world is ARKit's: y is up.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import decode, picture_size, read_bytes, to_metres, to_rgb8
from scanwise.formats.calibration import read_calibration
from scanwise.formats.poses import MISSING, OPENGL, pinhole, pose_of, rotations
from scanwise.formats.recording import Recording, posed
from scanwise.scene import View, scale_intrinsics

SUFFIX = ".r3d"
_METADATA = "metadata"
_UP = np.array([0.0, 1.0, 0.0])


def recognises(path: Path) -> bool:
    """Whether this is a .r3d file, or a folder with metadata and rgbd/."""
    if path.suffix.lower() == SUFFIX and path.is_file():
        return True
    return (path / _METADATA).is_file() and (path / "rgbd").is_dir()


def load(path: Path) -> Recording:
    """The recording, pictures unread.

    Raises:
        InputError: damaged, most frames are, or the package that unpacks its depth is not installed.
    """
    content = _content(path)
    stems = sorted(
        (name[5:-4] for name in _names(path) if name.startswith("rgbd/") and name.endswith(".jpg")), key=_order
    )
    if not stems:
        raise InputError(f"{path}: no pictures rgbd/*.jpg in it")
    names = set(_names(path))
    said = content.get("poses")
    poses = said if isinstance(said, list) else []
    kept = posed(((stem, _pose(poses, number)) for number, stem in enumerate(stems)), path)
    numbers = {stem: number for number, stem in enumerate(stems)}
    calibration = read_calibration(path) if path.is_dir() else None
    views = []
    for stem, pose in kept:
        image = PackedImage(path, f"rgbd/{stem}.jpg")
        intrinsics = _intrinsics(path, content, numbers[stem], image)
        depth = None
        if f"rgbd/{stem}.depth" in names:
            _unpack(b"", path)
            trust = f"rgbd/{stem}.conf"
            depth = PackedDepth(path, f"rgbd/{stem}.depth", trust if trust in names else None, _depth_size(content))
        if calibration and calibration.color:
            intrinsics = calibration.color.matrix()
        views.append(View(image, intrinsics, pose @ OPENGL, depth, name=stem))
    return Recording(views, gravity=_UP, opengl=True)


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_bytes(path, _METADATA))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its metadata is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: its metadata is no JSON object")
    return content


def _order(stem: str) -> tuple[int, str]:
    return (len(stem), stem)


def _pose(poses: list[Any], number: int) -> np.ndarray | str:
    if number >= len(poses):
        return MISSING
    try:
        numbers = np.array(poses[number], np.float64).reshape(7)
    except (TypeError, ValueError):
        return "its pose is not seven numbers"
    length = np.linalg.norm(numbers[:4])
    if abs(length - 1) > 0.01:
        return "its rotation is no unit quaternion"
    return pose_of(np.hstack([rotations(numbers[:4] / length), numbers[4:, None]]))


def _intrinsics(path: Path, content: dict[str, Any], number: int, image: PackedImage) -> np.ndarray:
    """(3, 3) in pixels of the picture."""
    each = content.get("perFrameIntrinsicCoeffs")
    try:
        if isinstance(each, list) and number < len(each):
            fx, fy, cx, cy = (float(value) for value in each[number])
        else:
            matrix = np.array(content["K"], np.float64).reshape(3, 3).T
            fx, fy, (cx, cy) = matrix[0, 0], matrix[1, 1], matrix[:2, 2]
        size = int(content["h"]), int(content["w"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its metadata has no camera (K, w and h)") from error
    camera = pinhole(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), path)
    return scale_intrinsics(camera, size, image.size()) if min(size) > 0 else camera


def _depth_size(content: dict[str, Any]) -> tuple[int, int] | None:
    """(H, W) of the depth maps, None where the metadata is too old to say."""
    height, width = content.get("dh"), content.get("dw")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


@dataclass(frozen=True, eq=False)
class PackedImage:
    """A picture of a recording.

    Attributes:
        path: of the .r3d file or the folder.
        name: in it.
    """

    path: Path
    name: str

    @property
    def suffix(self) -> str:
        """Of the file."""
        return Path(self.name).suffix

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        return _bytes(self.path, self.name)

    def read(self) -> np.ndarray:
        """The picture, uint8 (H, W, 3)."""
        return to_rgb8(decode(io.BytesIO(self.data), f"{self.path}: {self.name}"))

    def size(self) -> tuple[int, int]:
        """(H, W), without decoding the whole."""
        return picture_size(io.BytesIO(self.data), f"{self.path}: {self.name}")

    def digest(self) -> str:
        """Hex SHA-256 of what `read` gives, by the bytes of the file."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, eq=False)
class PackedDepth:
    """A depth map of a recording.

    Attributes:
        path: of the .r3d file or the folder.
        name: in it.
        trust: name of the map of what is to be trusted; None without.
        shape: (H, W); None = that of a phone's depth with so many pixels.
    """

    path: Path
    name: str
    trust: str | None
    shape: tuple[int, int] | None

    def read(self) -> np.ndarray:
        """The depth map, float32 (H, W) metres, 0 = no reading, or one not to be trusted."""
        stored = np.frombuffer(self._unpacked(self.name), "<f4")
        shape = self._shape(len(stored))
        depth = to_metres(stored.reshape(shape), 1.0, float("inf"), self.path)
        if self.trust is not None:
            trusted = np.frombuffer(self._unpacked(self.trust), np.uint8)
            if len(trusted) == depth.size:
                depth[trusted.reshape(shape) == 0] = 0
        return depth

    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.shape or self._shape(len(self._unpacked(self.name)) // 4)

    def digest(self) -> str:
        """Hex digest of the stored bytes."""
        state = hashlib.sha256(_bytes(self.path, self.name))
        state.update(_bytes(self.path, self.trust) if self.trust else b"")
        return state.hexdigest()

    def _unpacked(self, name: str) -> bytes:
        return _unpack(_bytes(self.path, name), f"{self.path}: {name}")

    def _shape(self, pixels: int) -> tuple[int, int]:
        """Phones record upright: three columns for four rows."""
        height, width = self.shape or (round((pixels * 4 / 3) ** 0.5), round((pixels * 3 / 4) ** 0.5))
        if height * width != pixels:
            raise InputError(f"{self.path}: {self.name} has {pixels} readings, not {width}x{height}")
        return height, width


def _unpack(data: bytes, where: object) -> bytes:
    """Unpacks LZFSE; of nothing, only says whether it could.

    Raises:
        InputError: damaged, or the package that unpacks it is not installed.
    """
    try:
        lzfse = importlib.import_module("lzfse")
    except ImportError as error:
        raise InputError(
            f"{where}: its depth needs a package to unpack it: pip install 'scanwise[record3d]'"
        ) from error
    try:
        return lzfse.decompress(data) if data else b""
    except (lzfse.error, MemoryError) as error:
        raise InputError(f"{where}: damaged; export it again") from error


# ------------------------------------------------------------------------------------- a file or a folder


def _bytes(path: Path, name: str) -> bytes:
    if path.is_dir():
        return read_bytes(path / name)
    try:
        return _archive(path, os.getpid()).read(name)
    except KeyError as error:
        raise InputError(f"{path}: has no {name} in it; is it Record3D's?") from error
    except (OSError, ValueError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: {name} is damaged ({error})") from error


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [f"rgbd/{entry.name}" for entry in (path / "rgbd").iterdir()]
    return _archive(path, os.getpid()).namelist()


@functools.lru_cache(maxsize=4)
def _archive(path: Path, _process: int) -> zipfile.ZipFile:
    """The open file, one for each process: forked ones would share its position."""
    try:
        return zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cut off or no .r3d file ({error}); export it again") from error
