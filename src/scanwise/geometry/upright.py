"""Which way is up, in a recording's world or a cloud's, and the turn that brings it to +z."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.geometry.extents import main_box
from scanwise.geometry.vertical import WIDEST_ROOM, possible_uprights, sampled_normals
from scanwise.scene import Scene, View

AXES = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-x": (-1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1)}
_UPRIGHT = 2.0  # degrees from z that are left as they are
GUESSED = (40.0, 25.0, 15.0, 10.0, 5.0, 5.0, 5.0, 5.0)  # degrees around the estimate in which surfaces are looked at
_KNOWN = (10.0, 5.0, 5.0, 5.0, 5.0)  # the same where gravity is known: sensors and conventions are a few degrees off
_MOST = 200_000  # points looked at
_STAY = 0.05  # weight of the estimate so far, for what the surfaces leave open (a single wall)
_ENOUGH = 0.02  # share of the points that horizontal or vertical surfaces must have to be trusted
_SQUARE = 0.25  # share of the normals along three axes that makes a room
_USUAL = {"y": 1.0, "-y": 0.5}  # logits that up is such an axis of the file, as cameras and other programs have it
_AS_IT_IS, _CAMERAS = 3.0, 3.0  # logits that it is z as the scan was read; of the cameras' mean up, 1 long
_SURE = 0.7  # probability from which a scan that could stand upright is turned all the same
_BESIDE, _STANDS = 15.0, 5.0  # degrees from an axis that are taken for along it; from z, that are left as they are
_FLAT = 0.35  # of the next side: what is so much lower than wide lies on the ground


def upright_rotation(
    points: np.ndarray, normals: np.ndarray, views: Sequence[View], gravity: np.ndarray | None = None
) -> np.ndarray | None:
    """The smallest rotation (3, 3) float64 that brings a recording's world to z-up: `points @ rotation.T`.

    Up starts as the mean of the cameras' up axes. Normals near it (floors, table tops) pull it towards
    themselves, and normals near its horizon (walls) push it to stand square to them, in ever closer windows.

    Args:
        points: (N, 3) of the fused cloud.
        normals: (N, 3) unit, of the same.
        views: whose cameras were held roughly level.
        gravity: (3,) direction in world coordinates, if known; it may point up or down, the cameras tell which.
            Surfaces within 10 degrees still correct it.

    Returns:
        None where the world is upright within 2 degrees already.
    """
    up = cameras_up(views)
    windows: tuple[float, ...] = GUESSED
    if gravity is not None:
        axis = np.asarray(gravity, np.float64)
        length = np.linalg.norm(axis)
        if np.isfinite(length) and length > 0:
            up, windows = (axis if axis @ up >= 0 else -axis) / length, _KNOWN
    up = refined(up, normals[np.isfinite(points).all(1)], windows)
    if np.degrees(np.arccos(np.clip(up[2], -1, 1))) <= _UPRIGHT:
        return None
    return rotation_to_z(up)


def cameras_up(views: Sequence[View]) -> np.ndarray:
    """(3,) unit mean of the cameras' up axes in the world; +z without views or where they cancel out."""
    total = sum((-np.asarray(view.camera_to_world, np.float64)[:3, 1] for view in views), np.zeros(3))
    length = np.linalg.norm(total)
    return total / length if length > 1e-6 * max(len(views), 1) else np.array([0.0, 0.0, 1.0])


def rotation_to_z(up: np.ndarray) -> np.ndarray:
    """(3, 3): the smallest rotation that brings the unit vector `up` (3,) to +z."""
    x, y, z = up
    level = x * x + y * y
    if z < 0 and level < 1e-20:
        return np.diag([1.0, -1.0, -1.0])
    k = 1 / (1 + z) if z >= 0 else (1 - z) / level  # the same, without cancellation near -z
    return np.array([[1 - k * x * x, -k * x * y, -x], [-k * x * y, 1 - k * y * y, -y], [x, y, z]])


