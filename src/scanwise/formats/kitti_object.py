"""Frames of KITTI's object detection set: one sweep and the picture of camera 2, which looks the same way.

    velodyne/000008.bin   image_2/000008.png   calib/000008.txt (P2:, R0_rect:, Tr_velo_to_cam:)

or the three beside one another: `NAME.bin`, `NAME.png` (or .jpg), `NAME.calib.txt`. There, the calibration may also
be the 16 numbers of P2 alone, as small copies of the set have it; the mounting of camera and LiDAR is then taken to
be the one of KITTI's car in general, good to about a degree, and a warning says so.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import ImageFile, read_bytes
from scanwise.formats import kitti
from scanwise.formats.poses import pinhole
from scanwise.formats.semantic_kitti import read_calibration
from scanwise.scene import Scene, View

# LiDAR (x forward, y left, z up) to the rectified camera 0 (x right, y down, z forward), as KITTI's car has them.
_USUAL_MOUNTING = np.array([[0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]], np.float64)


def recognises(sweep: Path) -> bool:
    """Whether this is a sweep with its picture and its calibration.

    That is velodyne/NAME.bin with image_2/ and calib/NAME.txt beside velodyne/, or NAME.bin beside its picture and
    NAME.calib.txt.
    """
    if sweep.suffix != ".bin":
        return False
    if sweep.with_name(f"{sweep.stem}.calib.txt").is_file():
        return any(sweep.with_suffix(suffix).is_file() for suffix in (".png", ".jpg"))
    root = sweep.parent.parent
    in_place = sweep.parent.name == "velodyne" and (root / "image_2").is_dir()
    return in_place and (root / "calib" / f"{sweep.stem}.txt").is_file()


def read(sweep: Path) -> Scene:
    """The sweep, in the LiDAR's frame, with the picture taken at its time as its one view (without depth).

    Raises:
        InputError: the picture or the calibration is missing or is none.
    """
    sweep = Path(sweep)
    scene = kitti.read(sweep)
    image, calibration = _files(sweep)
    projection, to_camera = _cameras(calibration)
    # P2 = K [I | t]: the same rectified axes as camera 0, its centre moved by t.
    intrinsics = projection[:3, :3]
    to_camera_2 = np.eye(4)
    to_camera_2[:3, 3] = np.linalg.solve(intrinsics, projection[:3, 3])
    view = View(ImageFile(image), intrinsics, np.linalg.inv(to_camera_2 @ to_camera), name=sweep.stem)
    return replace(scene, views=[view])


def _files(sweep: Path) -> tuple[Path, Path]:
    root, stem = sweep.parent.parent, sweep.stem
    if (calibration := sweep.with_name(f"{stem}.calib.txt")).is_file():
        images = [sweep.with_suffix(suffix) for suffix in (".png", ".jpg")]
    else:
        calibration = root / "calib" / f"{stem}.txt"
        images = [root / "image_2" / f"{stem}{suffix}" for suffix in (".png", ".jpg")]
    if not calibration.is_file():
        raise InputError(f"{calibration}: no calibration for {sweep}; see docs/data-outdoor.md for the layout")
    image = next((path for path in images if path.is_file()), None)
    if image is None:
        raise InputError(f"{images[0]}: no picture for {sweep}; see docs/data-outdoor.md for the layout")
    return image, calibration


def _cameras(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """P2 as (4, 4), and LiDAR to rectified camera 0 as (4, 4)."""
    content = read_bytes(path).decode("utf-8", "replace")
    if ":" in content:
        matrices = read_calibration(path, ("P2", "R0_rect", "Tr_velo_to_cam"))
        projection, to_camera = matrices["P2"], matrices["R0_rect"] @ matrices["Tr_velo_to_cam"]
    else:
        try:
            projection = np.array(content.split(), np.float64).reshape(4, 4)
        except ValueError as error:
            raise InputError(f"{path}: neither KITTI's calibration (P2: ...) nor the 16 numbers of P2") from error
        to_camera = _USUAL_MOUNTING
        text = "gives P2 alone; the LiDAR's usual mounting is assumed, and pictures may be off by about a degree"
        warnings.warn(f"{path}: {text}", ScanwiseWarning, stacklevel=3)
    pinhole(projection, f"{path}: P2")
    return projection, to_camera
