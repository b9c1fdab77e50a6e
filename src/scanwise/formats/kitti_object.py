"""Frames of KITTI's object detection set: one sweep and the picture of camera 2, which looks the same way.

    velodyne/000008.bin   image_2/000008.png   calib/000008.txt (P2:, R0_rect:, Tr_velo_to_cam:)
    label_2/000008.txt    optional: boxes of the objects that the picture shows

or the three beside one another: `NAME.bin`, `NAME.png` (or .jpg), `NAME.calib.txt`. There, the calibration may also
be the 16 numbers of P2 alone, as small copies of the set have it; the mounting of camera and LiDAR is then taken to
be the one of KITTI's car in general, good to about a degree, and a warning says so.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import ImageFile, read_bytes
from scanwise.formats import kitti
from scanwise.formats.poses import pinhole
from scanwise.formats.semantic_kitti import read_calibration
from scanwise.scene import Box, Scene, View

# LiDAR (x forward, y left, z up) to the rectified camera 0 (x right, y down, z forward), as KITTI's car has them.
USUAL_MOUNTING = np.array([[0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]], np.float64)
"""Taken where a frame's own calibration is not known."""


@dataclass(eq=False)
class ObjectRecord(kitti.SweepRecord):
    """`Scene.raw` of a frame.

    Attributes:
        to_camera: (4, 4) LiDAR to rectified camera 0, the frame of KITTI's labels.
        projection: (4, 4) P2, rectified camera 0 to pixels of the picture.
    """

    to_camera: np.ndarray
    projection: np.ndarray


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

    Boxes are those of `label_2`, where it is, by the names of their types; "DontCare" is left out.

    Raises:
        InputError: the picture or the calibration is missing or is none, or a label is damaged.
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
    assert isinstance(scene.raw, kitti.SweepRecord)
    record = ObjectRecord(scene.raw.rows, to_camera, projection)
    return replace(scene, views=[view], boxes=_boxes(_label_file(sweep), np.linalg.inv(to_camera)), raw=record)


def in_picture(scene: Scene) -> np.ndarray | None:
    """(N,) bool: the points that the picture shows, where alone objects have labels; None for scenes from elsewhere.

    Args:
        scene: as `read` gives it.
    """
    record = scene.raw
    if not isinstance(record, ObjectRecord):
        return None
    seen = scene.points_in_source() @ record.to_camera[:3, :3].T + record.to_camera[:3, 3]
    pixels = seen @ record.projection[:3, :3].T + record.projection[:3, 3]
    height, width = scene.views[0].image_size
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (pixels[:, :2] / pixels[:, 2:]).T
        return (pixels[:, 2] > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)


def _label_file(sweep: Path) -> Path:
    beside = sweep.with_name(f"{sweep.stem}.label_2.txt")
    return beside if beside.is_file() else sweep.parent.parent / "label_2" / f"{sweep.stem}.txt"


def _boxes(path: Path, to_lidar: np.ndarray) -> list[Box]:
    """The boxes of a label file in the LiDAR's frame; none where there is no such file."""
    if not path.is_file():
        return []
    boxes = list[Box]()
    for number, line in enumerate(read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0] == "DontCare":
            continue
        try:
            height, width, length, x, y, z, turn = (float(word) for word in words[8:15])
        except ValueError as error:
            raise InputError(f"{path}: line {number} is no label of KITTI's ({len(words)} words)") from error
        center = to_lidar[:3, :3] @ (x, y - height / 2, z) + to_lidar[:3, 3]
        ahead = to_lidar[:3, :3] @ (np.cos(turn), 0, -np.sin(turn))
        place = (float(center[0]), float(center[1]), float(center[2]))
        heading = float(np.arctan2(ahead[1], ahead[0]))
        boxes.append(Box(len(boxes), words[0], place, (length, width, height), heading))
    return boxes


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
        to_camera = USUAL_MOUNTING
        text = "gives P2 alone; the LiDAR's usual mounting is assumed, and pictures may be off by about a degree"
        warnings.warn(f"{path}: {text}", ScanwiseWarning, stacklevel=3)
    pinhole(projection, f"{path}: P2")
    return projection, to_camera
