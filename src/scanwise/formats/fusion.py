"""Depth maps into one cloud: voxel means of what the views of a recording saw.

Frames stream through: each is back-projected, cleaned and reduced to its voxels, and the voxels are merged
into one table, so memory grows with the surface seen and not with the number of frames. Everything summed is
a whole number, so that neither the order of merging nor its batches change the result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.geometry.cameras import nearest_pixels, pixel_rays, project, transform_points
from scanwise.scene import View

_HALF = 1 << 20  # voxels from the first camera to the end of the map, along an axis; three axes fit in 63 bits
_FINE = 4096  # steps of a voxel's edge in which positions are summed
_UNIT = 1024  # steps of a normal's length
_ENOUGH = 6  # evidence of a single view that makes a voxel: three hits of 2, or fewer of coarse pixels
_BATCH = 1_000_000  # voxels of single frames that wait for the next merge
_STEEPEST = 7.0  # tangent of the largest angle (82 degrees) at which a surface is told from a flying pixel
_NOISE = 0.006  # 1/m: two quanta of a structured-light sensor's depth at 1 m, growing with the square


def fuse(
    views: Sequence[View], *, voxel: float = 0.02, progress: Callable[[float], None] = lambda done: None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fuses the depth maps of posed views into a cloud; views without depth are passed over.

    Flying pixels (between the two sides of a depth edge) and readings that no neighbour shares are dropped.
    A voxel that two views hit is kept. One that a single view hit is kept if another view's depth agrees with
    it, or if it has three hits (two or one where the pixels are so coarse that a surface gives a voxel hardly
    more), and in either case only if not more views look through it than agree with it.

    Args:
        views: posed pictures of one world, with depth in metres.
        voxel: edge in metres.
        progress: told the share of the work that is done, 0..1.

    Returns:
        points (N, 3) float32 in the views' world, in the order of their voxels; colors (N, 3) uint8, from the
        nearest voxel that has a colour where no colour camera saw the place; normals (N, 3) float32 unit,
        facing the cameras.

    Raises:
        InputError: no view has depth, no depth map has a reading, or the readings span too far.
    """
    views = [view for view in views if view.depth_raster is not None]
    if not views:
        raise InputError("no frame has depth, so there is nothing to make a cloud of: add depth maps or a cloud (.ply)")
    origin = _depth_center(views[0])
    table = _Table()
    for number, view in enumerate(views):
        table.add(_frame_columns(view, origin, voxel))
        progress(0.8 * (number + 1) / len(views))
    cells = table.merged()
    if not len(cells.keys):
        raise InputError(
            f"none of the {len(views)} depth maps has a usable reading: are they in the unit the recording says?"
        )
    cells = cells.take(_confirmed(cells, views, origin, voxel, lambda done: progress(0.8 + 0.2 * done)))
    if not len(cells.keys):
        raise InputError(
            f"the {len(views)} depth maps contradict each other everywhere: are the poses camera to world, "
            "and in the axes the recording says?"
        )
    points = (cells.positions(voxel) + origin).astype(np.float32)
    return points, _filled_colors(cells, points), cells.normals()


# ---------------------------------------------------------------------------------------------- one frame


def _frame_columns(view: View, origin: np.ndarray, voxel: float) -> _Cells:
    """The voxels that one view hit."""
    depth = _depth(view)
    intrinsics, pose = view.depth_camera((depth.shape[0], depth.shape[1]))
    focal = float(np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]))
    good = steady(depth, focal)
    taken = good & _worth_taking(depth, focal, voxel)
    z, local = depth[taken], _local_points(depth, taken, intrinsics)
    from_origin = np.array(pose, np.float64)
    from_origin[:3, 3] -= origin
    points = transform_points(local, from_origin)
    normals = depth_normals(depth, good, intrinsics)[taken] @ pose[:3, :3].astype(np.float32).T
    colors, colored = _sample_colors(view, depth, good, local, pose, intrinsics)

    grid = points / np.float32(voxel)
    if len(grid) and np.abs(grid).max() >= _HALF:
        raise InputError(
            f"{view.name or 'a frame'}: readings lie more than {_HALF * voxel / 1000:.0f} km from the first camera: "
            "is the depth in the unit, and the pose in the metres, that the recording says?"
        )
    corner = np.floor(grid)
    keys = _pack(corner.astype(np.int64))
    columns_of_hits = np.empty((_COLUMNS, len(keys)), np.int32)
    columns_of_hits[_VIEWS] = 0
    columns_of_hits[_EVIDENCE] = np.clip(3 * _ENOUGH * (z / (focal * voxel)) ** 2, 2, _ENOUGH)
    columns_of_hits[_HITS] = 1
    columns_of_hits[_POSITION] = np.minimum((grid - corner) * _FINE, _FINE - 1).T
    columns_of_hits[_NORMAL] = np.rint(normals * _UNIT).T
    columns_of_hits[_COLORED] = colored
    columns_of_hits[_COLOR] = colors.T
    cells = _grouped(keys, columns_of_hits)
    cells.sums[_VIEWS] = 1
    return cells


