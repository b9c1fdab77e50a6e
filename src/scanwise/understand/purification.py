"""How lifted features are cleaned: whose values each voxel takes the mean of."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import numpy as np
import torch

from scanwise import cache
from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.geopurify.features import vision_key
from scanwise.methods.geopurify.model import load_student
from scanwise.nn.pooling import affinity, geometric_weights, pool
from scanwise.training.backbones import weights_digest
from scanwise.training.checkpoints import is_shipped, locate
from scanwise.vision import Vision

DEFAULT_PURIFY = "geometry"
STUDENT = Path("geopurify-rooms")  # the shipped one, by its name
_VERSION = "1"


def check_purify(purify: str | Path | None) -> str:
    """Says how features are to be cleaned: "off", "geometry", or where the student's weights are.

    Raises:
        InputError: none of these.
    """
    purify = str(DEFAULT_PURIFY if purify is None else purify)
    if purify in ("off", "geometry"):
        return purify
    if purify == "learned" and not is_shipped(STUDENT):
        raise InputError(
            "no student is shipped with this version; train one with `scanwise train geopurify` and give its run "
            "in place of learned, or choose geometry"
        )
    path = STUDENT if purify == "learned" else Path(purify)
    with contextlib.suppress(InputError):  # said below
        path = locate(path)
    if not path.is_file():
        raise InputError(
            f"{purify}: no such student; choose off, geometry, learned, or the best.ckpt of a run", option="purify"
        )
    return str(path)


def pooling_weights(
    surface: Surface, features: np.ndarray, vision: Vision | None, purify: str | Path | None, device: str | torch.device
) -> np.ndarray | None:
    """Weights (M, K) over a surface's neighbours; None = no pooling. A student's network is run once for a scene.

    Args:
        surface: M voxels.
        features: (M, C) lifted from the 2D model's; (M, 0) without one.
        vision: the 2D model, None where there are no pictures.
        purify: as `check_purify` takes it.
        device: that a student runs on.

    Raises:
        InputError: the student was trained on features of another 2D model.
    """
    way = check_purify(purify)
    if way in ("off", "geometry"):
        return None if way == "off" else geometric_weights(surface)
    student = load_student(Path(way))
    name, dim = ("", 0) if vision is None else (vision.name, vision.dim)
    if not student.suits(name, dim) and (purify is None or vision is None):
        warnings.warn(
            f"that student does not know features of {name or 'no pictures'}, so labels are cleaned by geometry",
            ScanwiseWarning,
            stacklevel=3,
        )
        return geometric_weights(surface)
    student.check_vision(name, dim, way)
    of_vision = "" if vision is None else vision_key(vision)
    key = cache.key_of(_VERSION, surface.scene.digest(), of_vision, weights_digest(student))

    def make() -> dict[str, np.ndarray]:
        inputs = student.inputs(student.reduce(features), surface.colors, surface.normals)
        embedding = student.to(device).embed(surface.coords, inputs)
        return {"weights": affinity(embedding, np.array(surface.neighbours)).numpy()}

    return cache.arrays("affinity", key, make)["weights"]


def pooled(
    values: torch.Tensor, surface: Surface, weights: np.ndarray | None, device: str | torch.device
) -> torch.Tensor:
    """Values (M, C) pooled by weights (M, K), as they are where there are none."""
    if weights is None:
        return values
    weighed = torch.from_numpy(np.array(weights)).to(device)
    return pool(values.to(device), np.array(surface.neighbours), weighed).cpu()
