"""Regions of Matterport3D: region_segmentations/regionN.ply, labelled through its faces and category_mapping.tsv."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats import ply
from scanwise.formats.matterport_views import region_views
from scanwise.formats.scannet_labels import read_tsv, to_scannet20
from scanwise.formats.segments import read_objects
from scanwise.scene import Scene

MAPPING = "category_mapping.tsv"


def recognises(path: Path) -> bool:
    """Whether this is regionN.ply with regionN.semseg.json or regionN.fsegs.json beside it."""
    if path.suffix != ".ply" or not path.name.startswith("region"):
        return False
    return path.with_suffix(".semseg.json").is_file() or path.with_suffix(".fsegs.json").is_file()


def read(path: Path) -> Scene:
    """The region's vertices, each with what most of its faces say.

    With category_mapping.tsv in the folder or one of the four above: labels are mpcat40, `classes` its names, and the
    attributes `nyu40` (0 = none) and `scannet20` (-1 = none) hold the other sets. Without it, a warning, and the
    attribute `category` alone. Instances are the objects of .semseg.json, found by .fsegs.json, with a box each. Views
    are the undistorted pictures that were taken in the region, where they lie beside region_segmentations.

    Raises:
        InputError: damaged, or the files do not fit each other.
    """
    cloud = ply.read_vertices(path)
    corners = ply.triangles(cloud, path)
    if corners is None:
        raise InputError(f"{path}: a region needs faces")
    category = cloud.raw.extras.ply.elements["face"].columns.get("category_id")
    if not isinstance(category, np.ndarray):
        raise InputError(f"{path}: its faces have no property category_id; take the ply of region_segmentations")
    views = region_views(path.resolve().parents[1], cloud.points)
    scene = replace(cloud, name=path.stem, raw=None, source_format="", views=views)
    scene = _with_categories(scene, category.astype(np.int64), corners, path)
    return _with_objects(scene, corners, path)


def _of_vertices(values: np.ndarray, corners: np.ndarray, vertices: int) -> np.ndarray:
    """(F,) values of faces -> (V,) the most frequent around each vertex (the smaller of two alike); -1 without one."""
    result = np.full(vertices, -1, np.int64)
    pairs = np.stack([corners.ravel(), np.repeat(values, 3)], axis=1)
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.lexsort((-distinct[:, 1], counts))  # the last write of a vertex stays
    result[distinct[order, 0]] = distinct[order, 1]
    return result


def _with_categories(scene: Scene, of_face: np.ndarray, corners: np.ndarray, path: Path) -> Scene:
    category = _of_vertices(of_face, corners, len(scene))
    scene = replace(scene, attributes=scene.attributes | {"category": category.astype(np.int32)})
    mapping = next((p for place in path.resolve().parents[:5] if (p := place / MAPPING).is_file()), None)
    if mapping is None:
        text = f"{path}: no {MAPPING} in the folders above, so points have category numbers and no classes"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
        return scene
    table = _mapping(mapping)
    rows = np.array([table.get(int(number), (0, 0)) for number in range(int(category.max(initial=0)) + 1)], np.int64)
    known = category > 0
    mpcat40, nyu40 = np.where(known[:, None], rows[np.maximum(category, 0)], 0).T
    names = _names(mapping)
    order = sorted(names)
    labels = np.searchsorted(order, mpcat40)
    columns = {"nyu40": nyu40.astype(np.int32), "scannet20": to_scannet20(nyu40)}
    return replace(
        scene,
        labels=np.where(np.isin(mpcat40, order) & (mpcat40 > 0), labels, -1),
        classes=[names[number] for number in order],
        attributes=scene.attributes | columns,
    )


def _mapping(path: Path) -> dict[int, tuple[int, int]]:
    """Category number -> (mpcat40, nyu40)."""
    try:
        rows = read_tsv(path, ("index", "mpcat40index", "mpcat40", "nyu40id"))
        return {int(row["index"]): (int(row["mpcat40index"] or 0), int(row["nyu40id"] or 0)) for row in rows}
    except ValueError as error:
        raise InputError(f"{path}: {error}; download the file again") from error


def _names(path: Path) -> dict[int, str]:
    rows = read_tsv(path, ("mpcat40index", "mpcat40"))
    return {int(row["mpcat40index"]): row["mpcat40"] for row in rows if row["mpcat40index"].strip() not in ("", "0")}


def _with_objects(scene: Scene, corners: np.ndarray, path: Path) -> Scene:
    groups, segments = path.with_suffix(".semseg.json"), path.with_suffix(".fsegs.json")
    objects = read_objects(groups, segments, len(corners), f"faces of {path.name}")
    if objects is None:
        return scene
    instances = _of_vertices(objects.ids, corners, len(scene)).astype(np.int32)
    return replace(scene, instances=instances, boxes=objects.boxes(scene.points, instances))
