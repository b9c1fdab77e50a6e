"""What training makes of a frame and its pixels' labels: a crop from close up to the whole, made to look unlike it.

Rendered rooms have no clutter of materials, no bad light and a perfect camera; so objects swap their colours and
textures, and light, white balance, contrast, blur, noise and JPEG are drawn anew for each crop.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter

from scanwise.data.frames import Pixels
from scanwise.synth.classes import SYNONYMS
from scanwise.synth.lexicon import lexicon_of, words_for
from scanwise.vision.rooms import TEMPLATES, UNNAMED, text_encoder

LEAST_SIDE = 0.3  # of a crop, over the shorter side of the picture
TRIES = 3  # crops that are looked at for one that shows more than one thing
REPAINTED = 0.35  # share of objects with another colour, in half of the crops
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class PixelSample:
    """A crop.

    Attributes:
        image: uint8 (3, S, S).
        words: int32 (S/4, S/4) rows of open names, as in `Pixels`, at the middles of 4x4 pixels.
        classes: int32 (S/4, S/4), the same of classes.
    """

    image: np.ndarray
    words: np.ndarray
    classes: np.ndarray


@dataclass
class PixelBatch:
    """Crops of one step.

    Attributes:
        images: uint8 (B, 3, S, S).
        words: int64 (B, S/4, S/4) rows of open names, -1 = not known.
        classes: int64 (B, S/4, S/4) rows of classes, -1 = not known.
    """

    images: torch.Tensor
    words: torch.Tensor
    classes: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> PixelBatch:
        """The same on another device."""
        return PixelBatch(self.images.to(device), self.words.to(device), self.classes.to(device))


def collate(samples: Sequence[PixelSample]) -> PixelBatch:
    """Samples of equal sizes -> a batch."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    words = torch.from_numpy(np.stack([sample.words for sample in samples])).long()
    classes = torch.from_numpy(np.stack([sample.classes for sample in samples])).long()
    return PixelBatch(images, words, classes)


class Vocabulary:
    """The words that pixels are told apart by, in every way that we have of saying them.

    Args:
        names: open names, as of `FrameDataset`.
        classes: as of `FrameDataset`.

    Attributes:
        names: V names, as given.
        classes: C of those given, those with a name of their own.
        class_row: (all classes,) int64 row among `classes`, -1 = none.
        phrasings: (V + C, S, 384) embeddings of S ways to say each name and then each class.
        rivals: (V, V) bool, whether what is called by one name is not called by the other as well ("office chair" is
            no rival of "chair", where a pixel shows an office chair).
    """

    def __init__(self, names: list[str], classes: list[str]) -> None:
        self.names, self.classes = names, [name for name in classes if name != UNNAMED]
        self.class_row = torch.tensor(
            [-1 if name == UNNAMED else self.classes.index(name) for name in classes], dtype=torch.int64
        )
        ways = [[template.format(word) for word in words_for(name, SYNONYMS.get(name, ())) for template in TEMPLATES]
                for name in (*names, *self.classes)]  # fmt: skip
        flat = sorted({way for phrasings in ways for way in phrasings})
        row_of = {way: row for row, way in enumerate(flat)}
        embeddings = text_encoder().encode(flat)
        most = max(map(len, ways))
        rows = torch.tensor(
            [[row_of[phrasings[number % len(phrasings)]] for number in range(most)] for phrasings in ways]
        )
        self.phrasings = embeddings[rows]
        lexicon = lexicon_of(SYNONYMS)
        self.rivals = torch.tensor(
            [[other == name or name not in lexicon.called(other) for other in names] for name in names]
        )


