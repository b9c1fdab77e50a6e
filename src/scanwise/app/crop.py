"""A close picture of something in a scene: out of the photograph that shows it best, or drawn from the points."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from scanwise.geometry.cameras import project, visible
from scanwise.geometry.objects import FoundObject
from scanwise.scene import Scene, View
from scanwise.show.raster import draw_cloud

FOUND = np.array([230, 60, 30])
_MOST_POINTS = 2000  # of the thing that are looked for in a picture
_MARGIN, _LEAST = 0.35, 96  # of the thing's size on each side; pixels
_AROUND = 0.8  # metres of surroundings that are drawn
_LOOKED_AT = 8  # photographs whose depth says what hides the thing: those that have most of it in frame
_LEAST_SEEN = 0.05  # share of the thing that a photograph must show


def crop_of(scene: Scene, thing: FoundObject) -> np.ndarray:
    """A picture of a thing.

    Args:
        scene: that it is in.
        thing: its rows are of the scene's points.

    Returns:
        (H, W, 3) uint8 with the thing framed; drawn, where the scene has no photograph that shows it.
    """
    points = scene.points[thing.rows[:: max(1, len(thing.rows) // _MOST_POINTS)]].astype(np.float64)
    framed = [(view, in_frame(view, points)[0]) for view in scene.views]
    framed.sort(key=lambda each: -_worth(each[0], each[1], len(points)))
    seen = [(view, visible_pixels(view, points)) for view, pixels in framed[:_LOOKED_AT] if len(pixels)]
    if not seen:
        return _drawn(scene, thing)
    view, pixels = max(seen, key=lambda each: _worth(each[0], each[1], len(points)))
    return _cut(view, pixels) if len(pixels) >= _LEAST_SEEN * len(points) else _drawn(scene, thing)


def muted(scene: Scene) -> np.ndarray:
    """(N, 3) float colours to paint findings on: the scene's own half washed out, or grey."""
    return np.full((len(scene), 3), 170.0) if scene.colors is None else 0.5 * scene.colors + 90


def _worth(view: View, pixels: np.ndarray, count: int) -> float:
    """Of a picture that shows these pixels (n, 2) of `count` points: their share, times the root of theirs of it."""
    if not len(pixels):
        return 0.0
    extent = np.prod(np.ptp(pixels, axis=0) + 1) / np.prod(view.image_size)
    return len(pixels) / count * float(extent) ** 0.5


def in_frame(view: View, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which points lie in front of a camera and in its picture, hidden or not.

    Args:
        view: of the scene that the points are of.
        points: (m, 3).

    Returns:
        Pixels (n, 2) as (x, y) of those that do, and their rows (n,).
    """
    pixels, z = project(points, view.intrinsics, np.linalg.inv(view.camera_to_world))
    height, width = view.image_size
    rows = np.flatnonzero((z > 0.1) & (pixels >= 0).all(1) & (pixels <= [width - 1, height - 1]).all(1))
    return pixels[rows], rows


def visible_pixels(view: View, points: np.ndarray) -> np.ndarray:
    """Where a view shows points.

    Args:
        view: of the scene that the points are of.
        points: (m, 3).

    Returns:
        Pixels (n, 2) as (x, y) of those that it shows; where it has no depth, of all that are in frame.
    """
    pixels, rows = in_frame(view, points)
    depth = view.depth if len(rows) else None
    if depth is None:
        return pixels
    intrinsics, pose = view.depth_camera((depth.shape[0], depth.shape[1]))
    return pixels[visible(depth, *project(points[rows], intrinsics, np.linalg.inv(pose)))]


def _cut(view: View, pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(view.image)
    low, high = np.percentile(pixels, (1, 99), axis=0)
    pad = np.maximum(_MARGIN * (high - low), (_LEAST - (high - low)) / 2)
    start = np.maximum(low - pad, 0).astype(int)
    end = np.minimum(high + pad + 1, image.size).astype(int)
    frame = [*(low - 2).clip(0), *np.minimum(high + 2, np.array(image.size) - 1)]
    ImageDraw.Draw(image).rectangle([float(value) for value in frame], outline=tuple(FOUND.tolist()), width=2)
    return np.asarray(image.crop((int(start[0]), int(start[1]), int(end[0]), int(end[1]))))


def _drawn(scene: Scene, thing: FoundObject) -> np.ndarray:
    own = scene.points[thing.rows]
    near = ((scene.points >= own.min(0) - _AROUND) & (scene.points <= own.max(0) + _AROUND)).all(1)
    colors = np.full((len(scene), 3), 170.0) if scene.colors is None else scene.colors.astype(float)
    colors[thing.rows] = 0.4 * colors[thing.rows] + 0.6 * FOUND
    normals = None if scene.normals is None else scene.normals[near]
    return draw_cloud(scene.points[near], colors[near].astype(np.uint8), size=(640, 480), normals=normals)
