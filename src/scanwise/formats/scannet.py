"""ScanNet's exported frames: color/N.jpg, depth/N.png (millimetres), pose/N.txt, intrinsic/intrinsic_*.txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.files import DepthFile, ImageFile
from scanwise.formats.calibration import Calibration, read_calibration
from scanwise.formats.poses import read_intrinsics, read_matrix, rigid
from scanwise.formats.recording import Recording, posed
from scanwise.scene import View, scale_intrinsics

_PICTURES = (".jpg", ".jpeg", ".png")


def recognises(folder: Path) -> bool:
    """Whether color/ and pose/ are there."""
    return (folder / "color").is_dir() and (folder / "pose").is_dir()


def load(folder: Path) -> Recording:
    """The recording, pictures unread. ScanNet's worlds are z-up; `*_vh_clean_2.ply` is its cloud.

    Raises:
        InputError: no picture, no frame with a pose, or malformed intrinsics or poses.
    """
    frames = {path.stem: path for path in (folder / "color").iterdir() if path.suffix.lower() in _PICTURES}
    if not frames:
        raise InputError(f"{folder / 'color'}: no pictures in it")
    calibration = read_calibration(folder) or Calibration()
    color, depth = _cameras(folder, calibration, next(iter(frames.values())))
    order = sorted(frames, key=lambda stem: (len(stem), stem))
    views = posed(((stem, _pose(folder, stem)) for stem in order), folder)
    made = [_view(folder, frames[stem], pose, color, depth, calibration) for stem, pose in views]
    cloud = next(iter(sorted(folder.glob("*_vh_clean_2.ply"))), None)
    return Recording(made, cloud=cloud, z_up=True)


def _cameras(folder: Path, calibration: Calibration, picture: Path) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsics of the colour and of the depth camera."""
    place = folder / "intrinsic"
    found = {
        name: path for name in ("color", "depth") if (path := place / f"intrinsic_{name}.txt").exists()
    }  # either one may be missing where both pictures have the same size
    color = calibration.color.matrix() if calibration.color else None
    depth = calibration.depth.matrix() if calibration.depth else None
    if color is None and "color" in found:
        color = read_intrinsics(found["color"])
    if depth is None and "depth" in found:
        depth = read_intrinsics(found["depth"])
    if color is None and depth is None:
        raise InputError(f"{place}: no intrinsic_color.txt or intrinsic_depth.txt; export them with the frames")
    first_depth = folder / "depth" / f"{picture.stem}.png"
    sizes = ImageFile(picture).size(), DepthFile(first_depth).size() if first_depth.exists() else None
    if color is None:
        assert depth is not None
        color = scale_intrinsics(depth, sizes[1], sizes[0]) if sizes[1] else depth
    if depth is None:
        depth = scale_intrinsics(color, sizes[0], sizes[1]) if sizes[1] else color
    return color, depth


def _pose(folder: Path, stem: str) -> np.ndarray | None:
    path = folder / "pose" / f"{stem}.txt"
    return rigid(read_matrix(path, ((4, 4),)), path) if path.exists() else None


def _view(
    folder: Path, picture: Path, pose: np.ndarray, color: np.ndarray, depth: np.ndarray, calibration: Calibration
) -> View:
    depth_path = folder / "depth" / f"{picture.stem}.png"
    far = calibration.depth_max or float("inf")
    raster = DepthFile(depth_path, calibration.depth_scale or 1000.0, far) if depth_path.exists() else None
    color_to_world = pose @ np.linalg.inv(calibration.depth_to_color_matrix())
    return View(ImageFile(picture), color, color_to_world, raster, depth, pose, picture.stem)
