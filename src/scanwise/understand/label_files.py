"""What `label` leaves in a folder: a cloud, tables of its objects, a picture and a page.

labels.ply        the scan with `label`, `confidence` and `object`, in its own format where that can hold them
labels.json       words, counts, and how the work was done
objects.csv       a row an object: word, runner-up, box, area, volume, height; objects.json has the same
objects/          with `split` one cloud an object
picture.png       colour and labels side by side
view.html         3D, without any network
"""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.files import adding_files, replacing_folder, summary_text, take_away, write_text, written_before
from scanwise.formats.las_fields import ASPRS
from scanwise.formats.registry import column_suffixes, write_scene
from scanwise.scene import Scene
from scanwise.show.report import write_html, write_picture
from scanwise.show.words import word_colors
from scanwise.understand.labels import Labels

_AXES = ("x", "y", "z")
_CODES = {
    "ground": ("floor", "ground", "terrain", "soil", "pavement", "sidewalk"),
    "low vegetation": ("grass", "lawn", "low vegetation"),
    "medium vegetation": ("bush", "shrub", "hedge", "medium vegetation"),
    "high vegetation": ("tree", "vegetation", "plant", "high vegetation"),
    "building": ("building", "house", "wall", "roof", "facade"),
    "water": ("water", "river", "lake", "pond"),
    "rail": ("rail", "railway", "track"),
    "road surface": ("road", "street", "road surface"),
    "bridge deck": ("bridge", "bridge deck"),
    "wire conductor": ("wire", "power line", "cable"),
    "transmission tower": ("pylon", "transmission tower"),
}  # words as people write them
_LAS = ("las", "laz")
_WITH_NAMES = ("ply", "npz", *_LAS)  # formats that keep the names of classes


