"""A scene made ready once, and then asked as often as one likes."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from scanwise import cache
from scanwise.data.normals import estimate_normals
from scanwise.data.voxels import Voxels, voxel_size_for, voxelize
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.lift import lift
from scanwise.methods.geopurify import affinity, hand_made_embedding, neighbour_table, pool
from scanwise.scene import Scene, View
from scanwise.vision import Vision, load_vision

VOXEL = 0.02  # metres
MOST_VOXELS = 400_000
NORMAL_NEIGHBOURS = 24
LONGEST_TEXT = 500  # characters
MOST_TEXTS = 1000
_CACHE_VERSION = "1"

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Labels:
    """The answer of `label`.

    Attributes:
        indices: (N,) int32 row of `texts`; -1 for points without finite coordinates.
        scores: (N, K) float32, each row sums to 1 (0 for points without finite coordinates).
        texts: the K texts, duplicates removed, in the order given.
    """

    indices: np.ndarray
    scores: np.ndarray
    texts: list[str]

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32 score of the chosen text, 0..1."""
        return self.scores.max(1)


@dataclass
class Prepared:
    """A scene's geometry tables and lifted features; made by `prepare`.

    Attributes:
        scene: what was prepared. vision: the 2D model that texts are embedded with.
        voxels: of the finite points. seen: (M,) bool, voxels that a view saw.
        seconds: stage -> seconds spent, of preparing and of the latest `label`.
    """

    scene: Scene
    vision: Vision
    voxels: Voxels
    features: np.ndarray
    seen: np.ndarray
    neighbours: np.ndarray
    weights: np.ndarray
    device: str = "cpu"
    seconds: dict[str, float] = field(default_factory=dict)

    def label(self, texts: Sequence[str]) -> Labels:
        """Labels every point with the likeliest of the texts.

        Raises:
            InputError: no text, an empty one, or one longer than 500 characters.
        """
        names = check_texts(texts)
        with self._timed("texts"):
            embeddings = self.vision.encode_texts(names)
        with self._timed("pooling"):
            scores = self._text_scores(embeddings).to(self.device)
            weights = torch.from_numpy(np.array(self.weights)).to(self.device)
            pooled = pool(scores, np.array(self.neighbours), weights).cpu()
        finite = self.scene.finite
        indices = np.full(len(self.scene), -1, np.int32)
        scores_of_points = np.zeros((len(self.scene), len(names)), np.float32)
        indices[finite] = pooled.argmax(1).numpy()[self.voxels.of_point]
        scores_of_points[finite] = pooled.softmax(1).numpy()[self.voxels.of_point]
        return Labels(indices, scores_of_points, names)

    def _text_scores(self, embeddings: torch.Tensor) -> torch.Tensor:
        """(M, K) logits of the lifted features against (K, C) embeddings."""
        scores = torch.empty(len(self.features), len(embeddings))
        for start in range(0, len(self.features), 1 << 14):
            rows = slice(start, start + (1 << 14))
            scores[rows] = torch.from_numpy(self.features[rows].astype(np.float32)) @ embeddings.T
        return scores * self.vision.scale

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - started


def prepare(
    scene: Scene,
    *,
    vision: Vision | str | None = None,
    device: str | None = None,
    progress: Progress = lambda stage, done: None,
) -> Prepared:
    """Makes a scene ready for `label`: lifts the features of its pictures and builds its geometry tables.

    Both are kept in the cache under the content of the scene and the model, so the second time is fast. Work
    that was interrupted goes on where it stopped.

    Args:
        vision: a model, or its name for `scanwise.vision.load_vision`; None = the default.
        device: a torch device; None = CUDA where there is one, else the CPU.
        progress: told (stage, share done 0..1) while it works.

    Raises:
        InputError: the scene has no finite point or no picture, or no picture sees the points.
    """
    model = load_vision(vision) if vision is None or isinstance(vision, str) else vision
    device = check_device(device)
    finite = scene.finite
    if not finite.any():
        raise InputError(f"{scene.name}: no point with finite coordinates in it")
    if not scene.views:
        raise InputError(
            f"{scene.name}: a cloud without pictures cannot be labelled by words yet; give the recording's folder "
            "(pictures, poses, intrinsics) instead, see `scanwise label --help`"
        )
    if scene.colors is None:
        warnings.warn(
            "no colours: labels are smoothed by shape alone and may run across flush surfaces",
            ScanwiseWarning,
            stacklevel=2,
        )
    prepared = Prepared(scene, model, *_empty(), device=device)
    with prepared._timed("voxels"):
        points = scene.points[finite]
        prepared.voxels = voxelize(points, voxel_size_for(points, VOXEL, MOST_VOXELS))
        centres = prepared.voxels.mean(points)
        content = scene.digest()
    with prepared._timed("geometry"):
        shape = cache.key_of(_CACHE_VERSION, content)
        tables = cache.arrays("geometry", shape, lambda: _geometry(scene, prepared.voxels, centres))
        prepared.neighbours, prepared.weights = tables["neighbours"], tables["weights"]
    key = cache.key_of(_CACHE_VERSION, content, model.name, str(sorted(model.model_hashes.items())))
    lifted = cache.load_arrays("lifted", key)
    if lifted is None:
        lifted = _lift(prepared, centres, key, progress)
        cache.save_arrays("lifted", key, lifted)
    prepared.features, prepared.seen = lifted["features"], lifted["seen"]
    return prepared


