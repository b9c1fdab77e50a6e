"""Clouds drawn into pictures with numpy alone: closed surfaces, soft shading, rooms cut open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

BACKGROUND = (250, 250, 251)
_OVERSAMPLING = 2
_EYE_DISTANCE = 3.0  # in scene radii: mild perspective
_MARGIN = 0.96  # share of the picture that the scene fills
_SHADING_STEPS = (1, 3, 8)  # pixels; fine steps draw edges, coarse ones give volume
_AROUND = ((0, 1), (1, 0), (1, 1), (1, -1))  # half of a pixel's neighbours; the other half mirrors it
_CLOSED = 0.5  # share of points in filled surroundings from which on a surface counts as closed
_NOTHING = 1e9  # distance of the background in pixels
_ROOM_HEIGHTS = (1.9, 6.0)  # metres, of something that may have a ceiling
_WIDEST_ROOM = 40.0  # metres

View = tuple[float, float] | Literal["auto"]


@dataclass(frozen=True)
class Raster:
    """Which point is seen at every pixel; paint it with as many colourings as wanted.

    Attributes:
        seen: (2H, 2W) int32 index into the drawn points, -1 = background.
        shade: (H, W) float32 in 0..1, 1 = fully lit.
    """

    seen: np.ndarray
    shade: np.ndarray

    def paint(self, colors: np.ndarray, background: tuple[int, int, int] = BACKGROUND) -> np.ndarray:
        """(N, 3) uint8 -> (H, W, 3) uint8."""
        packed = np.empty((len(colors) + 1, 4), np.uint8)
        packed[:-1, :3] = colors
        packed[-1, :3] = background  # index -1 reads the last row
        packed[:, 3] = 255
        fine = packed.view(np.uint32)[:, 0].take(self.seen, mode="wrap").view(np.uint8)
        fine = fine.reshape(*self.seen.shape, 4)
        total = np.zeros((*self.shade.shape, 4), np.uint16)
        for block in _blocks(fine):
            total += block
        lit = total[..., :3] * (self.shade / _OVERSAMPLING**2)[..., None]
        return (lit + 0.5).astype(np.uint8)


def draw_cloud(
    points: np.ndarray,
    colors: np.ndarray,
    *,
    size: tuple[int, int] = (1600, 900),
    view: View = "auto",
    normals: np.ndarray | None = None,
    background: tuple[int, int, int] = BACKGROUND,
) -> np.ndarray:
    """Draw a cloud as closed, softly shaded surfaces.

    Args:
        points: (N, 3) float, z up; rows that are not finite are not drawn.
        colors: (N, 3) uint8.
        size: (W, H) of the picture.
        view: where the camera stands, in degrees: (azimuth, counter-clockwise from +x; elevation above
            the horizon), or "auto".
        normals: (N, 3) unit, pointing to the side a surface was seen from: what faces away is left out,
            so that one looks into rooms. Without them ceilings and near walls are guessed and left out.
        background: RGB, 0..255.

    Returns:
        uint8 (H, W, 3).
    """
    return rasterise(points, size=size, view=view, normals=normals).paint(colors, background)


def rasterise(
    points: np.ndarray,
    *,
    size: tuple[int, int],
    view: View = "auto",
    normals: np.ndarray | None = None,
) -> Raster:
    """The geometric half of `draw_cloud`.

    Args:
        points: as of `draw_cloud`.
        size: as of `draw_cloud`.
        view: as of `draw_cloud`.
        normals: as of `draw_cloud`.
    """
    width, height = size
    fine = (height * _OVERSAMPLING, width * _OVERSAMPLING)
    rows = np.flatnonzero(np.isfinite(points).all(1))
    if not len(rows):
        return Raster(np.full(fine, -1, np.int32), np.ones((height, width), np.float32))
    positions = np.asarray(points[rows], np.float32)
    facing = oriented(positions, normals[rows]) if normals is not None else None
    azimuth, elevation = best_view(positions, facing, width / height) if view == "auto" else view
    keep = _uncovered(positions, facing, azimuth, elevation)
    rows, positions = rows[keep], positions[keep]
    pixels, nearness, scale = _project(positions, azimuth, elevation, fine)
    visible = pixels >= 0
    rows, pixels, nearness = rows[visible], pixels[visible], nearness[visible]
    order = np.argsort(nearness)
    ranks = np.zeros(fine[0] * fine[1], np.int32)
    ranks[pixels[order]] = np.arange(1, len(order) + 1, dtype=np.int32)  # the last, nearest one stays
    steps = np.append(-_NOTHING, nearness[order] * scale).astype(np.float32)
    ranks, radius = _surface(ranks.reshape(fine), steps)
    seen = np.append(np.int32(-1), rows[order].astype(np.int32))[ranks]
    shade = _shade(steps[_nearest_of_block(ranks)] / _OVERSAMPLING, radius / _OVERSAMPLING)
    return Raster(seen, shade)


def oriented(points: np.ndarray, normals: np.ndarray) -> np.ndarray | None:
    """The normals, or None when they do not tell sides: those of the floor must point up."""
    low = points[:, 2] < np.percentile(points[:, 2], 25)
    floor = normals[low & (np.abs(normals[:, 2]) > 0.8), 2]
    if len(floor) < 10 or np.mean(floor > 0) < 0.8:
        return None
    return np.nan_to_num(normals)


def ceiling_cut(points: np.ndarray) -> float | None:
    """Height in metres above which a room's ceiling lies; None when nothing covers the scene like one."""
    low, high = np.percentile(points[:: max(1, len(points) // 50_000), 2], (0.5, 99.5))
    if not _ROOM_HEIGHTS[0] < high - low < _ROOM_HEIGHTS[1]:
        return None
    cut = high - 0.15 * (high - low)
    start, end = robust_box(points[:, :2])
    if (end - start).max() > _WIDEST_ROOM:
        return None
    cell = np.clip((points[:, :2] - start) / (end - start) * 24, 0, 23).astype(np.int32)
    cell = cell[:, 0] * 24 + cell[:, 1]
    covered = np.zeros((2, 24 * 24), bool)
    covered[0, cell] = True
    covered[1, cell[points[:, 2] > cut]] = True
    return float(cut) if covered[1].sum() > 0.35 * covered[0].sum() else None


def _axes(azimuth: float, elevation: float) -> np.ndarray:
    """(3, 3) rows: right, up, towards the camera."""
    a, e = np.radians((azimuth, elevation))
    right = (-np.sin(a), np.cos(a), 0)
    up = (-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e))
    back = (np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e))
    return np.array([right, up, back], np.float32)


def best_view(points: np.ndarray, normals: np.ndarray | None, aspect: float) -> tuple[float, float]:
    """The azimuth from which surfaces face the camera, high things stand behind, and the frame is full."""
    step = max(1, len(points) // 8000)
    sample = points[::step]
    facing = None if normals is None else normals[::step]
    low, high = np.percentile(sample, (3, 97), axis=0)
    flat = (high[2] - low[2]) < 0.12 * np.linalg.norm(high[:2] - low[:2])
    elevation = 42.0 if flat else 36.0
    centred = sample - (low + high) / 2
    inner = centred[(np.abs(centred) <= (high - low) / 2 + 1e-6).all(1)]
    lift = (inner * (inner[:, 2:] - inner[:, 2:].mean())).mean(0) if len(inner) else np.zeros(3)
    azimuths = np.arange(0, 360, 15.0) + 7.5
    scores = []
    for azimuth in azimuths:
        axes = _axes(azimuth, elevation)
        span = np.ptp(np.percentile(centred @ axes[:2].T, (3, 97), axis=0), axis=0) + 1e-6
        size = 1 / max(span[0], span[1] * aspect)
        if facing is not None:
            quality = np.maximum(facing @ axes[2], 0).mean()
        else:
            quality = -0.3 * float(axes[2, :2] @ lift[:2]) / (np.linalg.norm(lift[:2]) + 1e-6)
        scores.append((size, quality))
    table = np.array(scores)
    best = np.argmax(0.5 * table[:, 0] / table[:, 0].max() + table[:, 1])
    return float(azimuths[best]), elevation


def _uncovered(points: np.ndarray, normals: np.ndarray | None, azimuth: float, elevation: float) -> np.ndarray:
    """(N,) bool: what is left when all that hides the inside of a room is cut away."""
    back = _axes(azimuth, elevation)[2]
    if normals is not None:
        return normals @ back > -0.08
    cut = ceiling_cut(points)
    if cut is None or elevation <= 0:
        return np.ones(len(points), bool)
    keep = points[:, 2] < cut
    depth = points[:, :2] @ (back[:2] / max(np.linalg.norm(back[:2]), 1e-6))
    lateral = points[:, :2] @ _axes(azimuth, 0)[0, :2]
    strip = ((lateral - lateral.min()) / 0.2).astype(np.int32)
    front = np.full(strip.max() + 1, -np.inf, np.float32)
    np.maximum.at(front, strip, depth)
    floor = np.percentile(points[:, 2], 1) + 0.1
    near = (depth > front[strip] - 0.35) & (depth > np.median(depth)) & (points[:, 2] > floor)
    return keep & ~near


def _project(
    points: np.ndarray, azimuth: float, elevation: float, fine: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Flat pixel of every point (-1 = outside), nearness in metres, and pixels per metre at the centre."""
    rows, columns = fine
    low, high = np.percentile(points[:: max(1, len(points) // 50_000)], (2, 98), axis=0)
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    turned = (points - ((low + high) / 2).astype(np.float32)) @ _axes(azimuth, elevation).T
    eye = _EYE_DISTANCE * radius
    before = turned[:, 2] < 0.7 * eye
    shrink = eye / np.where(before, eye - turned[:, 2], eye)
    flat = turned[:, :2] * shrink[:, None]
    start, end = robust_box(flat)
    scale = _MARGIN * min((columns - 4) / (end[0] - start[0]), (rows - 4) / (end[1] - start[1]))
    x = ((flat[:, 0] - (start[0] + end[0]) / 2) * scale + columns / 2).astype(np.int32)
    y = (rows / 2 - (flat[:, 1] - (start[1] + end[1]) / 2) * scale).astype(np.int32)
    inside = before & (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    return np.where(inside, y * columns + x, -1), turned[:, 2], float(scale)


def robust_box(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (D,), (D,) of what is worth showing: everything, but far outliers do not shrink the rest."""
    low, high = np.percentile(positions[:: max(1, len(positions) // 50_000)], (2, 98), axis=0)
    reach = 0.15 * (high - low)
    start, end = np.maximum(positions.min(0), low - reach), np.minimum(positions.max(0), high + reach)
    grow = np.maximum(1e-3 - (end - start), 0) / 2  # a single point still has a frame
    return start - grow, end + grow


def _surface(ranks: np.ndarray, nearness: np.ndarray) -> tuple[np.ndarray, int]:
    """Grow the points into closed surfaces; also gives the radius of the discs in pixels.

    Discs of one surface overlap; there a pixel goes to the point whose centre is close, not to the one a
    little nearer to the camera, so that textures stay sharp. Large discs only close gaps between points:
    lone points and outlines stay fine.
    """
    radius = _radius(ranks)
    core, closing = max(2, min(radius // 2, 4)), 2 * radius
    clearly_before = np.searchsorted(nearness, nearness + np.float32(1.5 * radius), "right").astype(np.int32)
    surface = _splat(ranks, 1)
    for size in sorted({core // 2 + 1, core, radius}):
        grown = _splat(ranks, size)
        before = grown >= clearly_before[surface]
        if size > core:
            before &= surface > 0
        surface = np.where(before, grown, surface)
    grown = _splat(ranks, closing)
    gap = (surface == 0) & ~_splat(grown == 0, closing - core)
    return np.where(gap, grown, surface), radius


def _splat(ranks: np.ndarray, radius: int) -> np.ndarray:
    """Every point as a disc; the highest rank wins."""
    result = ranks.copy()
    row = ranks.copy()
    half = 0
    for dy in range(radius, -1, -1):  # discs are narrow at the top and widest in the middle
        wanted = int(np.sqrt(radius**2 + radius - dy**2))
        while half < wanted:
            half += 1
            np.maximum(row[:, half:], ranks[:, :-half], out=row[:, half:])
            np.maximum(row[:, :-half], ranks[:, half:], out=row[:, :-half])
        if dy:
            np.maximum(result[dy:], row[:-dy], out=result[dy:])
            np.maximum(result[:-dy], row[dy:], out=result[:-dy])
    return np.maximum(result, row)


def _radius(ranks: np.ndarray) -> int:
    """Disc radius in pixels: the smallest cell at which most points lie in filled surroundings."""
    weight = (ranks > 0).astype(np.float32)
    total = float(weight.sum())
    for cell in (1, 2, 4, 8, 16):
        rows, columns = weight.shape
        blocks = _blocks(weight[: rows // 2 * 2, : columns // 2 * 2], 2)
        filled = sum((block > 0).astype(np.uint8) for block in blocks)
        weight = np.sum(blocks, axis=0)
        if weight[filled == 4].sum() > _CLOSED * total:
            return max(2, cell)
    return 6  # a handful of points: no surface to close


def _nearest_of_block(ranks: np.ndarray) -> np.ndarray:
    first, *others = _blocks(ranks)
    nearest = first.copy()
    for block in others:
        np.maximum(nearest, block, out=nearest)
    return nearest


def _blocks(fine: np.ndarray, n: int = _OVERSAMPLING) -> list[np.ndarray]:
    """The n * n views of a picture that hold one pixel of every n x n block each."""
    return [fine[i::n, j::n] for i in range(n) for j in range(n)]


def _shade(steps: np.ndarray, grain: float) -> np.ndarray:
    """Eye-dome lighting: a pixel is darker the more its neighbours stand before it.

    steps: (H, W) float32 nearness in pixels, hugely negative where there is nothing.
    grain: radius of the discs in pixels; rises of that size are the points' own, not shape.
    """
    steps = _smooth(steps, grain)
    hidden = np.zeros_like(steps)
    for step in _SHADING_STEPS:
        bias = np.float32(0.15 * grain / step)
        for dy, dx in _AROUND:
            here, there = _shifted(steps, dy * step, dx * step)
            rise = (there - here) * np.float32(1 / step)
            a, b = _shifted(hidden, dy * step, dx * step)
            a += np.clip(rise - bias, 0, 4)
            b += np.clip(-rise - bias, 0, 4)
    shade = np.exp(hidden * np.float32(-0.03))
    shade[steps < -_NOTHING / 4] = 1
    return shade


def _smooth(steps: np.ndarray, grain: float) -> np.ndarray:
    """Average with neighbours of the same surface; larger rises count as edges and stay."""
    edge = np.float32(2 * grain)
    for step in (max(1, round(grain / 2)), max(1, round(grain))):
        total = np.zeros_like(steps)
        for dy, dx in _AROUND:
            here, there = _shifted(steps, dy * step, dx * step)
            rise = there - here
            rise[np.abs(rise) > edge] = 0
            a, b = _shifted(total, dy * step, dx * step)
            a += rise
            b -= rise
        steps = steps + total / np.float32(2 * len(_AROUND) + 1)
    return steps


def _shifted(image: np.ndarray, dy: int, dx: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views of the picture, the second (dy, dx) further; dy >= 0."""
    rows, columns = image.shape
    if dx >= 0:
        return image[: rows - dy, : columns - dx], image[dy:, dx:]
    return image[: rows - dy, -dx:], image[dy:, : columns + dx]
