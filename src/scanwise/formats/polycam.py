"""Polycam's raw data: keyframes/ with pictures, a JSON file of the camera for each, depth and its confidence.

keyframes/corrected_images and corrected_cameras, where a loop was closed, go before images and cameras. A camera has
width, height, fx, fy, cx, cy and t_00 ... t_23, camera to world in OpenGL's axes. depth/ is 16-bit millimetres,
confidence/ a byte a pixel, 0 = not to be trusted. The world is ARKit's: y is up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import DepthFile, ImageFile, decode, read_bytes, read_json
from scanwise.formats.calibration import Calibration, read_calibration
from scanwise.formats.poses import OPENGL, pinhole, pose_of
from scanwise.formats.rasters import upright
from scanwise.formats.recording import PICTURES, Recording, find_file, posed
from scanwise.scene import Raster, View, scale_intrinsics

_UP = np.array([0.0, 1.0, 0.0])


def recognises(folder: Path) -> bool:
    """Whether keyframes/ has cameras."""
    return any((folder / "keyframes" / name).is_dir() for name in ("cameras", "corrected_cameras"))


def load(folder: Path) -> Recording:
    """The recording, pictures unread.

    Raises:
        InputError: no cameras in it, or most of them are damaged.
    """
    place = folder / "keyframes"
    before = "corrected_" if any((place / "corrected_cameras").glob("*.json")) else ""
    cameras = {path.stem: path for path in sorted((place / f"{before}cameras").glob("*.json"))}
    if not cameras:
        raise InputError(f"{place / 'cameras'}: no cameras in it; export the raw data with developer mode on")
    calibration = read_calibration(folder) or Calibration()
    read = {stem: _camera(path) for stem, path in cameras.items()}
    pictures = {stem: find_file(place / f"{before}images", stem, PICTURES) for stem in cameras}
    kept = posed(((stem, _pose(read[stem], pictures[stem])) for stem in cameras), folder)
    views = []
    for stem, pose in kept:
        picture = pictures[stem]
        assert picture is not None
        stored = ImageFile(picture)
        image = upright(stored, _size(read[stem], stored))
        depth = place / "depth" / f"{stem}.png"
        raster = None
        if depth.is_file():
            trust = place / "confidence" / f"{stem}.png"
            raster = TrustedDepth(calibration.depth_file(depth, 1000), trust if trust.is_file() else None)
        views.append(View(image, _intrinsics(cameras[stem], read[stem], image), pose @ OPENGL, raster, name=stem))
    return Recording(views, gravity=_UP, opengl=True)


def _camera(path: Path) -> dict[str, Any]:
    """What its file says; nothing where it is damaged."""
    try:
        content = read_json(path)
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}


def _pose(camera: dict[str, Any], picture: Path | None) -> np.ndarray | str:
    if picture is None:
        return "no picture of that name"
    if not camera:
        return "its camera is damaged"
    return pose_of([[camera.get(f"t_{row}{column}") for column in range(4)] for row in range(3)])


def _size(camera: dict[str, Any], image: Raster) -> tuple[int, int]:
    """(H, W) that a camera says, or those of the picture."""
    said = camera.get("height"), camera.get("width")
    return said if all(isinstance(side, int) and side > 0 for side in said) else image.size()  # type: ignore[return-value]


def _intrinsics(path: Path, camera: dict[str, Any], image: Raster) -> np.ndarray:
    """(3, 3) in pixels of the picture."""
    try:
        fx, fy, cx, cy = (float(camera[key]) for key in ("fx", "fy", "cx", "cy"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no camera in it; fx, fy, cx and cy are needed") from error
    matrix = pinhole(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), path)
    return scale_intrinsics(matrix, _size(camera, image), image.size())


@dataclass(frozen=True, eq=False)
class TrustedDepth:
    """A depth map without the readings that are not to be trusted.

    Attributes:
        depth: the map.
        trust: picture of what is to be trusted, of the same size; None without.
    """

    depth: DepthFile
    trust: Path | None

    def read(self) -> np.ndarray:
        """The depth map, float32 (H, W) metres, 0 = no reading."""
        depth = self.depth.read()
        if self.trust is not None:
            trusted = decode(self.trust, self.trust)
            if trusted.shape == depth.shape:
                depth[trusted == 0] = 0
        return depth

    def size(self) -> tuple[int, int]:
        """(H, W), without decoding the whole."""
        return self.depth.size()

    def digest(self) -> str:
        """Hex digest of both files."""
        trust = read_bytes(self.trust) if self.trust else b""
        return hashlib.sha256(self.depth.digest().encode() + trust).hexdigest()
