"""2D features lifted onto the voxels of a scene: made once, then cached."""

from __future__ import annotations

import shutil

import numpy as np
import torch

from scanwise import cache
from scanwise.data.surface import Surface
from scanwise.methods.geopurify.lift import Lifted, lift
from scanwise.nn.pooling import chunked_matmul
from scanwise.progress import Progress, Stopwatch, silent
from scanwise.scene import View, array_digest
from scanwise.vision import Vision

_VERSION = "1"


def lifted_features(
    surface: Surface,
    vision: Vision,
    *,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
    watch: Stopwatch | None = None,
    keep: bool = True,
) -> Lifted:
    """The features of every voxel, (M, C) float16. Work that was interrupted goes on where it stopped.

    Args:
        surface: of a scene with views.
        vision: 2D model that encodes the views.
        device: that features are lifted on.
        progress: told the share of "2d features" and of "lifting" that is done.
        watch: of the seconds spent.
        keep: put them into the cache, where they take 2 M C bytes.

    Raises:
        InputError: no picture sees the points.
    """
    key = cache.key_of(_VERSION, surface.scene.digest(), vision_key(vision))
    found = cache.load_arrays("lifted", key)
    if found is not None:
        return Lifted(found["features"], found["seen"])
    lifted = _lift(surface.scene.views, surface.centers, vision, key, device, progress, watch or Stopwatch())
    if keep:
        cache.save_arrays("lifted", key, {"features": lifted.features, "seen": lifted.seen})
    return lifted


def projected_features(
    surface: Surface,
    vision: Vision,
    matrix: torch.Tensor,
    *,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
) -> np.ndarray:
    """The lifted features times a matrix, which is all that is kept in the cache.

    Args:
        surface: as of `lifted_features`.
        vision: as of `lifted_features`.
        matrix: (C, P).
        device: as of `lifted_features`.
        progress: as of `lifted_features`.

    Returns:
        (M, P) float32.
    """
    key = cache.key_of(_VERSION, surface.scene.digest(), vision_key(vision), array_digest(matrix.cpu().numpy()))

    def make() -> dict[str, np.ndarray]:
        lifted = lifted_features(surface, vision, device=device, progress=progress, keep=False)
        return {"values": chunked_matmul(lifted.features, matrix).numpy()}

    return cache.arrays("projected", key, make)["values"]


def vision_key(vision: Vision) -> str:
    """Everything about a 2D model that features depend on."""
    return f"{vision.name} {sorted(vision.model_hashes.items())}"


def _lift(
    views: list[View],
    centers: np.ndarray,
    vision: Vision,
    key: str,
    device: str | torch.device,
    progress: Progress,
    watch: Stopwatch,
) -> Lifted:
    """Features of every view, one file a view so that an interrupted run goes on, and then of every voxel."""
    maps = "maps-" + key
    with watch("2d features"):
        features = []  # held, as other processes may clear the cache
        for number, view in enumerate(views):
            progress("2d features", number / len(views))
            features.append(_feature_map(vision, view, maps, number))
        progress("2d features", 1.0)
    with watch("lifting"):
        lifted = lift(
            centers,
            views,
            lambda number: torch.from_numpy(np.array(features[number])),
            vision.class_scores,
            device=device,
            progress=lambda done: progress("lifting", done),
        )
    shutil.rmtree(cache.cache_dir() / maps, ignore_errors=True)
    return lifted


def _feature_map(vision: Vision, view: View, kind: str, number: int) -> np.ndarray:
    """(C, h, w) float16 features of a view, encoded when they are not in the cache; on disk where they can be kept."""
    key = f"{number:06d}"
    found = cache.arrays(kind, key, lambda: {"features": vision.encode_image(view.image).half().cpu().numpy()})
    return (cache.load_arrays(kind, key) or found)["features"]
