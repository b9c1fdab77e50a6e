"""What a person means by a click, a stroke or a lasso: masks of a scan's points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scanwise.app.service.masks import mask_of
from scanwise.app.service.problems import Problem
from scanwise.geometry.cameras import transform_points
from scanwise.geometry.selection import in_lasso, select_box, select_clicks

if TYPE_CHECKING:
    from scanwise.app.service.opened import Opened
    from scanwise.understand.labels import Labels

_CELL = 4.0  # pixels within which the nearest point hides others
_BEHIND = 0.02  # share of the distance, and metres, that a point may lie behind another and be seen


def selected(opened: Opened, labels: Labels | None, wanted: dict[str, Any]) -> np.ndarray:
    """The mask (N,) of a selection.

    Args:
        opened: the scan.
        labels: with corrections; None = there are none yet, so there are no things.
        wanted: as of `models.Selection`.

    Raises:
        Problem: 422, it cannot be understood.
        InputError: nothing is there.
    """
    from scanwise.understand import editing

    kind, surface = wanted["kind"], opened.prepared.surface
    if kind == "thing":
        row = row_of(opened, wanted["at"])
        if labels is None:
            return select_clicks(opened.scene, opened.scene.points_in_source()[[row]])
        return editing.thing_at(labels, row)
    if kind == "object":
        if labels is None or not 0 <= wanted["object"] < len(labels.objects):
            raise Problem("no such thing", 422, "thing")
        return labels.object_of == wanted["object"]
    if kind == "click":
        return select_clicks(opened.scene, _points(wanted["points"]), reach=wanted["radius"] or 1.5)
    if kind == "brush":
        return editing.brush(opened.scene, _points(wanted["points"]), wanted["radius"] or 0.05)
    if kind == "box":
        corners = _points(wanted["points"])
        if len(corners) != 2:
            raise Problem("points: a box has two opposite corners", 422)
        return select_box(opened.scene, corners[0].tolist(), corners[1].tolist())
    if kind == "screen":
        return on_screen(opened.scene.points, wanted["screen"])
    mask = mask_of(wanted["mask"] or {}, len(opened.scene), opened.detail.order)
    if kind == "mask":
        return mask
    change = editing.grow if kind == "grow" else editing.shrink
    return change(surface, mask, wanted["steps"])


def row_of(opened: Opened, at: dict[str, Any] | None) -> int:
    """The row of a point that is named in the viewer's order or the file's.

    Raises:
        Problem: 422, there is none.
    """
    if at is None:
        raise Problem("at: which point was clicked", 422)
    length = len(opened.detail.order) if at["order"] == "view" else len(opened.scene)
    if not 0 <= at["point"] < length:
        raise Problem(f"at: the scan has points 0 to {length - 1}", 422)
    return int(opened.detail.order[at["point"]]) if at["order"] == "view" else int(at["point"])


def on_screen(points: np.ndarray, screen: dict[str, Any] | None) -> np.ndarray:
    """The points inside a lasso that was drawn on the screen.

    Args:
        points: (N, 3).
        screen: "polygon" (k, 2) in pixels; the camera: "eye" (3,), "right", "up", "back" (3,) unit, "focal" in
            pixels, "center" (2,) in pixels; "low" and "high" (3,) of the box that is shown; "through": also what
            lies behind.

    Raises:
        Problem: 422, there is no lasso.
        InputError: nothing is inside.
    """
    if screen is None:
        raise Problem("screen: the lasso and the camera", 422)
    finite = np.flatnonzero(np.isfinite(points).all(1))
    shown = points[finite].astype(np.float64)
    inside = (shown >= screen["low"]).all(1) & (shown <= screen["high"]).all(1)
    finite, shown = finite[inside], shown[inside]
    local = (shown - screen["eye"]) @ np.array([screen["right"], screen["up"], screen["back"]], float).T
    depth = -local[:, 2]
    front = depth > 1e-3
    finite, local, depth = finite[front], local[front], depth[front]
    pixels = local[:, :2] * [1.0, -1.0] * (screen["focal"] / depth)[:, None] + screen["center"]
    chosen = in_lasso(pixels, np.array(screen["polygon"], float))
    if not screen["through"]:
        low = np.min(screen["polygon"], axis=0)
        near = ((pixels >= low - _CELL) & (pixels <= np.max(screen["polygon"], axis=0) + _CELL)).all(1)
        rows = np.flatnonzero(near)
        chosen[rows] &= _seen(pixels[rows] - low + 2 * _CELL, depth[rows])
    mask = np.zeros(len(points), bool)
    mask[finite[chosen]] = True
    return mask


def _seen(pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which points (n,) are not behind others of the same cell of the screen."""
    if not len(depth):
        return np.zeros(0, bool)
    cells = (pixels / _CELL).astype(np.int64).clip(0)
    cell = cells[:, 1] * (int(cells[:, 0].max()) + 1) + cells[:, 0]
    nearest = np.full(int(cell.max()) + 1, np.inf)
    np.minimum.at(nearest, cell, depth)
    return depth <= nearest[cell] * (1 + _BEHIND) + _BEHIND


def _points(value: Any) -> np.ndarray:
    points = np.asarray(value if value is not None else [], float)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
        raise Problem("points: x, y, z of at least one, in the scan's own frame", 422)
    return points


def point_facts(opened: Opened, row: int) -> dict[str, Any]:
    """A point as the scan's file has it."""
    scene = opened.scene
    source = np.asarray(scene.points_in_source()[row], float).tolist()
    color = None if scene.colors is None else scene.colors[row].tolist()
    inside = transform_points(np.array([source]), np.linalg.inv(scene.to_source))[0].tolist()
    return {"row": row, "source": source, "inside": inside, "color": color, "unit": opened.facts["unit"]}
