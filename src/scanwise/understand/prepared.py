"""A scene made ready once, and then asked as often as one likes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from scanwise import cache
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.geometry.voxels import Voxels
from scanwise.methods.geopurify.lifted import Geometry, Progress, Stopwatch, geometry_of, lifted_features, vision_key
from scanwise.methods.geopurify.student import student_of
from scanwise.nn.pooling import affinity, pool, times
from scanwise.scene import Scene
from scanwise.training.backbones import weights_digest
from scanwise.training.checkpoints import is_shipped, load, locate
from scanwise.understand.shapes import Shapes, check_shapes, look, with_pictures
from scanwise.vision import Vision, load_vision

LONGEST_TEXT = 500  # characters
MOST_TEXTS = 1000
DEFAULT_PURIFY = "geometry"
STUDENT = Path("geopurify-rooms")  # the shipped one, by its name
_AFFINITY_VERSION = "1"


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
        scene: what was prepared. vision: the 2D model that texts are embedded with; None where there are no pictures.
        geometry: of the voxels. features: (M, C) lifted. seen: (M,) bool, voxels that a view saw.
        weights: (M, K) by which voxels are pooled over their neighbours; None = they are not.
        shapes: what a 3D network sees, pooled alike; None = it was not asked.
        seconds: stage -> seconds spent, of preparing and of the latest `label`.
    """

    scene: Scene
    vision: Vision | None
    geometry: Geometry
    features: np.ndarray
    seen: np.ndarray
    weights: np.ndarray | None
    shapes: Shapes | None = None
    device: str = "cpu"
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def voxels(self) -> Voxels:
        """Voxels of the finite points."""
        return self.geometry.voxels

    def label(self, texts: Sequence[str]) -> Labels:
        """Labels every point with the likeliest of the texts.

        Raises:
            InputError: no text, an empty one, or one longer than 500 characters.
        """
        names = check_texts(texts)
        logits = self._logits(names, Stopwatch(self.seconds))
        finite = self.scene.finite
        indices = np.full(len(self.scene), -1, np.int32)
        scores_of_points = np.zeros((len(self.scene), len(names)), np.float32)
        indices[finite] = logits.argmax(1).numpy()[self.voxels.of_point]
        scores_of_points[finite] = logits.softmax(1).numpy()[self.voxels.of_point]
        return Labels(indices, scores_of_points, names)

    def _logits(self, texts: list[str], watch: Stopwatch) -> torch.Tensor:
        """(M, K) of the texts: what pictures show, what shapes say, or both."""
        chances = known = None
        if self.shapes is not None:
            with watch("shapes and texts"):
                chances, known = self.shapes.of_texts(texts)
        if self.vision is None:
            assert chances is not None
            return chances.log()
        with watch("texts"):
            embeddings = self.vision.encode_texts(texts)
        with watch("pooling"):
            scores = times(self.features, embeddings.T) * self.vision.scale
            seen = pooled(scores, self.geometry, self.weights, self.device)
        return seen if chances is None or known is None else with_pictures(seen, chances, known)


def pooled(values: torch.Tensor, geometry: Geometry, weights: np.ndarray | None, device: str) -> torch.Tensor:
    """Values (M, C) pooled by weights (M, K), as they are where there are none."""
    if weights is None:
        return values
    weighed = torch.from_numpy(np.array(weights)).to(device)
    return pool(values.to(device), np.array(geometry.neighbours), weighed).cpu()


