"""The scene's own labels in place of a 2D model, as the pictures show them, spoilt in a known way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.geometry.pixels import STEP, points_shown
from scanwise.methods.geopurify.lift import lift
from scanwise.scene import Scene

SURE = 10.0  # logit of the label that a picture shows, over those that it does not


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
        """Of "flip:0.3".

        Raises:
            InputError: it is not like that.
        """
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
        raise InputError(f"{text}: give flip:0.3 or region:0.3 (a probability), or blur:2 (pixels)", option="noise")


def shown_classes(surface: Surface, noise: Noise, *, device: str | torch.device = "cpu", seed: int = 0) -> torch.Tensor:
    """How much of each class the pictures show of each voxel, spoilt and lifted.

    Args:
        surface: of a scene with labels, classes and registered depth.
        noise: how the pictures' labels are spoilt.
        device: that they are lifted on.
        seed: of what is spoilt.

    Returns:
        (M, K) float32 shares.

    Raises:
        InputError: a view has no depth, or that of another camera than its colours'.
    """
    scene = surface.scene
    assert scene.classes is not None
    generator = np.random.default_rng(seed)
    maps = [corrupted(*seen, len(scene.classes), noise, generator).half() for seen in label_pictures(scene)]

    def scores(features: torch.Tensor) -> torch.Tensor:
        return SURE * features.float()

    return torch.from_numpy(
        lift(surface.centers, scene.views, maps.__getitem__, scores, device=device).features
    ).float()


def label_pictures(scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each view, at half its size, (h, w) class and (h, w) object (or surface) of each pixel, -1 = not known."""
    assert scene.labels is not None
    labels = np.append(scene.labels, -1)  # the last for what shows no point
    instances = np.full(len(labels), -1) if scene.instances is None else np.append(scene.instances, -1)
    objects = np.where(instances >= 0, 1000 + instances, labels)
    return [(labels[rows], objects[rows]) for rows in points_shown(scene, scene.finite)]


def corrupted(
    labels: np.ndarray, objects: np.ndarray, count: int, noise: Noise, generator: np.random.Generator
) -> torch.Tensor:
    """What is left of the classes that a picture shows.

    Args:
        labels: (h, w) true class of each pixel, -1 = not known.
        objects: (h, w) number of the object or surface that each shows.
        count: of classes.
        noise: how they are spoilt.
        generator: of random numbers.

    Returns:
        (count, h, w) float32 shares; all zero where the class is not known.
    """
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
