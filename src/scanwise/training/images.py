"""What every training on pictures has in common: which pictures, which views of them, which ViT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from lightning_fabric import Fabric
from pydantic import Field, model_validator

from scanwise.data.datasets import Loader
from scanwise.data.image_views import Views
from scanwise.data.images import ImageDataset, collate, joined, read_images
from scanwise.errors import InputError
from scanwise.nn.sparse_tokens import SparseTokens, token_config
from scanwise.nn.vit import SIZES, ViTConfig
from scanwise.training.checkpoints import load
from scanwise.training.recipe import Recipe


class ImageRecipe(Recipe):
    """A run on pictures.

    Attributes:
        also: more pictures that are learned from, without their classes; None = those of `data` alone.
        size: of the ViT. image, patch: sides in pixels.
        scale: least share of a picture's area that a training image shows.
        init: checkpoint whose encoder training starts from; "" = random.
    """

    also: Path | None = None
    size: Literal["nano", "tiny", "small", "base", "large", "huge"] = "tiny"
    image: int = Field(32, ge=8)
    patch: int = Field(4, ge=1)
    scale: float = Field(0.2, gt=0, le=1)
    init: str = ""

    @model_validator(mode="after")
    def _whole_patches(self) -> ImageRecipe:
        if self.image % self.patch:
            raise ValueError(f"image {self.image} is no multiple of patch {self.patch}")
        return self

    @property
    def vit(self) -> ViTConfig:
        """The encoder's shape."""
        return replace(SIZES[self.size], image=self.image, patch=self.patch)


def image_loader(
    recipe: ImageRecipe, fabric: Fabric, *, second: bool = False, crops: int = 0, crop_size: int = 16,
    crop_scale: tuple[float, float] = (0.05, 0.25),
) -> Loader:  # fmt: skip
    """Batches of the training pictures; `second`, `crops` as of Views."""
    views = Views(recipe.image, (recipe.scale, 1.0), True, second, crops, crop_size, crop_scale)
    pictures = read_images(recipe.data, "train", recipe.share)
    if recipe.also is not None:
        pictures = joined(pictures, read_images(recipe.also, "train", recipe.share))
    return Loader(
        ImageDataset(pictures, views), batch=recipe.batch // recipe.accumulate, seed=recipe.seed, collate=collate,
        workers=recipe.workers, rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip


def read_network(path: Path) -> SparseTokens:
    """The network of a checkpoint, of a run's folder or of shipped weights, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") != "stellar":
        raise InputError(f"{path}: holds no STELLAR network; give the best.ckpt of a `scanwise pretrain stellar` run")
    network = SparseTokens(token_config(checkpoint.facts["network"]))
    network.load_state_dict(checkpoint.under("network."))
    return network.eval()