def write_labels(
    labels: Labels,
    folder: Path,
    *,
    split: bool = False,
    las_classes: bool = False,
    painted: bool = False,
    summary: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes the folder; all of it, or nothing. Files that an earlier run left there, and this one has not, go.

    Args:
        labels: of a scene.
        folder: for the results; other files there stay.
        split: also one cloud an object, in objects/.
        las_classes: LAS gets ASPRS codes as its classification; words that have none become "unclassified".
        painted: the points of the cloud have the colour of their word.
        summary: what labels.json says first.

    Returns:
        The files' paths.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    before = written_before(folder / "labels.json")
    suffix = output_suffix(labels.scene)
    with adding_files(folder) as place:
        started = time.perf_counter()
        cloud = labelled_scene(labels, las_classes=las_classes and suffix in _LAS, painted=painted)
        write_scene(cloud, place / f"labels.{suffix}")
        write_text(place / "objects.csv", _table(labels))
        objects = [each.facts() for each in labels.objects]
        write_text(place / "objects.json", summary_text({"scene": labels.scene.name, "objects": objects}))
        write_label_picture(labels, place / "picture.png")
        write_label_page(labels, place / "view.html")
        names = sorted([*(path.name for path in place.iterdir()), "labels.json", *(["objects"] if split else [])])
        facts = dict(labels.facts)
        facts["seconds"] = facts.get("seconds", {}) | {"writing": round(time.perf_counter() - started, 3)}
        counts = {
            "texts": labels.texts,
            "counts": dict(zip(labels.texts, labels.counts, strict=True)),
            "objects": dict(zip(labels.texts, labels.object_counts, strict=True)),
            "unlabelled": int((labels.indices < 0).sum()),
        }
        write_text(place / "labels.json", summary_text(dict(summary or {}) | counts | facts | {"files": names}))
        if split:
            with replacing_folder(folder / "objects") as parts:
                _write_objects(labels, cloud, parts, suffix)
    take_away(folder, [name for name in before if name not in names])
    return [folder / name for name in names]


def labelled_scene(labels: Labels, *, las_classes: bool = False, painted: bool = False) -> Scene:
    """The scan with its labels, confidences and objects as columns; labels that it had become `label_in`.

    Args:
        labels: of the scene.
        las_classes: labels as codes of ASPRS.
        painted: points in the colour of their word.
    """
    scene = labels.scene
    scene = scene.with_columns(label=labels.indices, confidence=labels.confidence, object=labels.object_of)
    if output_suffix(scene) in _WITH_NAMES:
        attributes = dict(scene.attributes)
        del attributes["label"]
        if scene.labels is not None:
            attributes["label_in"] = scene.labels
        scene = replace(scene, attributes=attributes, labels=labels.indices, classes=list(labels.texts))
    if painted:
        colors = word_colors(labels.texts)[np.maximum(labels.indices, 0)]
        scene = replace(scene, colors=np.where(labels.indices[:, None] >= 0, colors, np.uint8(205)))
    if las_classes:
        codes = np.array([*(asprs_code(text) for text in labels.texts), 0])
        scene = replace(scene, labels=codes[labels.indices].astype(np.int32), classes=list(ASPRS))
    return scene


def asprs_code(text: str) -> int:
    """The classification code that a word means; 1, "unclassified", where it means none."""
    word = text.casefold()
    name = next((name for name, words in _CODES.items() if word in words), word)
    return ASPRS.index(name) if name in ASPRS else ASPRS.index("unclassified")


def write_label_picture(labels: Labels, path: Path) -> None:
    """Writes a PNG: the cloud in colour, and by label."""
    scene, shown = labels.scene, labels.scene.finite
    colors, normals = _of(scene.colors, shown), _of(scene.normals, shown)
    write_picture(
        path, scene.points[shown], colors, labels.indices[shown], labels.texts, title=scene.name, normals=normals
    )


def write_label_page(labels: Labels, path: Path) -> None:
    """Writes the page: colour, label, object and confidence of each point."""
    scene, shown = labels.scene, labels.scene.finite
    write_html(
        path, scene.points[shown], _of(scene.colors, shown), labels.indices[shown], labels.texts,
        labels.confidence[shown], title=scene.name, normals=_of(scene.normals, shown),
        object_of=labels.object_of[shown], objects=[_told(each.name, each.confidence, each) for each in labels.objects],
    )  # fmt: skip


def output_suffix(scene: Scene) -> str:
    """The input's own format where it can hold further columns, else ply."""
    return scene.source_format if scene.source_format in column_suffixes() else "ply"


def _told(name: str, confidence: float, each: Any) -> str:
    """What the page says of an object: name, confidence, size."""
    length, width, height = (f"{value:.2f}" for value in each.size)
    return f"{name} · {confidence:.2f} · {length} x {width} x {height} {each.unit}"


def _of(column: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if column is None else column[rows]


def _write_objects(labels: Labels, cloud: Scene, folder: Path, suffix: str) -> None:
    """One cloud an object, named after it."""
    for each in labels.objects:
        name = re.sub(r"[^\w-]+", "-", each.name).strip("-") or f"object-{each.id}"
        target = folder / f"{name}.{suffix}"
        if target.exists():  # words that differ by signs alone
            target = folder / f"{name}-{each.id}.{suffix}"
        write_scene(part_of(cloud, each.place.rows), target)


def part_of(scene: Scene, rows: np.ndarray) -> Scene:
    """Some of a scene's points (n,), without pictures and without the file's own record."""
    attributes = {name: column[rows] for name, column in scene.attributes.items()}
    return replace(
        scene, points=scene.points[rows], colors=_of(scene.colors, rows), normals=_of(scene.normals, rows),
        intensity=_of(scene.intensity, rows), labels=_of(scene.labels, rows), instances=_of(scene.instances, rows),
        source_points=_of(scene.source_points, rows), attributes=attributes, views=[], boxes=[], raw=None,
    )  # fmt: skip


def _table(labels: Labels) -> str:
    """objects.csv: a row an object."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    vectors = ("center", "size", "up")
    singles = (
        "id", "text", "name", "confidence", "runner_up", "runner_up_confidence", "points", "heading", "floor_area",
        "volume", "height_above_floor", "unit",
    )  # fmt: skip
    sides = {"center": _AXES, "size": ("length", "width", "height"), "up": _AXES}
    writer.writerow([*singles, *(f"{name}_{side}" for name in vectors for side in sides[name])])
    for each in labels.objects:
        facts = each.facts()
        writer.writerow([*(facts[name] for name in singles), *(value for name in vectors for value in facts[name])])
    return stream.getvalue()