@dataclass(frozen=True)
class Crops:
    """Cuts a crop, mirrored one time in two, and makes it look unlike a rendered picture.

    Attributes:
        size: side of a crop, pixels.
        random: False = the largest square in the middle, as it is.
    """

    size: int
    random: bool = True

    def __call__(self, image: np.ndarray, pixels: Pixels, generator: np.random.Generator) -> PixelSample:
        """A sample of a frame.

        Args:
            image: uint8 (H, W, 3).
            pixels: labels of the frame.
            generator: of everything random.
        """
        box = self._box(image, pixels, generator)
        flip = self.random and generator.random() < 0.5
        crop = Image.fromarray(image).resize((self.size, self.size), Image.Resampling.BILINEAR, box, reducing_gap=2.0)
        result = _flipped(np.asarray(crop), flip)
        if self.random:
            objects = _flipped(_sampled(pixels.objects, box, image.shape, self.size), flip)
            result = through_camera(repainted(result, objects, generator), generator)
        words, classes = (
            _flipped(_sampled(labels, box, image.shape, self.size // 4), flip)
            for labels in (pixels.words, pixels.classes)
        )
        return PixelSample(np.ascontiguousarray(result.transpose(2, 0, 1)), words, classes)

    def _box(
        self, image: np.ndarray, pixels: Pixels, generator: np.random.Generator
    ) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of a crop within the picture, pixels; bare surfaces are mostly passed over."""
        height, width = image.shape[:2]
        short = min(height, width)
        if not self.random:
            left, top = (width - short) / 2, (height - short) / 2
            return left, top, left + short, top + short
        for _ in range(TRIES):
            side = short * LEAST_SIDE ** generator.random()
            aspect = 1.25 ** generator.uniform(-1, 1)
            wide, high = min(width, side * aspect), min(height, side / aspect)
            left, top = generator.uniform(0, width - wide), generator.uniform(0, height - high)
            box = left, top, left + wide, top + high
            if len(np.unique(_sampled(pixels.objects, box, image.shape, 16))) > 2:
                break
        return box


def _flipped(array: np.ndarray, flip: bool) -> np.ndarray:
    return array[:, ::-1].copy() if flip else array


def _sampled(labels: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, ...], out: int) -> np.ndarray:
    """(out, out) of a map (h, w) of a picture of this (H, W): the nearest label at the middle of each cell of a box."""
    left, top, right, bottom = box
    middles = (np.arange(out) + 0.5) / out
    rows = (top + middles * (bottom - top)) * labels.shape[0] / size[0]
    columns = (left + middles * (right - left)) * labels.shape[1] / size[1]
    return labels[np.ix_(rows.astype(np.int64), columns.astype(np.int64))]


def repainted(image: np.ndarray, objects: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An image in which, one time in two, some of the objects have another colour or texture; shading stays.

    Args:
        image: uint8 (H, W, 3).
        objects: (H, W) numbers of objects, -1 = none.
        generator: of everything random.
    """
    found = np.unique(objects[objects >= 0])
    if generator.random() < 0.5 or len(found) == 0:
        return image
    result = image.astype(np.float32)
    for number in found[generator.random(len(found)) < REPAINTED]:
        inside = objects == number
        part = result[inside]
        shade = part @ LUMA
        color = generator.uniform(30, 230, 3).astype(np.float32)
        color = color.mean() + (color - color.mean()) * generator.random() ** 0.5  # greys are more common than paint
        texture = _texture(max(image.shape[:2]), generator)[: image.shape[0], : image.shape[1]]
        pattern = 1 + generator.uniform(0, 0.5) * texture[inside] * (generator.random() < 0.6)
        painted = color * (shade / max(shade.mean(), 8.0) * pattern)[:, None]
        result[inside] = part + (painted - part) * generator.uniform(0.5, 1)
    return np.clip(result, 0, 255).astype(np.uint8)


def _texture(side: int, generator: np.random.Generator) -> np.ndarray:
    """(side, side) float32 in -1..1: blotches, grain along one direction, or stripes."""
    kind = generator.integers(3)
    if kind == 2:
        y, x = np.mgrid[:side, :side] / side
        angle, waves = generator.uniform(0, np.pi), generator.uniform(3, 30)
        return np.sign(np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)))).astype(np.float32)
    cells = (
        generator.integers(4, 64, 2) if kind == 0 else np.array([generator.integers(2, 8), generator.integers(30, 90)])
    )
    noise = Image.fromarray(generator.uniform(-1, 1, cells[:: generator.choice([-1, 1])]).astype(np.float32))
    return np.asarray(noise.resize((side, side), Image.Resampling.BILINEAR))


def through_camera(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An image in other light, by another camera.

    Args:
        image: uint8 (H, W, 3).
        generator: of everything random.
    """
    linear = (image.astype(np.float32) / 255) ** generator.uniform(0.7, 1.4)
    grey = (linear @ LUMA)[..., None]
    linear = grey + (linear - grey) * generator.uniform(0.2, 1.2)
    linear *= generator.uniform(0.5, 1.5) * np.exp(generator.normal(0, 0.15, 3)).astype(np.float32)
    middle = linear.mean()
    linear = middle + (linear - middle) * generator.uniform(0.6, 1.4) + generator.uniform(0, 0.1)
    linear += _light(linear.shape[0], linear.shape[1], generator)
    if generator.random() < 0.7:
        linear += generator.normal(0, generator.uniform(0.005, 0.05), linear.shape).astype(np.float32)
    picture = Image.fromarray((np.clip(linear, 0, 1) * 255).astype(np.uint8))
    if generator.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 2.0)))
    if generator.random() < 0.5:
        stored = io.BytesIO()
        picture.save(stored, "jpeg", quality=int(generator.integers(25, 95)))
        picture = Image.open(stored)
    return np.asarray(picture)


def _light(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """(H, W, 1) float32 of uneven light."""
    corners = Image.fromarray(generator.normal(0, 0.05, (3, 3)).astype(np.float32))
    return np.asarray(corners.resize((width, height), Image.Resampling.BICUBIC))[..., None]
