"""What a person sees of detected boxes: a bird's-eye picture, and a page with the boxes drawn into the cloud."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from scanwise.files import replacing
from scanwise.geometry.box_arrays import EDGES, Boxes
from scanwise.show.page import ClassLayer, ColorLayer, Layer, ObjectLayer, write_page
from scanwise.show.report import UNLABELLED, height_colors
from scanwise.show.words import word_colors

_STEP = 0.06  # metres between the points that an edge is drawn with
_MARGIN = 0.1  # metres around a box within which points are coloured as its own
_SHORTEST = 0.3  # m/s from which a velocity is drawn
_RINGS = 10  # metres


def draw_birds_eye(
    path: str | os.PathLike[str],
    points: np.ndarray,
    boxes: Boxes,
    names: Sequence[str],
    *,
    title: str,
    reach: float,
    truth: Boxes | None = None,
) -> None:
    """Writes a PNG: points from above, boxes with their fronts, velocities and scores.

    Args:
        path: of the PNG.
        points: (N, 3) in the boxes' frame.
        boxes: detected.
        names: K words that their classes point into.
        title: written above.
        reach: metres to each side that are shown.
        truth: true boxes, drawn thin and black; None = not known.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    colors = word_colors(names) / 255
    figure = Figure(figsize=(11, 11.4), layout="constrained")
    axes = figure.subplots()
    shown = np.isfinite(points).all(1) & (np.abs(points[:, :2]) < reach).all(1)
    near = points[shown]
    if len(near):
        low, high = np.percentile(near[:, 2], (5, 97))
        shade = 0.88 - 0.55 * np.clip((near[:, 2] - low) / max(high - low, 1e-6), 0, 1)
        axes.scatter(near[:, 0], near[:, 1], s=0.5, c=shade, cmap="gray", vmin=0, vmax=1, linewidths=0, rasterized=True)
    for radius in range(_RINGS, int(reach) + 1, _RINGS):
        axes.add_patch(Circle((0, 0), radius, fill=False, color="0.85", linewidth=0.7))
        axes.annotate(f"{radius} m", (0, radius), fontsize=7, color="0.6")
    axes.plot(0, 0, marker="+", color="black", markersize=10)
    for group, thin in ((boxes, False), *(() if truth is None else ((truth, True),))):
        for row in range(len(group)):
            color = "black" if thin else colors[int(group.classes[row])]
            _draw_box(axes, group.take(np.array([row])), color, thin)
    counts = np.bincount(boxes.classes, minlength=len(names))
    for index, name in enumerate(names):
        if counts[index]:
            axes.plot([], [], color=colors[index], linewidth=3, label=f"{name} ({counts[index]})")
    if truth is not None:
        axes.plot([], [], color="black", linewidth=0.8, label=f"truth ({len(truth)})")
    if counts.any() or truth is not None:
        axes.legend(loc="upper right", fontsize=9)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="x, metres", ylabel="y, metres")
    axes.set_title(title, fontsize=11)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _draw_box(axes: object, box: Boxes, color: object, thin: bool) -> None:
    floor = box.corners()[0, :4, :2]
    outline = np.vstack([floor, floor[:1]])
    width = 0.8 if thin else 1.6
    axes.plot(outline[:, 0], outline[:, 1], color=color, linewidth=width)  # type: ignore[attr-defined]
    middle = box.centers[0, :2]
    front = (floor[0] + floor[3]) / 2
    axes.plot(*np.stack([middle, front]).T, color=color, linewidth=width)  # type: ignore[attr-defined]
    velocity = box.velocities[0]
    if np.isfinite(velocity).all() and np.linalg.norm(velocity) > _SHORTEST and not thin:
        axes.annotate(  # type: ignore[attr-defined]
            "", middle + velocity / 2, middle, arrowprops={"arrowstyle": "->", "color": color, "linewidth": 1}
        )
    if not thin:
        text = f"{100 * box.scores[0]:.0f}"
        axes.annotate(text, floor.max(0), fontsize=7, color=color, annotation_clip=True)  # type: ignore[attr-defined]


def write_boxes_page(
    path: str | os.PathLike[str],
    points: np.ndarray,
    boxes: Boxes,
    names: Sequence[str],
    texts: Sequence[str],
    *,
    title: str,
) -> None:
    """Writes a page of the cloud in which edges of boxes are drawn as points, and points in them have their colour.

    Args:
        path: of the HTML file.
        points: (N, 3) in the boxes' frame.
        boxes: detected, the surest first.
        names: K words that their classes point into.
        texts: what the page says of each box.
        title: of the page.

    Raises:
        OutputError: the file cannot be written.
    """
    edges, of_edge = _edge_points(boxes)
    box_of = np.full(len(points), -1, np.int32)
    for row, rows in reversed(list(enumerate(boxes.rows_inside(points, _MARGIN)))):
        box_of[rows] = row
    whole, of_all = np.concatenate([points, edges]).astype(np.float32), np.concatenate([box_of, of_edge])
    words = np.where(of_all >= 0, np.append(boxes.classes, -1)[of_all], -1).astype(np.int32)
    used = sorted({int(index) for index in boxes.classes})
    place = np.full(len(names) + 1, -1, np.int32)
    place[used] = np.arange(len(used))
    shown = [names[index] for index in used]
    colors = height_colors(whole)
    colors[len(points) :] = (214, 39, 40)
    layers: list[Layer] = [
        ColorLayer("height", colors),
        ClassLayer("boxes", place[words], shown, word_colors(shown), ("no box", UNLABELLED)),
        ObjectLayer("objects", of_all, list(texts), place[boxes.classes]),
    ]
    shown_layers, first = (layers, "boxes") if len(boxes) else (layers[:1], "height")
    write_page(path, whole, shown_layers, title=title, first=first)


def _edge_points(boxes: Boxes) -> tuple[np.ndarray, np.ndarray]:
    """(E, 3) points along the edges of boxes and a line to each front, and (E,) int32 the box of each."""
    parts, owners = [np.zeros((0, 3))], [np.zeros(0, np.int32)]
    for row, corners in enumerate(boxes.corners()):
        front = (corners[[0, 3]].mean(0), boxes.centers[row] - (0, 0, boxes.sizes[row, 2] / 2))
        for start, end in (*((corners[a], corners[b]) for a, b in EDGES), front):
            steps = max(2, int(np.linalg.norm(end - start) / _STEP))
            parts.append(start + np.linspace(0, 1, steps)[:, None] * (end - start))
            owners.append(np.full(steps, row, np.int32))
    return np.concatenate(parts), np.concatenate(owners)
