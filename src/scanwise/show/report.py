"""What a person sees of a labelled cloud: `picture.png` and `view.html`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scanwise.files import replacing
from scanwise.show.page import ClassLayer, ColorLayer, Layer, ObjectLayer, ScalarLayer, write_page
from scanwise.show.raster import draw_cloud, rasterise
from scanwise.show.words import word_colors

__all__ = ["UNLABELLED", "draw_cloud", "height_colors", "write_html", "write_picture"]

UNLABELLED = (205, 208, 212)

_PANEL = (880, 660)
_GAP = 24
_PICTURE_WIDTH = 2 * _PANEL[0] + 3 * _GAP
_TITLE_HEIGHT = 64
_CAPTION_HEIGHT = 34
_LEGEND_COLUMNS = 5
_LEGEND_ROWS = 8
_ROW_HEIGHT = 34
_INK, _SOFT_INK = (27, 31, 36), (92, 101, 112)


def height_colors(points: np.ndarray) -> np.ndarray:
    """Soft colours by height for clouds without colour, dark blue (low) to sand (high); (N, 3) uint8."""
    height = np.where(np.isfinite(points[:, 2]), points[:, 2], np.nan)
    if not np.isfinite(height).any():
        return np.full((len(points), 3), 128, np.uint8)
    low, high = np.nanpercentile(height, (2, 98))
    share = np.nan_to_num(np.clip((height - low) / max(high - low, 1e-6), 0, 1))
    stops = np.array([(52, 72, 110), (74, 130, 150), (140, 180, 150), (225, 205, 150), (240, 225, 200)])
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(share, at, stops[:, c]) for c in range(3)], 1).astype(np.uint8)


def write_picture(
    path: str | os.PathLike[str],
    points: np.ndarray,
    colors: np.ndarray | None,
    labels: np.ndarray,
    texts: Sequence[str],
    *,
    title: str,
    normals: np.ndarray | None = None,
) -> None:
    """Write a PNG: the cloud in colour, the same view by label, and a legend with shares underneath.

    Args:
        path: of the PNG.
        points: (N, 3) float32, z up; rows that are not finite are not drawn and not counted.
        colors: (N, 3) uint8; None = coloured by height.
        labels: (N,) int32 index into `texts`, -1 = unlabelled.
        texts: K names.
        title: written above.
        normals: (N, 3) unit, see `draw_cloud`.

    Raises:
        OutputError: the file cannot be written.
    """
    entries = _entries(labels[np.isfinite(points).all(1)], texts)
    legend, columns, more = _legend_layout(entries)
    rows = -(-len(legend) // columns) if legend else 0
    top = _TITLE_HEIGHT + _CAPTION_HEIGHT
    height = top + _PANEL[1] + _GAP + rows * _ROW_HEIGHT + (_ROW_HEIGHT if more else 0) + _GAP
    sheet = Image.new("RGB", (_PICTURE_WIDTH, height), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 18), _shortened(title, report_font(26), _PICTURE_WIDTH - 500), font=report_font(26), fill=_INK)
    subtitle = f"{len(points):,} points · scanwise"
    pen.text((_PICTURE_WIDTH - _GAP, 28), subtitle, font=report_font(16), fill=_SOFT_INK, anchor="ra")
    raster = rasterise(points, size=_PANEL, normals=normals)
    left = ("colour", colors) if colors is not None else ("height", height_colors(points))
    right = ("labels", label_colors(labels, texts))
    for k, (caption, paint) in enumerate((left, right)):
        x = _GAP + k * (_PANEL[0] + _GAP)
        pen.text((x, _TITLE_HEIGHT + 4), caption, font=report_font(16), fill=_SOFT_INK)
        sheet.paste(Image.fromarray(raster.paint(paint)), (x, top))
    _draw_legend(pen, legend, columns, more, top + _PANEL[1] + _GAP)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG", compress_level=3)


def write_html(
    path: str | os.PathLike[str],
    points: np.ndarray,
    colors: np.ndarray | None,
    labels: np.ndarray,
    texts: Sequence[str],
    confidence: np.ndarray | None,
    *,
    title: str,
    normals: np.ndarray | None = None,
    object_of: np.ndarray | None = None,
    objects: Sequence[str] = (),
    max_points: int = 400_000,
) -> None:
    """Write a page that shows the cloud in 3D by colour, label, object and confidence, without any network.

    Args:
        path: of the HTML file.
        points: as of `write_picture`.
        colors: as of `write_picture`.
        labels: as of `write_picture`.
        texts: as of `write_picture`.
        confidence: (N,) float, 0..1; None = no such layer.
        title: of the page.
        normals: (N, 3) unit, see `draw_cloud`.
        object_of: (N,) int32 object of each point, -1 = none; None = no such layer.
        objects: what the page says of each.
        max_points: see `write_page`.

    Raises:
        OutputError: the file cannot be written.
    """
    layers: list[Layer] = []
    if colors is not None:
        layers.append(ColorLayer("colour", colors))
    else:
        layers.append(ColorLayer("height", height_colors(points)))
    layers.append(ClassLayer("labels", labels, texts, word_colors(texts), ("unlabelled", UNLABELLED)))
    if object_of is not None and len(objects):
        layers.append(ObjectLayer("objects", object_of, objects, _words_of(object_of, labels, len(objects))))
    if confidence is not None:
        layers.append(ScalarLayer("confidence", confidence, 0.0, 1.0))
    write_page(path, points, layers, title=title, first="labels", normals=normals, max_points=max_points)


def label_colors(labels: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """(N,) labels -> (N, 3) uint8 of their words; -1 is light grey."""
    table = np.vstack([word_colors(texts), np.array([UNLABELLED], np.uint8)])
    return table[np.where(labels < 0, len(texts), labels)]


def _words_of(object_of: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """(O,) int32 label of each object, that of its last point."""
    words = np.full(count, -1, np.int32)
    inside = object_of >= 0
    words[object_of[inside]] = labels[inside]
    return words


@dataclass(frozen=True)
class _Entry:
    text: str
    share: str
    color: tuple[int, int, int]


def _entries(labels: np.ndarray, texts: Sequence[str]) -> list[_Entry]:
    """Legend rows, the most frequent first, unlabelled last."""
    counts = np.bincount(labels[labels >= 0], minlength=len(texts))
    table = word_colors(texts).tolist()
    order = sorted(range(len(texts)), key=lambda k: (-counts[k], k))
    rows = [_Entry(texts[k], _percent(int(counts[k]), len(labels)), tuple(table[k])) for k in order]
    unlabelled = int((labels < 0).sum())
    if unlabelled:
        rows.append(_Entry("unlabelled", _percent(unlabelled, len(labels)), UNLABELLED))
    return rows


def _percent(count: int, total: int) -> str:
    if count == 0:
        return "0 %"
    share = 100 * count / total
    return "< 0.1 %" if share < 0.1 else f"{share:.1f} %"


def _legend_layout(entries: list[_Entry]) -> tuple[list[_Entry], int, int]:
    """The entries that fit, the number of columns, and how many entries are left out."""
    shown = entries[: _LEGEND_COLUMNS * _LEGEND_ROWS]
    columns = min(_LEGEND_COLUMNS, max(1, len(shown)))
    return shown, columns, len(entries) - len(shown)


def _draw_legend(pen: ImageDraw.ImageDraw, entries: list[_Entry], columns: int, more: int, top: int) -> None:
    width = (_PICTURE_WIDTH - 2 * _GAP) // _LEGEND_COLUMNS
    rows = -(-len(entries) // columns)
    font = report_font(17)
    for k, entry in enumerate(entries):
        x, y = _GAP + k // rows * width, top + k % rows * _ROW_HEIGHT
        pen.rounded_rectangle((x, y + 4, x + 21, y + 25), 5, fill=entry.color)
        share = f"  {entry.share}"
        room = width - 32 - 20 - font.getlength(share)
        name = _shortened(entry.text, font, room)
        pen.text((x + 32, y + 4), name, font=font, fill=_INK)
        pen.text((x + 32 + font.getlength(name), y + 4), share, font=font, fill=_SOFT_INK)
    if more:
        pen.text((_GAP, top + rows * _ROW_HEIGHT + 4), f"+ {more} more", font=font, fill=_SOFT_INK)


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text on one line, cut with an ellipsis where it is wider than `width` pixels."""
    text = " ".join(text[:500].split())
    if font.getlength(text) <= width:
        return text
    fits = 0
    while fits < len(text) and font.getlength(text[: fits + 1].rstrip() + "…") <= width:
        fits += 1
    return text[:fits].rstrip() + "…"


@cache
def report_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans out of matplotlib's data, for its many scripts; found without the slow import."""
    package = find_spec("matplotlib")
    assert package is not None
    assert package.origin is not None
    return ImageFont.truetype(Path(package.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf", size)
