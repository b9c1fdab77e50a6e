"""7-Scenes and 3DMatch: frame-NNNNNN.color.*, .depth.png (millimetres), .pose.txt (depth camera to world)."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import DepthFile, ImageFile
from scanwise.formats.calibration import Calibration, Pinhole, Shift, read_calibration
from scanwise.formats.poses import read_intrinsics, read_matrix, read_pose
from scanwise.formats.recording import EMPTY, Recording, is_there, posed
from scanwise.scene import scale_intrinsics

_PATTERN = "frame-*.color.*"
_INTRINSICS = "camera-intrinsics.txt"
_KINECT = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])
# The data set's colour is not registered to its depth. Estimated on "redkitchen": it halves the variance of a
# voxel's colour across views. Readings beyond 6 m are noise.
_KINECT_COLOUR = Calibration(
    color=Pinhole(fx=522, fy=522, cx=321, cy=236.4),
    depth_to_color=Shift(translation=(-0.0256, 0.0, 0.0)),
    depth_max=6.0,
)


def recognises(folder: Path) -> bool:
    """Whether frames lie in the folder itself or in one of its `seq-*` folders."""
    return any(next(place.glob(_PATTERN), None) is not None for place in _places(folder))


def load(folder: Path) -> Recording:
    """The recording, pictures unread.

    Raises:
        InputError: no frame has a pose, or intrinsics or a pose are malformed.
    """
    places = [place for place in _places(folder) if next(place.glob(_PATTERN), None) is not None]
    intrinsics = _intrinsics(places[0], folder)
    frames = [frame for place in places for frame in sorted(place.glob(_PATTERN))]
    said = read_calibration(folder) or read_calibration(places[0])
    is_empty = said is not None and not said.model_fields_set  # {} says that the layout is right as it is
    named = {frame.relative_to(folder).as_posix().split(".color.")[0]: frame for frame in frames}
    kept = posed(((name, _pose(frame)) for name, frame in named.items()), folder)
    frames = [named[name] for name, _ in kept]
    calibration = Calibration() if is_empty else _completed(said or Calibration(), intrinsics, frames[0])
    cameras = _cameras(frames, intrinsics, calibration)
    depths = {name: path for name, _ in kept if is_there(path := _beside(named[name], "depth.png"))}
    made = [calibration.view(name, named[name], depths.get(name), cameras, pose) for name, pose in kept]
    return Recording(made, gravity=_gravity(folder))


def _places(folder: Path) -> list[Path]:
    return [folder, *sorted(place for place in folder.glob("seq-*") if place.is_dir())]


def _pose(frame: Path) -> np.ndarray | str:
    return read_pose(_beside(frame, "pose.txt")) if is_there(frame) else EMPTY


def _intrinsics(place: Path, folder: Path) -> np.ndarray:
    for path in (place / _INTRINSICS, folder / _INTRINSICS):
        if path.exists():
            return read_intrinsics(path)
    warnings.warn(
        f"{folder}: no {_INTRINSICS}; taking 7-Scenes' Kinect (f 585), shapes are wrong if it was another camera",
        ScanwiseWarning,
        stacklevel=2,
    )
    return _KINECT


def _completed(said: Calibration, intrinsics: np.ndarray, frame: Path) -> Calibration:
    """What the data set is known for fills what the file leaves open: its cameras all together or not at all."""
    cameras = (said.color, said.depth, said.depth_to_color, said.color_to_depth)
    if any(part is not None for part in cameras) or not np.array_equal(intrinsics, _KINECT):
        return said
    if ImageFile(frame).size() != (480, 640):
        return said
    return _KINECT_COLOUR.model_copy(update=said.model_dump(exclude_none=True))


def _cameras(frames: list[Path], intrinsics: np.ndarray, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsics of the colour and of the depth camera."""
    depth = calibration.depth.matrix() if calibration.depth else intrinsics
    if calibration.color:
        return calibration.color.matrix(), depth
    pair = next(((frame, path) for frame in frames if is_there(path := _beside(frame, "depth.png"))), None)
    if pair is None:
        return depth, depth
    color_size, depth_size = ImageFile(pair[0]).size(), DepthFile(pair[1]).size()
    if color_size == depth_size:
        return depth, depth
    warnings.warn(
        f"{pair[0].parent}: colour and depth differ in size; taking one camera for both. If that is wrong, "
        "colours land beside their shapes: say so in calibration.json (docs/recordings.md)",
        ScanwiseWarning,
        stacklevel=2,
    )
    return scale_intrinsics(depth, depth_size, color_size), depth


def _beside(frame: Path, suffix: str) -> Path:
    return frame.with_name(f"{frame.name.split('.')[0]}.{suffix}")


def _gravity(folder: Path) -> np.ndarray | None:
    """The world's vertical axis, up or down. On the data at hand the file's axis fits the world's frame."""
    path = folder / "gravity-direction.txt"
    if not path.exists():
        return None
    axis = read_matrix(path, ((3, 1), (1, 3))).reshape(3)
    if not np.isfinite(axis).all() or not axis.any():
        raise InputError(f"{path}: not a direction")
    return axis
