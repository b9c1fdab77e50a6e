"""The pictures of a recording: where they were taken, and which of the scan's points each pixel shows."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from scanwise.app.crop import crop_of
from scanwise.app.service.opened import Opened
from scanwise.app.service.problems import not_found
from scanwise.geometry.cameras import occlusion_tolerance, project
from scanwise.geometry.objects import object_at
from scanwise.scene import View

_LONGEST_SIDE = 1280  # pixels, of a picture that is sent
_SEEN_SIDE = 320  # of the raster of points


def view_of(opened: Opened, number: int) -> View:
    """A picture by its number.

    Raises:
        Problem: 404.
    """
    if not 0 <= number < len(opened.scene.views):
        raise not_found("picture")
    return opened.scene.views[number]


def cameras(opened: Opened) -> list[dict[str, Any]]:
    """Where the pictures were taken, in scene coordinates."""
    found = []
    for number in opened.frames:
        view = opened.scene.views[number]
        height, width = view.image_size
        found.append(
            {
                "number": number, "name": view.name or str(number), "width": width, "height": height,
                "intrinsics": np.asarray(view.intrinsics, float).tolist(),
                "camera_to_world": np.asarray(view.camera_to_world, float).tolist(),
            }
        )  # fmt: skip
    return found


def picture(view: View) -> bytes:
    """A picture as JPEG, at most 1280 pixels on its longer side."""
    return encoded(Image.fromarray(view.image), "JPEG")


def encoded(image: Image.Image, kind: str) -> bytes:
    """The bytes of a picture, made smaller where it is large."""
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": 85} if kind == "JPEG" else {}))
    return stream.getvalue()


def points_seen(opened: Opened, number: int) -> tuple[np.ndarray, int, int]:
    """Which point each pixel of a picture shows.

    Args:
        opened: the scan.
        number: of the picture.

    Returns:
        (h * w,) int32 places in the viewer's order, -1 = none; w and h.
    """
    view = view_of(opened, number)
    height, width = view.image_size
    scale = min(1.0, _SEEN_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    points = opened.scene.points[opened.detail.order]
    pixels, z = project(points, view.intrinsics, np.linalg.inv(view.camera_to_world))
    place = np.round((pixels + 0.5) * scale - 0.5).astype(np.int64)
    inside = (z > 0.05) & (place >= 0).all(1) & (place[:, 0] < size[1]) & (place[:, 1] < size[0])
    rows = np.flatnonzero(inside)
    rows = rows[np.argsort(-z[rows], kind="stable")]  # the nearest is written last
    raster = np.full(size, -1, np.int32)
    raster[place[rows, 1], place[rows, 0]] = rows
    return _closed(raster, z).ravel(), size[1], size[0]


def _closed(raster: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Gaps between points filled from beside them, and what shows through surfaces covered by what is before it."""
    far = np.float32(1e9)
    depth = np.where(raster >= 0, z[raster], far).astype(np.float32)
    for _ in range(2):
        best_depth, best = depth.copy(), raster.copy()
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            beside = np.roll(depth, (dy, dx), (0, 1))
            _edge(beside, dy, dx)[...] = far
            nearer = beside < best_depth - np.where(best_depth < far, occlusion_tolerance(best_depth), 0)
            best_depth[nearer] = beside[nearer]
            best[nearer] = np.roll(raster, (dy, dx), (0, 1))[nearer]
        depth, raster = best_depth, best
    return raster


def _edge(array: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The row or column that came round from the other side."""
    if dy:
        return array[0] if dy > 0 else array[-1]
    return array[:, 0] if dx > 0 else array[:, -1]


def crop(opened: Opened, rows: np.ndarray) -> bytes:
    """A close picture of some points, as PNG."""
    place = object_at(opened.scene.points, np.ones(len(opened.scene), np.float32), rows)
    image = Image.fromarray(crop_of(opened.scene, place))
    image.thumbnail((320, 320))
    return encoded(image, "PNG")
