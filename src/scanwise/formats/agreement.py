"""Whether the frames of a recording agree with each other, and with a cloud.

Places that the pixels of one view show are looked for in the others: a view in whose sight a place is either shows it
(its depth agrees) or looks through it (its depth contradicts). Of good recordings .9 to 1 agree, of such whose poses,
axes or units are misread less than half.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scanwise.geometry.cameras import back_project, nearest_pixels, project
from scanwise.scene import View

_VIEWS = 12  # looked at
_RAYS = 32  # of a row and of a column of each
_POINTS = 5000  # of a sparse model that are looked for in a cloud
_ENOUGH = 200  # places in sight of another view, for a share to mean anything


@dataclass(frozen=True)
class Look:
    """What one view has to say.

    Attributes:
        depth: (H, W) metres, 0 = no reading.
        intrinsics: (3, 3) of the depth camera.
        pose: (4, 4) of it.
        pixels: (n, 2) as (x, y), of a coarse grid, that have a reading.
    """

    depth: np.ndarray
    intrinsics: np.ndarray
    pose: np.ndarray
    pixels: np.ndarray

    def places(self) -> np.ndarray:
        """(n, 3) in the world, of `pixels`."""
        reading = self.depth[self.pixels[:, 1], self.pixels[:, 0]].astype(np.float64)
        return back_project(self.pixels.astype(np.float64), reading, self.intrinsics, self.pose)


@dataclass(frozen=True)
class Agreement:
    """How often a view shows places that others show, counted in places x views.

    Attributes:
        shown: the view shows the place.
        through: it looks through it.
        hidden: something is in front of it, which is no contradiction.
    """

    shown: int
    through: int
    hidden: int

    @property
    def known(self) -> bool:
        """Whether enough was in sight to say anything."""
        return self.shown + self.through >= _ENOUGH

    @property
    def share(self) -> float:
        """0..1, of what is in sight and not hidden."""
        return self.shown / max(self.shown + self.through, 1)

    @property
    def of_all(self) -> float:
        """0..1, of what is in sight or hidden: it falls too where all depth is too short, but also behind walls."""
        return self.shown / max(self.shown + self.through + self.hidden, 1)


def chosen(views: Sequence[View]) -> list[View]:
    """Some views with depth from all over a recording, in pairs of such as are near in time and likely overlap."""
    views = [view for view in views if view.depth_raster is not None]
    if len(views) > _VIEWS:
        starts = np.linspace(0, len(views) - 1, _VIEWS // 2, endpoint=False).astype(int)
        apart = max(1, len(views) // (3 * _VIEWS))
        views = [views[number] for number in sorted({*starts.tolist(), *(starts + apart).tolist()})]
    return views


def look(view: View) -> Look:
    """What a view with depth has to say."""
    depth = view.depth
    assert depth is not None
    intrinsics, pose = view.depth_camera((depth.shape[0], depth.shape[1]))
    rows, columns = (((np.arange(_RAYS) + 0.5) * side / _RAYS).astype(int) for side in depth.shape)
    pixels = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    reading = depth[pixels[:, 1], pixels[:, 0]]
    return Look(depth, intrinsics, np.asarray(pose, np.float64), pixels[np.isfinite(reading) & (reading > 0)])


def median_depth(depths: Iterable[np.ndarray]) -> float:
    """Median in metres of the readings of some depth maps; 1 where they have none."""
    positive = np.concatenate([depth[depth > 0] for depth in depths] or [np.zeros(0)])
    return float(np.median(positive)) if len(positive) else 1.0


def is_plausible(metres: float) -> bool:
    """Whether a recording may have this median depth."""
    return 0.05 <= metres <= 100


def agreement(seen: Sequence[Look]) -> Agreement:
    """How far views agree with each other."""
    total = np.zeros(3, int)
    for one in seen:
        places = one.places()
        for other in seen:
            if other is not one:
                total += [part.sum() for part in _seen_by(places, other)]
    return Agreement(*total.tolist())


def fit(points: np.ndarray, seen: Sequence[Look]) -> Agreement:
    """How far views agree with a cloud: points (N, 3) in their world, some of which are looked at."""
    points = points[np.isfinite(points).all(1)]
    points = points[:: max(1, len(points) // (_VIEWS * _RAYS * _RAYS))].astype(np.float64)
    total = np.zeros(3, int)
    for one in seen:
        total += [part.sum() for part in _seen_by(points, one)]
    return Agreement(*total.tolist())


def overlap(few: np.ndarray, cloud: np.ndarray) -> Agreement:
    """How far points (n, 3) lie where a cloud (N, 3) of the same frame is: within a fiftieth of their own size."""
    from scipy.spatial import cKDTree

    few = few[:: max(1, len(few) // _POINTS)].astype(np.float64)
    cloud = cloud[np.isfinite(cloud).all(1)]
    size = np.linalg.norm(np.subtract(*np.percentile(few, (90, 10), axis=0)))
    apart, _ = cKDTree(cloud[:: max(1, len(cloud) // (20 * _POINTS))]).query(few)
    near = int((apart <= size / 50).sum())
    return Agreement(near, len(few) - near, 0)


def scaled(one: Look, factor: float) -> Look:
    """The view, if all its readings were so many times as far."""
    return replace(one, depth=one.depth * np.float32(factor))


def _seen_by(places: np.ndarray, by: Look) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) bool each: places that a view shows, that it looks through, and that something hides."""
    pixels, z = project(places, by.intrinsics, np.linalg.inv(by.pose))
    in_front = z > 0
    pixels, z = pixels[in_front], z[in_front]
    row, column, inside = nearest_pixels(pixels, (by.depth.shape[0], by.depth.shape[1]))
    reading = by.depth[row, column]
    inside &= np.isfinite(reading) & (reading > 0)
    beyond = reading - z
    tolerance = 0.05 + np.minimum(0.01 * z, 0.03) * z  # far readings of a wrong unit agree with nothing
    return inside & (np.abs(beyond) <= tolerance), inside & (beyond > tolerance), inside & (beyond < -tolerance)
