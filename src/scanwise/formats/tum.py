"""TUM RGB-D: rgb.txt, depth.txt and groundtruth.txt, put together by time stamps or by associations.txt."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes
from scanwise.formats.calibration import Calibration, read_calibration
from scanwise.formats.numerals import parse_numbers
from scanwise.formats.poses import MISSING, rotations
from scanwise.formats.recording import Recording, find_file, posed, warn_of_missing

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
        InputError: most of a list is malformed, or no picture has depth and pose within 0.02 s.
    """
    stamps, poses = _trajectory(folder / "groundtruth.txt")
    calibration = read_calibration(folder) or Calibration()
    intrinsics = _intrinsics(folder, calibration)
    times, names, depths = _pictures(folder)
    numbers = _nearest(times, stamps)
    if (numbers < 0).all():
        away = np.abs(stamps[_nearest(times, stamps, within=math.inf)] - times).min()
        raise InputError(
            f"{folder}: none of the {len(names)} frames has a pose within {_APART} s, the nearest is {away:.3g} s "
            "away; are the time stamps of one clock?"
        )
    usable = np.flatnonzero([not isinstance(pose, str) for pose in poses])
    if len(usable):  # a good pose beside a lost one serves as well
        near = _nearest(times, stamps[usable])
        numbers = np.where(near >= 0, usable[near], numbers)
    found: dict[str, np.ndarray | str] = {}
    for name, depth, number in zip(names, depths, numbers, strict=True):
        pose = poses[number] if number >= 0 else f"{MISSING} within {_APART} s"
        if find_file(folder, name) is None:
            pose = "no picture of that name"
        found[name] = pose if depth is not None else f"no depth within {_APART} s"
    cameras = intrinsics, calibration.depth.matrix() if calibration.depth else intrinsics
    depth_of = dict(zip(names, depths, strict=True))
    views, missing = [], list[str]()
    for name, pose in posed(found.items(), folder):
        picture, map_of_depth = find_file(folder, name), find_file(folder, str(depth_of[name]))
        assert picture is not None
        missing += [] if map_of_depth else [str(depth_of[name])]
        views.append(calibration.view(name, picture, map_of_depth, cameras, pose, _UNITS_PER_METRE))
    warn_of_missing("depth", missing, len(views), folder)
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
    """Time stamps (n,) of the colour pictures in seconds, their names, and the names of their depth maps."""
    path = folder / _PAIRS
    if path.is_file():  # lines of `time rgb time depth`, in either order of the two
        rows = _rows(path, (True, False, True, False))
        if "depth" in rows[0][1] and "depth" not in rows[0][3]:
            rows = [row[2:4] + row[:2] for row in rows]
        return _seconds([row[0] for row in rows]), [row[1] for row in rows], [row[3] for row in rows]
    times, names = _listing(folder / "rgb.txt")
    depth_times, depth_names = _listing(folder / "depth.txt")
    nearest = _nearest(times, depth_times, once=True)
    return times, names, [depth_names[number] if number >= 0 else None for number in nearest]


def _rows(path: Path, numeric: tuple[bool, ...]) -> list[list[str]]:
    """The words of the lines that have these fields, between blanks or commas; other lines are counted in a warning."""
    lines = read_bytes(path).decode("utf-8", "replace").lstrip("\ufeff").replace(",", " ").splitlines()
    listed = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    rows, odd = [], []
    for number, row in listed:
        reason = _reason(row, numeric)
        if reason:
            odd.append(f"line {number} {reason}")
        else:
            rows.append(row)
    if not listed:
        raise InputError(f"{path}: nothing listed in it")
    if len(odd) > len(rows):
        raise InputError(f"{path}: {odd[0]}" + (f", and {len(odd) - 1} more lines are wrong" if len(odd) > 1 else ""))
    if odd:
        text = f"{path}: {len(odd)} of {len(listed)} lines left out ({odd[0]})"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    return rows


def _reason(row: list[str], numeric: tuple[bool, ...]) -> str:
    """What is wrong with a line; "" = nothing."""
    if len(row) < len(numeric):
        return f"has {len(row)} fields, not {len(numeric)}"
    words = [word for word, is_number in zip(row, numeric, strict=False) if is_number]
    return next((f"has {word!r} where a number should be" for word in words if _number(word) is None), "")


def _number(word: str) -> float | None:
    try:
        return float(parse_numbers([word.encode()], "")[0])
    except (InputError, IndexError):
        return None


def _seconds(words: Sequence[str]) -> np.ndarray:
    """Time stamps (n,) in seconds; they may be counted in s, ms, us or ns, since 1970 or since the start."""
    stamps = parse_numbers([word.encode() for word in words], "")
    largest = min(np.nanmax(np.abs(stamps), initial=0), 1e19)
    if largest > 1e11:  # seconds since 1970 are ten digits
        return stamps / 1000.0 ** min(round((np.log10(largest) - 9.1) / 3), 3)
    apart = np.median(np.diff(np.sort(stamps))) if len(stamps) > 1 else 0
    if apart < 2 or (stamps % 1).any():
        return stamps
    return stamps / (1e3 if apart < 2e3 else 1e6 if apart < 2e6 else 1e9)


def _listing(path: Path) -> tuple[np.ndarray, list[str]]:
    """Time stamps (n,) in seconds, and file names."""
    rows = _rows(path, (True, False))
    return _seconds([row[0] for row in rows]), [row[1].replace("\\", "/") for row in rows]


def _trajectory(path: Path) -> tuple[np.ndarray, list[np.ndarray | str]]:
    """Time stamps (n,) in seconds and poses, or why they cannot be used, from lines of `t tx ty tz qx qy qz qw`."""
    rows = _rows(path, (True,) * 8)
    table = parse_numbers([" ".join(row[:8]).encode() for row in rows], str(path)).reshape(-1, 8)
    timed = np.isfinite(table[:, 0])
    if not timed.any():
        raise InputError(f"{path}: no finite pose in it")
    rows, table = [row for row, has_time in zip(rows, timed, strict=True) if has_time], table[timed]
    poses: list[np.ndarray | str] = []
    for row in table:
        length = np.linalg.norm(row[4:])
        if not np.isfinite(row).all():
            poses.append("its pose is not finite")
        elif abs(length - 1) > 0.01:
            poses.append("its rotation is no unit quaternion; lines are `time tx ty tz qx qy qz qw`")
        else:
            pose = np.eye(4)
            pose[:3, 3], pose[:3, :3] = row[1:4], rotations(row[4:] / length)
            poses.append(pose)
    return _seconds([row[0] for row in rows]), poses


def _nearest(stamps: np.ndarray, others: np.ndarray, *, once: bool = False, within: float = _APART) -> np.ndarray:
    """(n,) number of the nearest of `others` within some seconds, -1 = none; `once`: each is taken by the nearest."""
    order = np.argsort(others, kind="stable")
    right = np.searchsorted(others[order], stamps).clip(0, len(others) - 1)
    left = (right - 1).clip(0)
    closer = np.abs(others[order][left] - stamps) <= np.abs(others[order][right] - stamps)
    nearest = order[np.where(closer, left, right)]
    apart = np.abs(others[nearest] - stamps)
    nearest[apart > within] = -1
    if once:
        taken: set[int] = {-1}
        for number in np.argsort(apart, kind="stable"):
            if int(nearest[number]) in taken:
                nearest[number] = -1
            taken.add(int(nearest[number]))
    return nearest
