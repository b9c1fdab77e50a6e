"""A scene's voxels, which of them are neighbours, and the 2D features lifted onto them: made once, then cached."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from scanwise import cache
from scanwise.geometry.normals import estimate_normals
from scanwise.geometry.voxels import Voxels, voxel_size_for, voxelize
from scanwise.methods.geopurify.lift import Lifted, lift
from scanwise.nn.pooling import affinity, hand_made_embedding, neighbour_table, times
from scanwise.scene import Scene, View, array_digest
from scanwise.vision import Vision

VOXEL = 0.02  # metres
MOST_VOXELS = 400_000
NORMAL_NEIGHBOURS = 24
_GEOMETRY_VERSION, _LIFTED_VERSION = "2", "1"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Geometry:
    """The voxels of a scene's finite points and the tables that pooling needs.

    Attributes:
        content: hash of the scene: part of the key of whatever is cached for it.
        coords: (M, 3) int32 from 0. centres: (M, 3) metres. normals: (M, 3) unit. colors: (M, 3) float32 0..255.
        neighbours: (M, K) int32. weights: (M, K) float32 of the embedding made by hand.
    """

    content: str
    voxels: Voxels
    coords: np.ndarray
    centres: np.ndarray
    normals: np.ndarray
    colors: np.ndarray | None
    neighbours: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.voxels)


@dataclass
class Stopwatch:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - started


def geometry_of(scene: Scene, watch: Stopwatch | None = None) -> Geometry:
    """The geometry of a scene with at least one finite point."""
    watch = watch or Stopwatch()
    finite = scene.finite
    with watch("voxels"):
        points = scene.points[finite]
        voxels = voxelize(points, voxel_size_for(points, VOXEL, MOST_VOXELS))
        centres = voxels.mean(points)
        coords = np.floor((points[voxels.first] - points.min(0)) / voxels.size).astype(np.int32)
        colors = None if scene.colors is None else voxels.mean(scene.colors[finite])
        content = scene.digest()
    with watch("geometry"):
        key = cache.key_of(_GEOMETRY_VERSION, content)
        tables = cache.arrays("geometry", key, lambda: _tables(scene, voxels, centres, colors))
    return Geometry(
        content, voxels, coords, centres, tables["normals"], colors, tables["neighbours"], tables["weights"]
    )


def _tables(scene: Scene, voxels: Voxels, centres: np.ndarray, colors: np.ndarray | None) -> dict[str, np.ndarray]:
    neighbours = neighbour_table(centres)
    if scene.normals is None:
        normals = estimate_normals(centres, neighbours[:, :NORMAL_NEIGHBOURS])
    else:
        normals = voxels.mean(scene.normals[scene.finite])
    weights = affinity(hand_made_embedding(normals, colors), neighbours)
    return {"neighbours": neighbours, "weights": weights.numpy(), "normals": normals}


def lifted_features(
    scene: Scene,
    geometry: Geometry,
    vision: Vision,
    *,
    device: str = "cpu",
    progress: Progress = lambda stage, done: None,
    watch: Stopwatch | None = None,
    keep: bool = True,
) -> Lifted:
    """The features of every voxel, (M, C) float16. Work that was interrupted goes on where it stopped.

    Args:
        keep: put them into the cache, where they take 2 M C bytes.

    Raises:
        InputError: no picture sees the points.
    """
    key = cache.key_of(_LIFTED_VERSION, geometry.content, vision_key(vision))
    found = cache.load_arrays("lifted", key)
    if found is not None:
        return Lifted(found["features"], found["seen"])
    lifted = _lift(scene.views, geometry.centres, vision, key, device, progress, watch or Stopwatch())
    if keep:
        cache.save_arrays("lifted", key, {"features": lifted.features, "seen": lifted.seen})
    return lifted


def projected_features(
    scene: Scene,
    geometry: Geometry,
    vision: Vision,
    matrix: torch.Tensor,
    *,
    device: str = "cpu",
    progress: Progress = lambda stage, done: None,
) -> np.ndarray:
    """The lifted features times a matrix (C, P): (M, P) float32, which is all that is kept in the cache."""
    key = cache.key_of(_LIFTED_VERSION, geometry.content, vision_key(vision), array_digest(matrix.cpu().numpy()))

    def make() -> dict[str, np.ndarray]:
        lifted = lifted_features(scene, geometry, vision, device=device, progress=progress, keep=False)
        return {"values": times(lifted.features, matrix).numpy()}

    return cache.arrays("projected", key, make)["values"]


def vision_key(vision: Vision) -> str:
    """Everything about a 2D model that features depend on."""
    return f"{vision.name} {sorted(vision.model_hashes.items())}"


def _lift(
    views: list[View], centres: np.ndarray, vision: Vision, key: str, device: str, progress: Progress, watch: Stopwatch
) -> Lifted:
    """Features of every view, one file a view so that an interrupted run goes on, and then of every voxel."""
    maps = "maps-" + key
    with watch("2d features"):
        for number, view in enumerate(views):
            progress("2d features", number / len(views))
            _feature_map(vision, view, maps, number)
        progress("2d features", 1.0)
    with watch("lifting"):
        lifted = lift(
            centres,
            views,
            lambda number: torch.from_numpy(np.array(_feature_map(vision, views[number], maps, number))),
            vision.class_scores,
            device=device,
            progress=lambda done: progress("lifting", done),
        )
    shutil.rmtree(cache.cache_dir() / maps, ignore_errors=True)
    return lifted


def _feature_map(vision: Vision, view: View, kind: str, number: int) -> np.ndarray:
    """(C, h, w) float16 features of a view, encoded when they are not in the cache."""
    return cache.arrays(
        kind, f"{number:06d}", lambda: {"features": vision.encode_image(view.image).half().cpu().numpy()}
    )["features"]
