"""Recordings whose frames contradict each other: likely misreadings are tried, and the one that fits is taken."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scanwise import cache
from scanwise.errors import ScanwiseWarning
from scanwise.files import DepthFile
from scanwise.formats.agreement import Agreement, Look, agreement, chosen, is_plausible, look, median_depth, scaled
from scanwise.formats.poses import OPENGL
from scanwise.formats.rasters import Scaled
from scanwise.formats.recording import Recording
from scanwise.scene import Raster, View

GOOD, BAD = 0.85, 0.6  # shares of agreement above which a reading is right, and below which it is not
_VERSION = "1"
_HIDDEN = 0.45  # share of all below which depth may be too short, however much agrees
_GAIN = 0.25  # by which the share of all must grow with another reading
_BETTER = 0.005  # by how much a less likely reading must be better than a likelier one
_FACTORS = (5, 1 / 5, 4, 1 / 4, 10, 1 / 10, 1000, 1 / 1000)  # of depth: 1000, 5000, 4000, 10000 units a metre or 1

Pose = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Reading:
    """Another way to read a recording.

    Attributes:
        text: in a note, after "with".
        pose: what the pose (4, 4) becomes that the files give.
        factor: what readings of depth are multiplied by.
    """

    text: str
    pose: Pose = lambda pose: pose
    factor: float = 1.0

    def of_look(self, look: Look, holder: np.ndarray) -> Look:
        moved = replace(look, pose=self.pose(holder) @ np.linalg.inv(holder) @ look.pose)
        return moved if self.factor == 1 else scaled(moved, self.factor)

    def of_view(self, view: View, opengl: bool) -> View:
        holder = _holder(view, opengl)
        move = self.pose(holder) @ np.linalg.inv(holder)
        depth = view.depth_raster
        return replace(view.moved(move), depth_raster=depth and _scaled(depth, self.factor))


def reread(path: Path, recording: Recording, *, any_unit: bool) -> Recording:
    """The recording, read in another way where its frames contradict each other and agree when read so.

    What was wrong, and whether it was mended, is said in one warning.

    Args:
        path: of the recording.
        recording: as its layout has it.
        any_unit: nobody said in which unit its depth is.
    """
    views = [view for view in recording.views if view.depth_raster is not None]
    if len(views) < 2:
        return recording
    readings = list(_readings(recording.opengl, any_unit))

    def make() -> dict[str, np.ndarray]:
        return {"found": np.array(_judged(chosen(views), readings, recording.opengl), np.float64)}

    key = cache.key_of(_VERSION, f"{recording.opengl} {any_unit}", *(view.digest() for view in chosen(views)))
    before, after, number = cache.arrays("agreement", key, make)["found"].tolist()
    if number < 0 and before < 0:
        return recording
    told = f"{path}: frames contradict each other: agreement {max(before, 0):.2f}"
    if number < 0:
        _warn(f"{told} (of good recordings .9 to 1). Poses, their axes or the unit of depth are not what the layout "
              "says, or tracking failed: the cloud is wrong")  # fmt: skip
        return recording
    taken = readings[int(number)]
    _warn(f"{told}; with {taken.text} it is {after:.2f}, so they are read that way")
    return replace(recording, views=[taken.of_view(view, recording.opengl) for view in recording.views])


def _warn(text: str) -> None:
    warnings.warn(text, ScanwiseWarning, stacklevel=4)


def _judged(views: Sequence[View], readings: Sequence[_Reading], opengl: bool) -> tuple[float, float, int]:
    """Share of agreement as it is, with the best of other readings, and its number.

    The number is -1 where none is right; the first share is -1 where nothing speaks against the recording, either.
    """
    seen = [look(view) for view in views]
    now = agreement(seen)
    if now.known and now.share >= BAD and now.of_all >= _HIDDEN:
        return -1, -1, -1
    holders = [_holder(view, opengl) for view in views]
    best, number, least = Agreement(0, 0, 0), -1, now.of_all + _GAIN
    for index, reading in enumerate(readings):
        other = [reading.of_look(one, holder) for one, holder in zip(seen, holders, strict=True)]
        found = agreement(other) if is_plausible(median_depth(one.depth for one in other)) else best
        if found.known and found.share >= GOOD and found.of_all >= max(least, best.of_all + _BETTER):
            best, number = found, index
    if number >= 0:
        return now.share if now.known else 0, best.share, number
    wrong = now.known and now.share < BAD and is_plausible(median_depth(one.depth for one in seen))
    return now.share if wrong else -1, -1, -1  # of depth in an implausible unit something else is said


def _holder(view: View, opengl: bool) -> np.ndarray:
    """The pose that the files give: of the picture in OpenGL's layouts, of the depth camera in the others."""
    own = None if opengl else view.depth_to_world
    return np.asarray(view.camera_to_world if own is None else own, np.float64)


def _readings(opengl: bool, any_unit: bool) -> Iterator[_Reading]:
    """What people mix up, the likeliest first."""
    here, other = (OPENGL, np.eye(4)) if opengl else (np.eye(4), OPENGL)
    names = ("OpenGL", "OpenCV")
    there = names[opengl]
    yield _Reading(f"{there} axes", lambda pose: pose @ OPENGL)
    yield _Reading("poses taken as world to camera", lambda pose: np.linalg.inv(pose @ here) @ here)
    yield _Reading(f"poses taken as world to camera in {there} axes", lambda pose: np.linalg.inv(pose @ here) @ other)
    yield _Reading("quaternions taken as w, x, y, z", lambda pose: _with_w_first(pose @ here) @ here)
    for name, units in (("millimetres", 1000), ("centimetres", 100)):
        yield _Reading(f"poses taken as {name}", lambda pose, units=units: _shortened(pose, units))  # type: ignore[misc]
    for factor in _FACTORS if any_unit else ():
        times = f"{factor:g} times as far" if factor > 1 else f"{1 / factor:g} times as near"
        yield _Reading(f"depth taken as {times} (depth_scale in calibration.json)", factor=factor)


def _with_w_first(pose: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    turned = pose.copy()
    turned[:3, :3] = Rotation.from_quat(Rotation.from_matrix(pose[:3, :3]).as_quat()[[1, 2, 3, 0]]).as_matrix()
    return turned


def _shortened(pose: np.ndarray, units_per_metre: float) -> np.ndarray:
    shorter = pose.copy()
    shorter[:3, 3] /= units_per_metre
    return shorter


def _scaled(raster: Raster, factor: float) -> Raster:
    if factor == 1:
        return raster
    if isinstance(raster, DepthFile):
        return replace(raster, units_per_metre=raster.units_per_metre / factor)
    return Scaled(raster, factor)
