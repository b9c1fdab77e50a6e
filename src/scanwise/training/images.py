"""What STELLAR and its baselines share, so that they can be compared: images, views of them, ViT, sizes of heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from scanwise.data.image_sources import Selected
from scanwise.data.image_views import Views
from scanwise.data.images import ImageDataset, ImageSet, joined, read_images, subset
from scanwise.errors import InputError
from scanwise.nn.sparse_tokens import SparseTokens, token_config
from scanwise.nn.vit import SIZES, ViTConfig
from scanwise.training.checkpoints import load_model
from scanwise.training.recipe import Recipe

HELD_OUT = 0.1  # share of the `train` images that a run is validated on and does not learn from
VALIDATION = 2000  # and the most of them


class ImageRecipe(Recipe):
    """A run on images.

    Attributes:
        also: more images that are learned from, without their classes; None = those of `data` alone.
        size: of the ViT.
        image: side of an image, pixels.
        patch: side of a patch, pixels; it divides `image` and `crop_size`.
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
        for key in ("image", "crop_size"):
            if getattr(self, key) % self.patch:
                raise ValueError(f"{key} {getattr(self, key)} is no multiple of patch {self.patch}")
        return self

    @property
    def vit(self) -> ViTConfig:
        """The encoder's shape."""
        return replace(SIZES[self.size], image=self.image, patch=self.patch)


def training_images(recipe: ImageRecipe, *, second: bool = False, crops: int = 0) -> ImageDataset:
    """The images that a run learns from: `train` without those that are held out, and those of `also`.

    Args:
        recipe: of the run.
        second: a second view of each.
        crops: small crops of each.

    Raises:
        InputError: no images are there.
    """
    images = subset(split(read_images(recipe.data, "train"))[0], recipe.share)
    if recipe.also is not None:
        images = joined(images, read_images(recipe.also, "train", recipe.share))
    return ImageDataset(images, Views(recipe.image, (recipe.scale, 1.0), True, second, crops, recipe.crop_size))


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