def label(
    scene: Scene, texts: Sequence[str], *, vision: Vision | str | None = None, device: str | None = None
) -> Labels:
    """Labels every point of a scene with the likeliest of the texts: `prepare(scene).label(texts)`."""
    check_texts(texts)
    return prepare(scene, vision=vision, device=device).label(texts)


def check_device(name: str | None) -> str:
    """The torch device of this name; None = CUDA where there is one, else the CPU.

    Raises:
        InputError: there is no such device on this machine.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise InputError(f"device {name!r} is not to be had here ({str(error).splitlines()[0]}); try cpu") from error
    return name


def check_texts(texts: Sequence[str]) -> list[str]:
    """The texts, trimmed and without duplicates.

    Raises:
        InputError: no text, more than 1000, an empty one, or one longer than 500 characters.
    """
    if isinstance(texts, str):
        raise InputError(f'texts must be a list such as ["chair", "table"], not one string ({texts[:40]!r})')
    trimmed = [" ".join(text.split()) for text in texts]
    if not trimmed or len(trimmed) > MOST_TEXTS:
        raise InputError(f"give 1 to {MOST_TEXTS} texts, not {len(trimmed)}")
    for place, text in enumerate(trimmed, 1):
        if not text:
            raise InputError(f"text {place} of {len(trimmed)} is empty")
        if len(text) > LONGEST_TEXT:
            raise InputError(
                f'text {place} ("{text[:30]}...") has {len(text)} characters; at most {LONGEST_TEXT} are read'
            )
    unique = list(dict.fromkeys(trimmed))
    if len(unique) < len(trimmed):
        repeated = sorted({text for text in trimmed if trimmed.count(text) > 1})
        warnings.warn(f"given more than once, used once: {', '.join(repeated)}", ScanwiseWarning, stacklevel=3)
    if len(unique) == 1:
        warnings.warn(
            f'with "{unique[0]}" as the only text, every point gets it; add what else is there, such as wall,floor',
            ScanwiseWarning,
            stacklevel=3,
        )
    return unique


def _empty() -> tuple[Voxels, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    nothing = np.zeros((0, 0), np.float32)
    return Voxels(nothing, nothing, VOXEL), nothing, nothing, nothing, nothing


def _geometry(scene: Scene, voxels: Voxels, centres: np.ndarray) -> dict[str, np.ndarray]:
    """Neighbours (M, K) and pooling weights (M, K) of the voxels."""
    finite = scene.finite
    neighbours = neighbour_table(centres)
    if scene.normals is None:
        normals = estimate_normals(centres, neighbours[:, :NORMAL_NEIGHBOURS])
    else:
        normals = voxels.mean(scene.normals[finite])
    colors = None if scene.colors is None else voxels.mean(scene.colors[finite])
    weights = affinity(hand_made_embedding(normals, colors), neighbours)
    return {"neighbours": neighbours, "weights": weights.numpy()}


def _lift(prepared: Prepared, centres: np.ndarray, key: str, progress: Progress) -> dict[str, np.ndarray]:
    """Features of every view, one file a view so that an interrupted run goes on, and then of every voxel."""
    views, model = prepared.scene.views, prepared.vision
    maps = "maps-" + key
    with prepared._timed("2d features"):
        for number, view in enumerate(views):
            progress("2d features", number / len(views))
            _feature_map(model, view, maps, number)
        progress("2d features", 1.0)
    with prepared._timed("lifting"):
        lifted = lift(
            centres,
            views,
            lambda number: torch.from_numpy(np.array(_feature_map(model, views[number], maps, number))),
            model.class_scores,
            device=prepared.device,
            progress=lambda done: progress("lifting", done),
        )
    shutil.rmtree(cache.cache_dir() / maps, ignore_errors=True)
    return {"features": lifted.features, "seen": lifted.seen}


def _feature_map(model: Vision, view: View, kind: str, number: int) -> np.ndarray:
    """(C, h, w) float16 features of a view, encoded when they are not in the cache."""
    return cache.arrays(
        kind, f"{number:06d}", lambda: {"features": model.encode_image(view.image).half().cpu().numpy()}
    )["features"]