def _depth(view: View) -> np.ndarray:
    depth = view.depth
    assert depth is not None
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(0)).astype(np.float32, copy=False)


def _depth_center(view: View) -> np.ndarray:
    pose = view.camera_to_world if view.depth_to_world is None else view.depth_to_world
    return np.asarray(pose[:3, 3], np.float64)


def _local_points(depth: np.ndarray, taken: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """(n, 3) float32 what the pixels of a mask (H, W) show, row by row, in the depth camera's axes."""
    rows, columns = np.nonzero(taken)
    return pixel_rays(np.stack([columns, rows], 1).astype(np.float32), intrinsics) * depth[taken][:, None]


def _worth_taking(depth: np.ndarray, focal: float, voxel: float) -> np.ndarray:
    """(H, W) bool: every pixel, but every second row and column of what is so near that a voxel holds many."""
    take = depth > focal * voxel / 6
    take[::2, ::2] = True
    return take


def steady(depth: np.ndarray, focal: float) -> np.ndarray:
    """Readings that are neither flying pixels nor alone.

    A flying pixel lies in depth between its two neighbours across, with a jump to both: thin things, nearer
    than both neighbours, stay. A reading needs two of its eight neighbours at about its own depth.

    Args:
        depth: (H, W) float32 metres, 0 = no reading.
        focal: length in pixels.

    Returns:
        (H, W) bool.
    """
    padded = np.pad(depth, 1)
    height, width = depth.shape
    jump = depth * np.float32(_STEEPEST / focal) + depth * depth * np.float32(_NOISE)
    alike = np.zeros(depth.shape, np.int8)
    flying = np.zeros(depth.shape, bool)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        before = depth - padded[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        after = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] - depth
        alike += np.abs(before) <= jump
        alike += np.abs(after) <= jump
        rising, falling = np.minimum(before, after) > jump, np.maximum(before, after) < -jump
        inside = (before != depth) & (after != -depth)
        flying |= (rising | falling) & inside
    return (depth > 0) & (alike >= 2) & ~flying


def depth_normals(depth: np.ndarray, good: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Normals of what a depth map shows.

    On a plane inverse depth is linear in the pixel, so the mean of its gradient over a window of about a
    degree gives the plane; differences across depth edges are left out of the mean.

    Args:
        depth: (H, W) float32 metres, 0 = no reading.
        good: (H, W) bool, readings to go by.
        intrinsics: (3, 3) of the depth camera.

    Returns:
        (H, W, 3) float32 unit, in the depth camera's axes, facing it.
    """
    focal = float(np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]))
    radius = int(np.clip(round(0.008 * focal), 1, 6))
    inverse = np.where(good, 1 / np.where(good, depth, 1), 0).astype(np.float32)
    edge = inverse * np.float32(_STEEPEST / focal) + np.float32(_NOISE)
    across = _mean_slope(inverse, edge, radius)
    down = _mean_slope(inverse.T, edge.T, radius).T
    rows, columns = np.indices(depth.shape, np.float32)
    plane = np.stack([across, down, inverse - across * columns - down * rows], -1)
    normals = -plane @ intrinsics.astype(np.float32)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return normals / np.where(length > 0, length, 1)


def _mean_slope(inverse: np.ndarray, edge: np.ndarray, radius: int) -> np.ndarray:
    """(H, W) mean of d inverse / d column over a window, 0 where nothing is known."""
    lag = 2 if inverse.shape[1] > 160 else 1
    slope = np.zeros(inverse.shape, np.float32)
    known = np.zeros(inverse.shape, np.float32)
    left, right = inverse[:, : -2 * lag], inverse[:, 2 * lag :]
    difference = right - left
    usable = (left > 0) & (right > 0) & (np.abs(difference) <= 2 * lag * edge[:, lag:-lag])
    known[:, lag:-lag] = usable
    slope[:, lag:-lag] = np.where(usable, difference / (2 * lag), 0)
    return _box_sum(slope, radius) / np.maximum(_box_sum(known, radius), 1)


def _box_sum(values: np.ndarray, radius: int) -> np.ndarray:
    """Sums over (2 radius + 1)^2 windows, zeros beyond the border."""
    for _ in range(2):
        padded = np.pad(values, ((0, 0), (radius + 1, radius)))
        total = np.cumsum(padded, axis=1, dtype=np.float64)
        values = (total[:, 2 * radius + 1 :] - total[:, : -2 * radius - 1]).T
    return values


def _sample_colors(
    view: View, depth: np.ndarray, good: np.ndarray, local: np.ndarray, pose: np.ndarray, intrinsics: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (n, 3) uint8 of points in the depth camera's axes, and (n,) bool whether the colour camera saw them."""
    image = view.image
    to_color = np.linalg.inv(view.camera_to_world) @ pose
    size = (image.shape[0], image.shape[1])
    pixels, z = project(local, view.intrinsics, to_color)
    row, column, inside = nearest_pixels(pixels, size)
    inside &= z > 0
    if len(local) and not np.allclose(to_color, np.eye(4), atol=1e-6):
        surface = project(_local_points(depth, good, intrinsics), view.intrinsics, to_color)
        cell = max(1, int(np.ceil(view.intrinsics[0, 0] / intrinsics[0, 0])))
        inside &= _in_front((pixels, z), surface, size, cell)
    colors = image[row, column]
    colors[~inside] = 0
    return colors, inside


def _in_front(
    seen: tuple[np.ndarray, np.ndarray], surface: tuple[np.ndarray, np.ndarray], size: tuple[int, int], cell: int
) -> np.ndarray:
    """(n,) bool: projected points that nothing of a projected surface hides, by a z-buffer of `cell` pixels."""
    height, width = -(-size[0] // cell) + 2, -(-size[1] // cell) + 2
    buffer = np.full((height, width), np.inf, np.float32)

    def index(pixels: np.ndarray) -> np.ndarray:
        column, row = np.clip(np.rint(pixels.T) // cell, -1, [[width - 2], [height - 2]]).astype(np.int64) + 1
        return row * width + column

    pixels, z = surface
    ahead = z > 0
    np.minimum.at(buffer.reshape(-1), index(pixels[ahead]), z[ahead])
    for _ in range(2):  # the smallest of 3 x 3 cells closes the gaps between splats and covers edges
        buffer[1:-1] = np.minimum(np.minimum(buffer[:-2], buffer[2:]), buffer[1:-1])
        buffer = np.ascontiguousarray(buffer.T)
    pixels, z = seen
    return z <= buffer.reshape(-1)[index(pixels)] * 1.02 + 0.02


# --------------------------------------------------------------------------------------------- the voxels

_VIEWS, _EVIDENCE, _HITS, _COLORED = 0, 1, 2, 3
_POSITION, _NORMAL, _COLOR = slice(4, 7), slice(7, 10), slice(10, 13)
_COLUMNS = 13


@dataclass(frozen=True)
class _Cells:
    """Voxels in ascending order of their keys (M,) int64, and sums (13, M) int64 over their hits."""

    keys: np.ndarray
    sums: np.ndarray

    def take(self, chosen: np.ndarray) -> _Cells:
        return _Cells(self.keys[chosen], self.sums[:, chosen])

    def positions(self, voxel: float) -> np.ndarray:
        """(M, 3) float64 means, from the first camera."""
        within = (self.sums[_POSITION] / self.sums[_HITS]).T + 0.5
        return (_unpack(self.keys) + within / _FINE) * voxel

    def normals(self) -> np.ndarray:
        mean = self.sums[_NORMAL].T.astype(np.float64)
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        return np.where(length > 0, mean / np.where(length > 0, length, 1), (0.0, 0.0, 1.0)).astype(np.float32)


class _Table:
    """The voxels of the frames so far; what waits is merged when there is more of it than of what is merged."""

    def __init__(self) -> None:
        self._cells = _Cells(np.zeros(0, np.int64), np.zeros((_COLUMNS, 0), np.int64))
        self._waiting: list[_Cells] = []

    def add(self, cells: _Cells) -> None:
        self._waiting.append(cells)
        if sum(len(waiting.keys) for waiting in self._waiting) >= _BATCH:
            self.merged()

    def merged(self) -> _Cells:
        if self._waiting:
            parts = [self._cells, *self._waiting]
            keys, sums = np.concatenate([part.keys for part in parts]), np.hstack([part.sums for part in parts])
            self._cells, self._waiting = _grouped(keys, sums), []
        return self._cells


def _grouped(keys: np.ndarray, columns: np.ndarray) -> _Cells:
    """Sums of columns (13, n) over equal keys (n,)."""
    order = np.argsort(keys)
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.empty((len(columns), len(starts)), np.int64)
    for column, total in zip(columns, sums, strict=True):
        if len(starts):
            np.add.reduceat(column[order], starts, dtype=np.int64, out=total)
    return _Cells(keys[starts], sums)


def _pack(corner: np.ndarray) -> np.ndarray:
    shifted = corner + _HALF
    return (shifted[:, 0] << 42) | (shifted[:, 1] << 21) | shifted[:, 2]


def _unpack(keys: np.ndarray) -> np.ndarray:
    mask = 2 * _HALF - 1
    return np.stack([keys >> 42, (keys >> 21) & mask, keys & mask], 1) - _HALF


# ---------------------------------------------------------------------------------- noise, missing colours


def _confirmed(
    cells: _Cells, views: Sequence[View], origin: np.ndarray, voxel: float, progress: Callable[[float], None]
) -> np.ndarray:
    """(M,) bool: voxels that two views hit, or one view hit and the others' depth does not speak against."""
    keep = cells.sums[_VIEWS] >= 2
    doubtful = np.flatnonzero(~keep)
    positions = cells.take(doubtful).positions(voxel).astype(np.float32)
    agree = np.zeros(len(doubtful), np.int32)
    through = np.zeros(len(doubtful), np.int32)
    for number, view in enumerate(views):
        depth = _depth(view)
        intrinsics, pose = view.depth_camera((depth.shape[0], depth.shape[1]))
        from_origin = np.linalg.inv(pose)
        from_origin[:3, 3] += from_origin[:3, :3] @ origin
        pixels, z = project(positions, intrinsics, from_origin)
        row, column, inside = nearest_pixels(pixels, (depth.shape[0], depth.shape[1]))
        reading = np.where(inside & (z > 0), depth[row, column], 0)
        beyond = reading - z
        tolerance = voxel + _NOISE * z * z
        agree += (reading > 0) & (np.abs(beyond) <= tolerance)
        through += (reading > 0) & (beyond > tolerance)
        progress((number + 1) / len(views))
    solid = (agree >= 2) | (cells.sums[_EVIDENCE, doubtful] >= _ENOUGH)
    keep[doubtful] = solid & (agree >= through)
    return keep


def _filled_colors(cells: _Cells, points: np.ndarray) -> np.ndarray:
    """(M, 3) uint8 mean colours; voxels without take the nearest coloured one's."""
    counts = cells.sums[_COLORED]
    colors = np.rint(cells.sums[_COLOR] / np.maximum(counts, 1)).T.astype(np.uint8)
    bare = counts == 0
    if bare.all():
        warnings.warn(
            "no depth reading lies in sight of a colour camera, so the cloud is grey: check the calibration",
            ScanwiseWarning,
            stacklevel=3,
        )
        colors[:] = 128
    elif bare.any():
        from scipy.spatial import cKDTree

        _, nearest = cKDTree(points[~bare]).query(points[bare])
        colors[bare] = colors[~bare][nearest]
    return colors
