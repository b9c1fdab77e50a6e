"""What is in a scan, in words."""

from __future__ import annotations

import numpy as np

from scanwise.geometry.extents import without_strays
from scanwise.scene import Scene


def describe(scene: Scene) -> str:
    """A table of a scene's points, extent, columns and pictures."""
    rows = [("name", scene.name), ("format", scene.source_format or "recording"), ("points", _points(scene))]
    near = without_strays(scene)
    finite = near.points[near.finite]
    if len(finite):
        low, high = finite.min(0), finite.max(0)
        rows.append(("extent", " x ".join(f"{side:.2f}" for side in high - low) + " m"))
    rows += [
        ("colours", _has(scene.colors)),
        ("normals", _has(scene.normals)),
        ("intensity", _has(scene.intensity)),
        ("labels", _labels(scene)),
        ("instances", _instances(scene)),
        ("pictures", _views(scene)),
        ("other columns", ", ".join(scene.attributes) or "none"),
    ]
    if scene.sentences:
        rows.append(("sentences", str(len(scene.sentences))))
    if not np.array_equal(scene.to_source, np.eye(4)):
        rows.append(("frame", "turned or shifted inside; outputs are in the source's own frame"))
    width = max(len(key) for key, _ in rows)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in rows)


def _points(scene: Scene) -> str:
    odd = len(scene) - int(scene.finite.sum())
    return f"{len(scene):,}" + (f", of which {odd:,} not finite" if odd else "")


def _has(column: np.ndarray | None) -> str:
    return "no" if column is None else "yes"


def _labels(scene: Scene) -> str:
    if scene.labels is None:
        return "no"
    values, counts = np.unique(scene.labels, return_counts=True)
    order = np.argsort(-counts)[:12]
    named = [f"{_class_name(scene, int(values[row]))} {counts[row]:,}" for row in order]
    return ", ".join(named) + (f", and {len(values) - 12} more" if len(values) > 12 else "")


def _class_name(scene: Scene, value: int) -> str:
    if value < 0:
        return "unlabelled"
    return scene.classes[value] if scene.classes and value < len(scene.classes) else str(value)


def _instances(scene: Scene) -> str:
    return "no" if scene.instances is None else f"{len(np.unique(scene.instances[scene.instances >= 0])):,}"


def _views(scene: Scene) -> str:
    if not scene.views:
        return "none"
    first = scene.views[0]
    height, width = first.image_size
    depth = "without depth"
    if first.depth_raster is not None:
        rows, columns = first.depth_raster.size()
        depth = f"depth {columns}x{rows}"
    return f"{len(scene.views):,} of {width}x{height}, {depth}"
