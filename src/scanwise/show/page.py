"""One self-contained HTML page that shows a cloud in 3D: viewer.html and viewer.js with the data inside."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from scanwise.files import write_text
from scanwise.show.raster import best_view, ceiling_cut, oriented


@dataclass(frozen=True, eq=False)
class ColorLayer:
    """Points in their own colours.

    Attributes:
        name: on the layer's button.
        rgb: (N, 3) uint8.
    """

    name: str
    rgb: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassLayer:
    """Points in the colour of their class, with a legend that hides and shows classes.

    Attributes:
        name: on the layer's button.
        indices: (N,) int row of `texts`, -1 = none of them.
        texts: K names.
        colors: (K, 3) uint8.
        none: (text, colour) of -1.
    """

    name: str
    indices: np.ndarray
    texts: Sequence[str]
    colors: np.ndarray
    none: tuple[str, tuple[int, int, int]]


@dataclass(frozen=True, eq=False)
class ObjectLayer:
    """Points in a colour of their object; the page says what is under the pointer, and a click shows it alone.

    Attributes:
        name: on the layer's button.
        indices: (N,) int object of each point, -1 = none.
        texts: O lines, what the page says of each object.
        words: (O,) int row of the class layer's texts.
    """

    name: str
    indices: np.ndarray
    texts: Sequence[str]
    words: np.ndarray


@dataclass(frozen=True, eq=False)
class ScalarLayer:
    """Points on a colour ramp.

    Attributes:
        name: on the layer's button.
        values: (N,) float; NaN is drawn as `low`.
        low: value at the ramp's start.
        high: value at its end.
    """

    name: str
    values: np.ndarray
    low: float
    high: float


Layer = ColorLayer | ClassLayer | ObjectLayer | ScalarLayer


def write_page(
    path: str | os.PathLike[str],
    points: np.ndarray,
    layers: Sequence[Layer],
    *,
    title: str,
    first: str,
    normals: np.ndarray | None = None,
    max_points: int = 400_000,
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        points: (N, 3) float, z up; rows that are not finite are left out.
        layers: what the buttons switch between; the first `ClassLayer` has the legend.
        title: of the page.
        first: name of the layer that is shown at the start.
        normals: (N, 3) unit, towards the side that was seen: the page looks through backs of walls.
        max_points: a larger cloud is thinned at random (always the same way), and the page says so.

    Raises:
        OutputError: the file cannot be written.
    """
    finite = np.flatnonzero(np.isfinite(points).all(1))
    rows = finite
    if len(finite) > max_points:
        rows = np.sort(np.random.default_rng(0).choice(finite, max_points, replace=False))
    about = f"{len(finite):,} points"
    if len(rows) < len(finite):
        about += f" ({len(rows):,} of them shown)"
    data = _geometry(points[rows].astype(np.float32), None if normals is None else normals[rows])
    data |= {"first": first, "layers": [_encode(layer, finite, rows) for layer in layers]}
    fields = {
        "title": html.escape(title),
        "about": html.escape(about + " · made with scanwise"),
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": _asset("viewer.js"),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: fields[match[1]], _asset("viewer.html"))
    write_text(path, page)


def _asset(name: str) -> str:
    return (files("scanwise.show") / name).read_text(encoding="utf-8")


def _geometry(points: np.ndarray, normals: np.ndarray | None) -> dict[str, Any]:
    """Points as uint16 of their bounding box, normals as int8, and where the camera starts."""
    if not len(points):
        points = np.zeros((0, 3), np.float32)
        box = middle = np.array([[0, 0, 0], [1, 1, 1]], np.float64)
    else:
        box = np.stack([points.min(0), points.max(0)]).astype(np.float64)
        middle = np.percentile(points[:: max(1, len(points) // 50_000)], (2, 98), axis=0)
    extent = np.maximum(box[1] - box[0], 1e-3)
    grid = ((points - box[0]) / extent * 65535 + 0.5).astype("<u2")
    facing = oriented(points, normals) if normals is not None and len(points) else None
    cut = ceiling_cut(points) if facing is None and len(points) else None
    azimuth, elevation = best_view(points, facing, 1.4) if len(points) else (45.0, 35.0)
    if cut is not None:
        elevation = 52.0  # into the room over walls that stay
    return {
        "origin": box[0].tolist(),
        "extent": extent.tolist(),
        "reach": float(np.linalg.norm(extent)),
        "center": middle.mean(0).tolist(),
        "spacing": _spacing(grid, extent),
        "cut": 0.0 if cut is None else float(1 - (cut - box[0][2]) / extent[2]),
        "view": (azimuth, elevation),
        "points": _base64(grid),
        "normals": None if facing is None else _base64((np.clip(facing, -1, 1) * 127).astype(np.int8)),
    }


def _spacing(grid: np.ndarray, extent: np.ndarray) -> float:
    """Typical distance in metres between neighbours: the square root of area by points."""
    if len(grid) < 2:
        return float(extent.max()) / 20
    cell = float(extent.max()) / 128
    steps = (grid * (extent / 65535 / cell)).astype(np.int32)
    cells = len(np.unique((steps[:, 0] * 129 + steps[:, 1]) * 129 + steps[:, 2]))
    return float(cell * np.sqrt(cells / len(grid)))


def _encode(layer: Layer, finite: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """What the page is told about a layer; counts are those of all finite points, drawn or not."""
    if isinstance(layer, ColorLayer):
        return {"kind": "rgb", "name": layer.name, "data": _base64(layer.rgb[rows].astype(np.uint8))}
    if isinstance(layer, ScalarLayer):
        share = (layer.values[rows] - layer.low) / max(layer.high - layer.low, 1e-12)
        levels = (np.clip(np.nan_to_num(share), 0, 1) * 255 + 0.5).astype(np.uint8)
        ends = {"low": float(layer.low), "high": float(layer.high)}
        return {"kind": "scalar", "name": layer.name, "data": _base64(levels), **ends}
    if isinstance(layer, ObjectLayer):
        numbers = np.where(layer.indices < 0, len(layer.texts), layer.indices)[rows].astype("<u4")
        words = np.asarray(layer.words).tolist()
        return {
            "kind": "objects",
            "name": layer.name,
            "data": _base64(numbers),
            "texts": [*layer.texts],
            "words": words,
        }
    last = len(layer.texts)  # -1 becomes one more class, so that it can be hidden too
    indices = np.where(layer.indices < 0, last, layer.indices)
    counts = np.bincount(indices[finite], minlength=last + 1)
    names = [*layer.texts, layer.none[0]]
    colors = [*np.asarray(layer.colors).tolist(), list(layer.none[1])]
    items = [
        {"text": text, "color": color, "count": int(count)}
        for text, color, count in zip(names, colors, counts, strict=True)
    ]
    order = sorted(range(last), key=lambda k: (-counts[k], k)) + ([last] if counts[last] else [])
    bits = 8 if last < 256 else 16
    data = _base64(indices[rows].astype(f"<u{bits // 8}"))
    return {"kind": "classes", "name": layer.name, "items": items, "order": order, "bits": bits, "data": data}


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
