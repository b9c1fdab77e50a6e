"""TUM RGB-D: rgb.txt, depth.txt and groundtruth.txt, put together by time stamps or by associations.txt."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes
from scanwise.formats.calibration import Calibration, read_calibration
from scanwise.formats.poses import rotations
from scanwise.formats.recording import Recording, posed

_APART = 0.02  # seconds at most between a picture, its depth and its pose
_PAIRS = "associations.txt"
_UNITS_PER_METRE = 5000.0
_CAMERAS = {  # fx, fy, cx, cy as the data set publishes them
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_ANY_CAMERA = (525.0, 525.0, 319.5, 239.5)


def recognises(folder: Path) -> bool:
    """Whether the trajectory is there, with the two lists of pictures or with associations.txt in their place."""
    lists = all((folder / name).is_file() for name in ("rgb.txt", "depth.txt"))
    return (folder / "groundtruth.txt").is_file() and (lists or (folder / _PAIRS).is_file())


def load(folder: Path) -> Recording:
    """The recording, pictures unread; the world of the motion capture is z-up.

    Raises:
        InputError: a list is malformed, or no picture has depth and pose within 0.02 s.
    """
    stamps, poses = _trajectory(folder / "groundtruth.txt")
    calibration = read_calibration(folder) or Calibration()
    intrinsics = _intrinsics(folder, calibration)
    times, names, depths = _pictures(folder)
    found = {}
    for name, depth_name, number in zip(names, depths, _nearest(times, stamps), strict=True):
        found[name] = (depth_name, poses[number]) if depth_name is not None and number >= 0 else None
    kept = posed(((name, pair[1] if pair else None) for name, pair in found.items()), folder)
    cameras = intrinsics, calibration.depth.matrix() if calibration.depth else intrinsics
    views = []
    for name, pose in kept:
        pair = found[name]
        assert pair is not None
        views.append(calibration.view(name, folder / name, folder / pair[0], cameras, pose, _UNITS_PER_METRE))
    return Recording(views, z_up=True)


def _intrinsics(folder: Path, calibration: Calibration) -> np.ndarray:
    if calibration.color:
        return calibration.color.matrix()
    known = next((camera for key, camera in _CAMERAS.items() if key in folder.resolve().name), None)
    if known is None:
        warnings.warn(
            f"{folder}: the folder's name does not say which camera (freiburg1, 2, 3); taking f 525. Shapes are a "
            "few per cent wrong if it was another: say so in calibration.json (docs/recordings.md)",
            ScanwiseWarning,
            stacklevel=2,
        )
    fx, fy, cx, cy = known or _ANY_CAMERA
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _pictures(folder: Path) -> tuple[np.ndarray, list[str], list[str | None]]:
    """Time stamps (n,) of the colour pictures, their names, and the names of their depth maps."""
    path = folder / _PAIRS
    if path.is_file():  # lines of `time rgb time depth`, in either order of the two
        rows = _rows(path, 4)
        if "depth" in rows[0][1] and "depth" not in rows[0][3]:
            rows = [row[2:4] + row[:2] for row in rows]
        return _numbers(path, [row[:1] for row in rows])[:, 0], [row[1] for row in rows], [row[3] for row in rows]
    times, names = _listing(folder / "rgb.txt")
    depth_times, depth_names = _listing(folder / "depth.txt")
    nearest = _nearest(times, depth_times, once=True)
    return times, names, [depth_names[number] if number >= 0 else None for number in nearest]


def _rows(path: Path, fields: int) -> list[list[str]]:
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    for number, row in rows:
        if len(row) < fields:
            raise InputError(f"{path}: line {number} has {len(row)} fields, not {fields}")
    if not rows:
        raise InputError(f"{path}: nothing listed in it")
    return [row for _, row in rows]


def _numbers(path: Path, rows: list[list[str]]) -> np.ndarray:
    try:
        return np.array(rows, np.float64)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _listing(path: Path) -> tuple[np.ndarray, list[str]]:
    """Time stamps (n,) and file names."""
    rows = _rows(path, 2)
    return _numbers(path, [row[:1] for row in rows])[:, 0], [row[1] for row in rows]


def _trajectory(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Time stamps (n,) and poses (n, 4, 4) from lines of `t tx ty tz qx qy qz qw`."""
    table = _numbers(path, [row[:8] for row in _rows(path, 8)])
    table = table[np.isfinite(table).all(1)]  # lost tracking: frames near it find no pose
    if not len(table):
        raise InputError(f"{path}: no finite pose in it")
    length = np.linalg.norm(table[:, 4:], axis=1)
    if (np.abs(length - 1) > 0.01).any():
        raise InputError(f"{path}: a rotation is no unit quaternion; lines are `time tx ty tz qx qy qz qw`")
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3, 3] = table[:, 1:4]
    poses[:, :3, :3] = rotations(table[:, 4:] / length[:, None])
    return table[:, 0], poses


def _nearest(stamps: np.ndarray, others: np.ndarray, *, once: bool = False) -> np.ndarray:
    """(n,) number of the nearest of `others` within 0.02 s, -1 = none; with `once`, each is taken by the nearest."""
    order = np.argsort(others, kind="stable")
    right = np.searchsorted(others[order], stamps).clip(0, len(others) - 1)
    left = (right - 1).clip(0)
    closer = np.abs(others[order][left] - stamps) <= np.abs(others[order][right] - stamps)
    nearest = order[np.where(closer, left, right)]
    apart = np.abs(others[nearest] - stamps)
    nearest[apart > _APART] = -1
    if once:
        taken: set[int] = {-1}
        for number in np.argsort(apart, kind="stable"):
            if int(nearest[number]) in taken:
                nearest[number] = -1
            taken.add(int(nearest[number]))
    return nearest
