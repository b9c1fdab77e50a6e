"""What pooling does to labels: mIoU of class names without it, by the embedding made by hand, and by a student's.

With `Noise` the 2D model is replaced by the scene's own labels as its pictures show them, spoilt in a known way, so
that it is plain which faults pooling can cure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.evaluation.segmentation import Confusion
from scanwise.methods.geopurify.lift import lift
from scanwise.methods.geopurify.lifted import projected_features
from scanwise.methods.geopurify.student import Student
from scanwise.nn.pooling import affinity, geometric_weights, pool
from scanwise.progress import Progress, silent
from scanwise.scene import Scene, View
from scanwise.vision import Vision

Way = Literal["off", "geometry", "learned"]
WAYS: tuple[Way, ...] = ("off", "geometry", "learned")
WORDS = {"otherfurniture": "other furniture"}
SURE = 10.0  # logit of the label that a picture shows, over those that it does not
REACH = 0.04  # metres from what a pixel shows to the point that it is labelled by
STEP = 2  # every second pixel of every second row is labelled


@dataclass(frozen=True, eq=False)
class Exam:
    """A labelled scene, ready to be pooled in several ways.

    Attributes:
        classes: K names. labels: (n,) of the finite points. scores: (M, K) logits of lifted features.
        inputs: (M, F) of the student.
    """

    classes: list[str]
    labels: np.ndarray
    surface: Surface
    scores: torch.Tensor
    inputs: torch.Tensor


@dataclass(frozen=True)
class Noise:
    """How true 2D labels are spoilt.

    Attributes:
        kind: "flip": every labelled pixel alone, with this probability, gets any class; "region": every object in
            every picture does, as a whole; "blur": a Gaussian of this many pixels' deviation over the classes.
        amount: a probability, or pixels of the picture.
    """

    kind: Literal["flip", "region", "blur"]
    amount: float

    @classmethod
    def parse(cls, text: str) -> Noise:
        """Of "flip:0.3". Raises InputError when it is not like that."""
        kind, _, amount = text.partition(":")
        try:
            value = float(amount)
        except ValueError:
            value = -1.0
        if kind == "blur" and 0 <= value < 1000:
            return cls("blur", value)
        if 0 <= value <= 1 and kind == "flip":
            return cls("flip", value)
        if 0 <= value <= 1 and kind == "region":
            return cls("region", value)
        raise InputError(f"--noise {text}: give flip:0.3 or region:0.3 (a probability), or blur:2 (pixels)")


def exam_of(
    scene: Scene,
    student: Student,
    vision: Vision,
    *,
    noise: Noise | None = None,
    device: str = "cpu",
    progress: Progress = silent,
) -> Exam:
    """Makes a labelled scene ready.

    Args:
        noise: in place of the 2D model; the student is then given the text embeddings of what the pictures show.

    Raises:
        InputError: it has no labels, classes or pictures.
    """
    if scene.labels is None or not scene.classes or not scene.views:
        raise InputError(f"{scene.name}: needs labels with class names, and pictures, to be measured")
    student.check_vision(vision.name, vision.dim, scene.name)
    surface = Surface(scene)
    texts = vision.encode_texts([WORDS.get(name, name) for name in scene.classes]).float()
    basis = student.basis.cpu()
    reduced: torch.Tensor
    if noise is None:
        matrix = torch.cat([basis, texts.T], 1) if student.config.lifted else texts.T.contiguous()
        found = projected_features(surface, vision, matrix, device=device, progress=progress)
        values = torch.from_numpy(np.array(found))
        reduced, scores = values[:, : basis.shape[1]], values[:, basis.shape[1] :] * vision.scale
    else:
        shown = shown_classes(surface, noise, device=device)
        reduced, scores = shown @ texts @ basis if student.config.lifted else shown[:, :0], SURE * shown
    if student.config.lifted:
        reduced = student.centred(reduced)
    inputs = student.inputs(reduced, surface.colors, surface.normals)
    return Exam(list(scene.classes), scene.labels[scene.finite], surface, scores.contiguous(), inputs)


def embedding_of(exam: Exam, student: Student) -> torch.Tensor:
    """(M, D) by the student."""
    return student.embed(exam.surface.coords, exam.inputs)


def marks(exams: Sequence[Exam], way: Way, embeddings: Sequence[torch.Tensor] = ()) -> Confusion:
    """Labels every point of scenes of the same classes.

    Args:
        embeddings: of each scene, for "learned".
    """
    counts = Confusion(exams[0].classes)
    for number, exam in enumerate(exams):
        neighbours = np.array(exam.surface.neighbours)
        values = exam.scores
        if way == "geometry":
            values = pool(values, neighbours, torch.from_numpy(np.array(geometric_weights(exam.surface))))
        elif way == "learned":
            values = pool(values, neighbours, affinity(embeddings[number], neighbours))
        counts.add(exam.labels, values.argmax(1).numpy()[exam.surface.voxels.of_point])
    return counts


# The scene's own labels in place of a 2D model


def shown_classes(surface: Surface, noise: Noise, *, device: str = "cpu", seed: int = 0) -> torch.Tensor:
    """(M, K) float32: how much of each class the pictures show of each voxel, spoilt by `noise`, and lifted."""
    scene = surface.scene
    assert scene.classes is not None
    generator = np.random.default_rng(seed)
    maps = [spoilt(*seen, len(scene.classes), noise, generator).half() for seen in label_pictures(scene)]

    def scores(features: torch.Tensor) -> torch.Tensor:
        return SURE * features.float()

    return torch.from_numpy(
        lift(surface.centers, scene.views, maps.__getitem__, scores, device=device).features
    ).float()


def label_pictures(scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each view, at half its size, (h, w) class and (h, w) object (or surface) of each pixel, -1 = not known."""
    from scipy.spatial import cKDTree

    assert scene.labels is not None
    rows = np.flatnonzero(scene.finite)
    tree = cKDTree(scene.points[rows], balanced_tree=False, compact_nodes=False)
    labels = np.append(scene.labels[rows], -1)  # the last for what nothing is near
    instances = np.full(len(labels), -1) if scene.instances is None else np.append(scene.instances[rows], -1)
    objects = np.where(instances >= 0, 1000 + instances, labels)
    return [_label_picture(view, tree, labels, objects) for view in scene.views]


