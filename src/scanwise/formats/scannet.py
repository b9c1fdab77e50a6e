"""ScanNet's exported frames: color/N.jpg, depth/N.png (millimetres), pose/N.txt, intrinsic/intrinsic_*.txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.files import DepthFile, ImageFile
from scanwise.formats.calibration import Calibration, read_calibration
from scanwise.formats.poses import read_intrinsics, read_pose
from scanwise.formats.recording import EMPTY, Recording, is_there, posed
from scanwise.scene import scale_intrinsics

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
    order = sorted(frames, key=lambda stem: (len(stem), stem))
    kept = posed(((stem, _pose(folder, frames[stem])) for stem in order), folder)
    depths = {stem: path for stem, _ in kept if is_there(path := folder / "depth" / f"{stem}.png")}
    cameras = _cameras(folder, calibration, frames[next(iter(depths), kept[0][0])])
    made = [calibration.view(stem, frames[stem], depths.get(stem), cameras, pose) for stem, pose in kept]
    cloud = next(iter(sorted(folder.glob("*_vh_clean_2.ply"))), None)
    return Recording(made, cloud=cloud, z_up=True)


def _pose(folder: Path, picture: Path) -> np.ndarray | str:
    return read_pose(folder / "pose" / f"{picture.stem}.txt") if is_there(picture) else EMPTY


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
