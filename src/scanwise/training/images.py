"""What STELLAR and its baselines share, so that they can be compared: images, views of them, ViT, sizes of heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from scanwise.data.image_sources import Selected
from scanwise.data.image_views import Whole, crops
from scanwise.data.images import ImageBatch, ImageDataset, ImageSet, joined, read_images, subset, to_float
from scanwise.errors import InputError
from scanwise.nn.sparse_tokens import SparseTokens, token_config
from scanwise.nn.vit import SIZES, ViTConfig
from scanwise.training.checkpoints import load_model
from scanwise.training.recipe import Recipe

HELD_OUT = 0.1  # share of the `train` images that a run is validated on and does not learn from
SMALL = (0.05, 0.25)  # share of the picture's area that a small crop shows
VALIDATION = 2000  # and the most of them


class ImageRecipe(Recipe):
    """A run on images.

    Attributes:
        also: more images that are learned from, without their classes; None = those of `data` alone.
        size: of the ViT.
        image: side of the images that the ViT has positions for and that it is validated on, pixels.
        sizes: what training images are, one drawn for each step: sides, or [height, width], pixels; [] = `image`.
        canvas: side of the squares that whole pictures are squeezed to before views are drawn from them, pixels;
            0 = half as long again as the longest side of `image` and `sizes`.
        patch: side of a patch, pixels; it divides every size.
        scale: least share of a picture's area that a training image shows, 0..1.
        init: checkpoint whose encoder training starts from; "" = random.
        crops: small crops of each picture.
        crop_size: side of a small crop, pixels.
        prototypes: of a cluster head.
        prototype_width: channels of a prototype.
        predictor: hidden channels of a cluster head.
        decoder_width: channels of the decoder.
        decoder_depth: blocks of the decoder.
        decoder_heads: attention heads of the decoder.
        momentum: of an EMA teacher at first; it rises to 1 along half a cosine.
    """

    also: Path | None = None
    size: Literal["nano", "tiny", "small", "base", "large", "huge"] = "tiny"
    image: int = Field(32, ge=8)
    sizes: list[int | tuple[int, int]] = Field(default_factory=list)
    canvas: int = Field(0, ge=0)
    patch: int = Field(4, ge=1)
    scale: float = Field(0.2, gt=0, le=1)
    init: str = ""
    crops: int = Field(8, ge=0)
    crop_size: int = Field(16, ge=4)
    prototypes: int = Field(1024, ge=2)
    prototype_width: int = Field(128, ge=2)
    predictor: int = Field(512, ge=2)
    decoder_width: int = Field(128, ge=8)
    decoder_depth: int = Field(2, ge=1)
    decoder_heads: int = Field(4, ge=1)
    momentum: float = Field(0.992, ge=0, le=1)
    clip: float = Field(3.0, ge=0)
    weight_decay: float = Field(0.04, ge=0)
    learning_rate: float = Field(5e-4, gt=0)

    @model_validator(mode="after")
    def _whole_patches(self) -> ImageRecipe:
        sides = {
            "image": [self.image],
            "crop_size": [self.crop_size],
            "sizes": [side for s in self.shapes for side in s],
        }
        for key, values in sides.items():
            for side in values:
                if side < self.patch or side % self.patch:
                    raise ValueError(f"{key} {side} is no multiple of patch {self.patch}")
        return self

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """`sizes` as heights and widths."""
        return [(size, size) if isinstance(size, int) else size for size in self.sizes or [self.image]]

    def shape_at(self, progress: float) -> tuple[int, int]:
        """Height and width of the images of a step, by the seed and the step alone, for every process the same.

        Args:
            progress: share of the run that is done, 0..1.
        """
        draw = np.random.default_rng((self.seed, round(progress * self.steps)))
        return self.shapes[int(draw.integers(len(self.shapes)))]

    @property
    def vit(self) -> ViTConfig:
        """The encoder's shape."""
        return replace(SIZES[self.size], image=self.image, patch=self.patch)


def training_images(recipe: ImageRecipe) -> ImageDataset:
    """The whole images that a run learns from: `train` without those that are held out, and those of `also`.

    Args:
        recipe: of the run.

    Raises:
        InputError: no images are there.
    """
    images = subset(split(read_images(recipe.data, "train"))[0], recipe.share)
    if recipe.also is not None:
        images = joined(images, read_images(recipe.also, "train", recipe.share))
    longest = max(recipe.image, *(side for shape in recipe.shapes for side in shape))
    return ImageDataset(images, Whole(recipe.canvas or 3 * longest // 2))


def views_of(
    batch: ImageBatch, recipe: ImageRecipe, progress: float, *, second: bool = False, small: int = 0
) -> ImageBatch:
    """The views of a step, drawn on the device that the pictures are on; a batch of views is left as it is.

    Args:
        batch: of whole pictures.
        recipe: of the run.
        progress: share of it that is done, 0..1.
        second: a second view of each.
        small: small crops of each.
    """
    if batch.aspect is None:
        return batch
    pictures = to_float(batch.images)
    large = crops(pictures, batch.aspect, 1 + second, recipe.shape_at(progress), (recipe.scale, 1.0))
    side = (recipe.crop_size, recipe.crop_size)
    return ImageBatch(
        large[:, 0], batch.labels, large[:, 1] if second else None,
        crops(pictures, batch.aspect, small, side, SMALL) if small else None,
    )  # fmt: skip


def validation_images(recipe: ImageRecipe) -> tuple[ImageSet, ImageSet]:
    """What a run is validated on: some images that may be learned from, and those of `train` that are held out.

    `test` is not looked at, so that no weights are chosen by what they are measured on in the end.

    Raises:
        InputError: no images are there, or one alone.
    """
    learned, held = split(read_images(recipe.data, "train"))
    return subset(learned, VALIDATION / len(learned)), held


def split(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """A set without the tenth that is held out, at most 2000, and those; for the same set always the same.

    Args:
        images: two or more.

    Raises:
        InputError: fewer.
    """
    if len(images) < 2:
        raise InputError(f"{images.source.name(0)}: one picture alone; one is held out, so two are needed")
    count = min(VALIDATION, max(1, round(HELD_OUT * len(images))))
    shuffled = np.random.default_rng(1).permutation(len(images))
    return _rows(images, np.sort(shuffled[count:])), _rows(images, np.sort(shuffled[:count]))


def _rows(images: ImageSet, rows: np.ndarray) -> ImageSet:
    return ImageSet(Selected([images.source], rows), images.labels[rows], images.classes)


def load_tokens(path: Path) -> SparseTokens:
    """The network of a STELLAR run, in evaluation mode; methods that build upon it take it from here.

    Args:
        path: checkpoint, folder of a run, or name of shipped weights.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    return load_model(
        path, "stellar", lambda checkpoint: SparseTokens(token_config(checkpoint.facts["network"])),
        made_by="pretrain stellar", prefix="network.", called="STELLAR network",
    )  # fmt: skip
