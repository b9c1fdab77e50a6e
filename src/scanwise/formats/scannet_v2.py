"""A scene folder of ScanNet v2: the cleaned mesh with its labels, instances, axis alignment and frames."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.formats import ply, scannet, scannet_sens
from scanwise.formats.scannet_labels import SCANNET_20, read_scannet200, to_scannet20
from scanwise.formats.segments import read_objects
from scanwise.scene import Scene, View

_MESH = re.compile(r"scene\d{4}_\d{2}_vh_clean_2\.ply")


def recognises(path: Path) -> bool:
    """Whether sceneXXXX_YY_vh_clean_2.ply is in the folder."""
    return _mesh(path) is not None


def read(path: Path) -> Scene:
    """The scene, axis-aligned where its .txt says how; `to_source` leads back to the mesh's own frame.

    Labels are ScanNet-20; the attribute `nyu40` keeps the ids of the file, and `scannet200` those of ScanNet-200 (0 =
    none of them) where scannetv2-labels.combined.tsv lies in the folder or up to two above. Instances keep the `id` of
    the aggregation, and a box each under its raw category. Views come from exported frames, else from the .sens
    stream. A part that is not there, as labels in the hidden test set, is left out.

    Raises:
        InputError: a part is damaged, or does not have one entry for each vertex of the mesh.
    """
    mesh = _mesh(path)
    assert mesh is not None, "callers ask `recognises` first"
    stem = mesh.name.removesuffix("_vh_clean_2.ply")
    cloud = ply.read_vertices(mesh)
    alignment = _alignment(path / f"{stem}.txt")
    normals = cloud.normals if cloud.normals is not None else _face_normals(cloud, mesh)
    scene = Scene(
        cloud.points @ alignment[:3, :3].T + alignment[:3, 3],
        cloud.colors,
        None if normals is None else normals @ alignment[:3, :3].T,
        views=[view.moved(alignment) for view in _views(path, stem)],
        name=stem,
        to_source=np.linalg.inv(alignment) @ cloud.to_source,
        source_points=cloud.points_in_source(),
    )
    return _with_instances(_with_labels(scene, path / f"{stem}_vh_clean_2.labels.ply"), path, stem)


def _mesh(path: Path) -> Path | None:
    return next((entry for entry in sorted(path.glob("scene*_vh_clean_2.ply")) if _MESH.fullmatch(entry.name)), None)


def _alignment(path: Path) -> np.ndarray:
    """(4, 4) of the line `axisAlignment = ...`; the identity without file or line (the hidden test set)."""
    if not path.is_file():
        return np.eye(4)
    for line in read_bytes(path).decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "axisAlignment":
            try:
                matrix = np.array([float(word) for word in value.split()]).reshape(4, 4)
                invertible = np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-6
            except ValueError:
                invertible = False
            if not invertible:
                raise InputError(f"{path}: axisAlignment must be the 16 numbers of an invertible matrix")
            return matrix
    return np.eye(4)


def _face_normals(cloud: Scene, path: Path) -> np.ndarray | None:
    """(N, 3) unit normals of vertices, weighted by the area of the triangles around; None without faces."""
    faces = ply.triangles(cloud, path)
    if faces is None or not len(faces):
        return None
    corners = cloud.points[faces].astype(np.float64)
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((len(cloud), 3))
    for axis in range(3):
        total[:, axis] = np.bincount(faces.ravel(), np.repeat(area[:, axis], 3), len(cloud))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return (total / np.where(length > 0, length, 1)).astype(np.float32)


def _views(path: Path, stem: str) -> list[View]:
    if scannet.recognises(path):
        return scannet.load(path).views
    stream = path / f"{stem}.sens"
    return scannet_sens.read_views(stream) if stream.is_file() else []


def _with_labels(scene: Scene, path: Path) -> Scene:
    if not path.is_file():
        return scene
    labelled = ply.read_vertices(path)
    if labelled.labels is None:
        raise InputError(f"{path}: its vertices have no property label")
    if len(labelled) != len(scene):
        raise InputError(f"{path}: {len(labelled)} vertices, the mesh beside it has {len(scene)}; download both again")
    return replace(
        scene,
        labels=to_scannet20(labelled.labels),
        classes=list(SCANNET_20),
        attributes=scene.attributes | {"nyu40": labelled.labels},
    )


def _with_instances(scene: Scene, path: Path, stem: str) -> Scene:
    aggregation = path / f"{stem}.aggregation.json"  # `_vh_clean.aggregation.json` is of another mesh
    segments = path / f"{stem}_vh_clean_2.0.010000.segs.json"
    objects = read_objects(aggregation, segments, len(scene), "vertices of the mesh")
    if objects is None:
        return scene
    scene = replace(scene, instances=objects.ids, boxes=objects.boxes(scene.points, objects.ids))
    scannet200 = read_scannet200(path)
    if scannet200 is None:
        return scene
    fine = np.zeros(len(scene), np.int32)
    for number, name in objects.named:
        fine[objects.ids == number] = scannet200.get(name, 0)
    return replace(scene, attributes=scene.attributes | {"scannet200": fine})