def _label_picture(view: View, tree: object, labels: np.ndarray, objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    assert isinstance(tree, cKDTree)
    height, width = view.image_size
    depth = view.depth
    if depth is None or view.depth_intrinsics is not None or view.depth_to_world is not None:
        raise InputError(f"frame {view.name}: --noise needs depth that is registered to the pictures")
    y, x = np.mgrid[STEP // 2 : height : STEP, STEP // 2 : width : STEP]
    reading = depth[y * depth.shape[0] // height, x * depth.shape[1] // width].astype(np.float64)
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(view.intrinsics).T
    places = (rays * reading[..., None]) @ view.camera_to_world[:3, :3].T + view.camera_to_world[:3, 3]
    nearest = np.full(reading.shape, len(labels) - 1)
    seen = reading > 0
    nearest[seen] = tree.query(places[seen], distance_upper_bound=REACH, eps=0.1)[1]
    return labels[nearest], objects[nearest]


def spoilt(
    labels: np.ndarray, objects: np.ndarray, count: int, noise: Noise, generator: np.random.Generator
) -> torch.Tensor:
    """(count, h, w) float32 shares of classes of a picture whose true ones are `labels` (h, w)."""
    labels = labels.copy()
    if noise.kind == "flip":
        hit = (generator.random(labels.shape) < noise.amount) & (labels >= 0)
        labels[hit] = generator.integers(count, size=int(hit.sum()))
    elif noise.kind == "region":
        for number in np.unique(objects[labels >= 0]):
            other = generator.integers(count)
            if generator.random() < noise.amount:
                labels[(objects == number) & (labels >= 0)] = other
    shares = np.eye(count + 1, dtype=np.float32)[labels][..., :count]  # of -1, the last row: nothing
    if noise.kind == "blur" and noise.amount:
        from scipy.ndimage import gaussian_filter

        shares = gaussian_filter(shares, (noise.amount / STEP, noise.amount / STEP, 0))
    return torch.from_numpy(np.ascontiguousarray(shares.transpose(2, 0, 1)))