def prepare(
    scene: Scene,
    *,
    vision: Vision | str | None = None,
    purify: str | Path | None = None,
    shapes: str | Path | None = None,
    device: str | None = None,
    progress: Progress = lambda stage, done: None,
) -> Prepared:
    """Makes a scene ready for `label`: lifts the features of its pictures and builds its geometry tables.

    Both are kept in the cache under the content of the scene and the models, so the second time is fast. Work
    that was interrupted goes on where it stopped.

    Args:
        vision: a model, or its name for `scanwise.vision.load_vision`; None = the default.
        purify: how lifted features are cleaned: "off"; "geometry": pooled over neighbours of like colour and plane;
            "learned": over those that the shipped student finds alike; a path: the same by the student of that
            checkpoint; None = the default.
        shapes: whether classes of a 3D network count as evidence beside the pictures, and where there are none, alone:
            "off"; weights of `scanwise train segment`; None = the shipped ones, for rooms in colour.
        device: a torch device; None = CUDA where there is one, else the CPU.
        progress: told (stage, share done 0..1) while it works.

    Raises:
        InputError: the scene has no finite point, or neither pictures nor a 3D network for it, or no picture sees
            the points, or there is no such student, or it was trained on features of another 2D model.
    """
    device = check_device(device)
    check_purify(purify)
    if not scene.finite.any():
        raise InputError(f"{scene.name}: no point with finite coordinates in it")
    segmenter = check_shapes(shapes, scene)
    if not scene.views and segmenter is None:
        raise InputError(
            f"{scene.name}: has no pictures; without them words need `--shapes WEIGHTS` of `scanwise train segment` "
            "on such scans; for a room in colour the shipped ones are taken"
        )
    if scene.colors is None:
        warnings.warn(
            "no colours: labels are smoothed by shape alone and may run across flush surfaces",
            ScanwiseWarning,
            stacklevel=2,
        )
    model = None
    if scene.views:
        model = load_vision(vision) if vision is None or isinstance(vision, str) else vision
    else:
        warnings.warn("no pictures: labels go by shape and colour alone", ScanwiseWarning, stacklevel=2)
    watch = Stopwatch()
    geometry = geometry_of(scene, watch)
    known = None
    if segmenter is not None:
        with watch("shapes"):
            known = look(scene, geometry, segmenter, device)
    features, seen = np.zeros((len(geometry), 0), np.float16), np.zeros(len(geometry), bool)
    if model is not None:
        lifted = lifted_features(scene, geometry, model, device=device, progress=progress, watch=watch)
        features, seen = lifted.features, lifted.seen
    with watch("affinity"):
        weights = _pooling_weights(geometry, features, model, purify, device)
    if known is not None:
        with watch("pooling of shapes"):
            chances = pooled(torch.from_numpy(np.array(known.chances, np.float32)), geometry, weights, device)
            known = replace(known, chances=chances.numpy())
    return Prepared(scene, model, geometry, features, seen, weights, known, device, watch.seconds)


def label(
    scene: Scene,
    texts: Sequence[str],
    *,
    vision: Vision | str | None = None,
    purify: str | Path | None = None,
    shapes: str | Path | None = None,
    device: str | None = None,
) -> Labels:
    """Labels every point of a scene with the likeliest of the texts: `prepare(scene).label(texts)`."""
    check_texts(texts)
    return prepare(scene, vision=vision, purify=purify, shapes=shapes, device=device).label(texts)


def check_purify(purify: str | Path | None) -> str:
    """ "off", "geometry", or where the student's weights are.

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
        raise InputError(f"{purify}: no such student; choose off, geometry, learned, or the best.ckpt of a run")
    return str(path)


def _pooling_weights(
    geometry: Geometry, features: np.ndarray, vision: Vision | None, purify: str | Path | None, device: str
) -> np.ndarray | None:
    """(M, K), None = no pooling. A student's network is run once for a scene."""
    way = check_purify(purify)
    if way in ("off", "geometry"):
        return None if way == "off" else geometry.weights
    checkpoint = load(Path(way))
    student = student_of(checkpoint.tensors, checkpoint.facts, way)
    name, dim = ("", 0) if vision is None else (vision.name, vision.dim)
    if not student.suits(name, dim) and (purify is None or vision is None):
        warnings.warn(
            f"that student does not know features of {name or 'no pictures'}, so labels are cleaned by geometry",
            ScanwiseWarning,
            stacklevel=3,
        )
        return geometry.weights
    student.check_vision(name, dim, way)
    of_vision = "" if vision is None else vision_key(vision)
    key = cache.key_of(_AFFINITY_VERSION, geometry.content, of_vision, weights_digest(student))

    def make() -> dict[str, np.ndarray]:
        inputs = student.inputs(student.reduce(features), geometry.colors, geometry.normals)
        embedding = student.to(device).embed(geometry.coords, inputs)
        return {"weights": affinity(embedding, np.array(geometry.neighbours)).numpy()}

    return cache.arrays("affinity", key, make)["weights"]


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