def refined(up: np.ndarray, normals: np.ndarray, windows: tuple[float, ...]) -> np.ndarray:
    """The axis near `up` that stands square to walls and along the normals of floors.

    Args:
        up: (3,) unit, the estimate so far.
        normals: (N, 3) unit; those that are not finite are passed over.
        windows: degrees around the estimate in which surfaces are looked at, one round each.

    Returns:
        (3,) unit.
    """
    normals = np.asarray(normals[:: max(1, len(normals) // _MOST)], np.float64)
    normals = normals[np.isfinite(normals).all(1)]
    for degrees in windows:
        moved = _step(up, normals, np.radians(degrees))
        if moved is None:
            break
        up = moved
    return up


def _step(up: np.ndarray, normals: np.ndarray, window: float) -> np.ndarray | None:
    """The axis that floors are most parallel and walls most square to; None where too few are in the window."""
    lift = normals @ up
    floors, walls = normals[np.abs(lift) >= np.cos(window)], normals[np.abs(lift) <= np.sin(window)]
    if len(floors) + len(walls) < max(_ENOUGH * len(normals), 10):
        return None
    scatter = floors.T @ floors - walls.T @ walls
    scatter += _STAY * (len(floors) + len(walls)) * np.outer(up, up)
    _, axes = np.linalg.eigh(scatter)
    axis = axes[:, 2] if axes[:, 2] @ up >= 0 else -axes[:, 2]
    return axis if axis @ up >= np.cos(2 * window) else None


def stand_up(scene: Scene, axis: str = "auto") -> Scene:
    """The scene turned so that an axis of its file's frame points up, and then as far as floors and walls say.

    They are looked at within 40 degrees of that axis: a camera that looked down makes no axis point straight up.

    Args:
        scene: as it was read.
        axis: x, y, z, -x, -y or -z. The y axis of a camera's own frame points down: "-y". "auto" finds it: what stands
            upright within 5 degrees, and what does not tell, is left as it is; a turn is said in a warning.

    Raises:
        InputError: no such axis.
    """
    if axis == "auto":
        found = found_up(scene)
        if found is None:
            return scene
        text = f"{scene.name}: {_which(scene, found)} was taken for up, as it looks; where that is wrong, say which is"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
        return scene.turned(rotation_to_z(found))
    if axis not in AXES:
        raise InputError(f"up {axis!r}: choose auto or one of {', '.join(AXES)}", option="up")
    up = _file_axis(scene, axis)
    return scene.turned(rotation_to_z(refined(up, _normals(scene), GUESSED)))


def found_up(scene: Scene) -> np.ndarray | None:
    """(3,) unit, what is up in a scene that does not stand upright; None where it does, or does not tell.

    In a room floor, walls and furniture are asked, and the cameras where there are any. What is wider than a room is
    flat on the ground.
    """
    room = possible_uprights(scene)
    cameras = sum((-view.camera_to_world[:3, 1] for view in scene.views), np.zeros(3)) / max(len(scene.views), 1)
    if room is None or room.squareness < _SQUARE:
        return _y_of_cameras(scene, cameras) if scene.views else _flat_up(scene)
    logits = room.evidence + _CAMERAS * room.axes @ cameras
    for name, trust in _USUAL.items():
        logits[room.axes @ _file_axis(scene, name) > np.cos(np.radians(_BESIDE))] += trust
    logits[room.axes[:, 2] > np.cos(np.radians(_BESIDE))] += _AS_IT_IS
    best = int(logits.argmax())
    up = refined(room.axes[best], room.normals, (10.0, 5.0))
    if up[2] > np.cos(np.radians(_STANDS)):
        return None
    sure = 1 / np.exp(logits - logits[best]).sum()
    if (room.axes[:, 2] > np.cos(np.radians(_BESIDE))).any() and sure < _SURE:
        text = f"{scene.name}: z is taken for up, but {_which(scene, up)} may be; if it is, say so"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
        return None
    return up


def _file_axis(scene: Scene, name: str) -> np.ndarray:
    """(3,) unit: an axis of the file's frame, in the scene's."""
    axis = np.linalg.inv(scene.to_source[:3, :3]) @ np.array(AXES[name], float)
    return np.asarray(axis / np.linalg.norm(axis))


def _y_of_cameras(scene: Scene, cameras: np.ndarray) -> np.ndarray | None:
    """The file's y axis, either way, where the cameras were held up along it, as phones record."""
    axes = [_file_axis(scene, name) for name in ("y", "-y")]
    return next((axis for axis in axes if axis @ cameras > 0.8 and axis[2] < 0.7), None)


def _flat_up(scene: Scene) -> np.ndarray | None:
    """The axis along which a wide scan is flat, where that is not z: most points lie low, on the ground."""
    points = scene.points[scene.finite]
    low, high = main_box(points)
    sides = high - low
    axis = int(np.argmin(sides)) if np.isfinite(sides).all() else 2
    if axis == 2 or sides.max() <= WIDEST_ROOM or sides[axis] > _FLAT * np.sort(sides)[1]:
        return None
    heights = np.clip(points[:, axis], low[axis], high[axis])
    up = np.zeros(3)
    up[axis] = 1.0 if heights.mean() >= np.median(heights) else -1.0
    return up


def _which(scene: Scene, up: np.ndarray) -> str:
    """The axis of the file that a direction lies along, and how to say that it points up."""
    axis, along = max(((name, float(up @ _file_axis(scene, name))) for name in AXES), key=lambda each: each[1])
    return f"{'its' if along > np.cos(np.radians(_STANDS)) else 'what is near its'} {axis} axis (up={axis})"


def _normals(scene: Scene) -> np.ndarray:
    """The scene's, or of some of its points, where it has none."""
    return sampled_normals(scene)[1] if scene.normals is None else scene.normals[scene.finite].astype(np.float64)
