"""The baselines of STELLAR on the same ViT, the same pictures and the same loop: MAE, DINO, and labels from scratch.

MAE: He et al., arXiv 2111.06377. A small decoder guesses the pixels of the three patches in four that the encoder did
not see. DINO: Caron et al., arXiv 2104.14294. CLS of small crops and of two large views predicts what an EMA teacher
says of the other large view.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional

from scanwise.data.image_views import color_jitter
from scanwise.data.images import ImageBatch, read_images, subset, to_float
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import knn_accuracy
from scanwise.nn import masks
from scanwise.nn.heads import CosineHead, soft_cross_entropy
from scanwise.nn.sparse_tokens import PatchDecoder
from scanwise.nn.vit import ViT
from scanwise.training.checkpoints import load
from scanwise.training.images import ImageRecipe, image_loader
from scanwise.training.loop import Job, fit

VALIDATION = 2000


class BaselineRecipe(ImageRecipe):
    """A run of one of the baselines.

    Attributes:
        method: which. drop: share of the patches that MAE's encoder does not see. decoder_*: of MAE.
        prototypes, prototype_width, predictor: of DINO's head. crops: small crops of DINO, `crop_size` pixels a side.
        momentum: of DINO's teacher at first; it rises to 1 along half a cosine.
    """

    method: Literal["mae", "dino", "supervised"]
    drop: float = Field(0.75, gt=0, lt=1)
    decoder_width: int = Field(128, ge=8)
    decoder_depth: int = Field(2, ge=1)
    decoder_heads: int = Field(4, ge=1)
    prototypes: int = Field(1024, ge=2)
    prototype_width: int = Field(128, ge=2)
    predictor: int = Field(512, ge=2)
    crops: int = Field(8, ge=0)
    crop_size: int = Field(16, ge=4)
    momentum: float = Field(0.992, ge=0, le=1)
    clip: float = Field(3.0, ge=0)
    weight_decay: float = Field(0.04, ge=0)
    learning_rate: float = Field(5e-4, gt=0)

    @model_validator(mode="after")
    def _whole_crops(self) -> BaselineRecipe:
        if self.crop_size % self.patch:
            raise ValueError(f"crop_size {self.crop_size} is no multiple of patch {self.patch}")
        return self


class MAE(nn.Module):
    """Masked autoencoder; what is guessed are the pixels of a patch brought to mean 0 and deviation 1."""

    def __init__(self, recipe: BaselineRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = ViT(recipe.vit)
        self.unseen = nn.Parameter(torch.zeros(recipe.vit.width))
        self.decoder = PatchDecoder(
            recipe.vit.width, recipe.decoder_width, recipe.decoder_depth, recipe.decoder_heads,
            4 * recipe.decoder_width, patch=recipe.patch,
        )  # fmt: skip

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        images = to_float(batch.images)
        side = self.recipe.vit.grid
        keep = masks.draw(len(images), side, self.recipe.drop, focal=0.0, blocks=0.0, device=images.device)
        return {"loss": self.loss(images, keep)}

    def loss(self, images: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Mean squared error over the patches that `keep` (B, k) leaves out."""
        seen = self.encoder(images, keep=keep).dense
        places = keep[:, :, None].expand_as(seen)
        everything = self.unseen.expand(len(images), self.recipe.vit.grid**2, -1).to(seen.dtype)
        guessed = patches(self.decoder(everything.scatter(1, places, seen)), self.recipe.patch)
        truth = patches(images, self.recipe.patch)
        truth = (truth - truth.mean(2, keepdim=True)) / (truth.var(2, keepdim=True) + 1e-6).sqrt()
        errors = (guessed.float() - truth).square().mean(2)
        hidden = torch.ones_like(errors).scatter(1, keep, 0.0)
        return (errors * hidden).sum() / hidden.sum()


def patches(images: torch.Tensor, patch: int) -> torch.Tensor:
    """(B, 3, H, W) -> (B, n, 3 patch^2), row by row."""
    return functional.unfold(images, patch, stride=patch).transpose(1, 2)


class DINO(nn.Module):
    """Self-distillation without labels; a centre that moves with the teacher's answers keeps it from collapse."""

    temperature, teacher_temperature, center_momentum = 0.1, 0.04, 0.9
    center: torch.Tensor

    def __init__(self, recipe: BaselineRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = ViT(recipe.vit)
        self.head = CosineHead(recipe.vit.width, recipe.predictor, recipe.prototype_width, recipe.prototypes)
        self.teacher = copy.deepcopy(nn.ModuleList([self.encoder, self.head])).requires_grad_(False)
        self.register_buffer("center", torch.zeros(recipe.prototypes))

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        assert batch.second is not None
        large = color_jitter(to_float(torch.cat([batch.images, batch.second])))
        small = color_jitter(to_float(batch.crops.transpose(0, 1).flatten(0, 1))) if batch.crops is not None else None
        return {"loss": self.loss(large, small)}

    def loss(self, large: torch.Tensor, small: torch.Tensor | None) -> torch.Tensor:
        """Mean cross-entropy of every pair of a view and another large view.

        Args:
            large: (2 B, 3, S, S), first views, then second ones. small: (V B, 3, s, s), view by view.
        """
        encoder, head = self.teacher
        with torch.no_grad():
            answers = head(encoder(large).cls).float()
            first, second = ((answers - self.center) / self.teacher_temperature).softmax(1).chunk(2)
            if self.training:
                self.center.lerp_(answers.mean(0), 1 - self.center_momentum)
        said = list(self.head(self.encoder(large).cls).chunk(2))
        pairs = [(said[0], second), (said[1], first)]
        if small is not None:
            count = len(small) // len(first)
            for view in self.head(self.encoder(small).cls).chunk(count):
                pairs += [(view, first), (view, second)]
        return torch.stack([soft_cross_entropy(view, answer, self.temperature) for view, answer in pairs]).mean()

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """Moves the teacher towards the network."""
        keep = 1 - (1 - self.recipe.momentum) * (1 + math.cos(math.pi * progress)) / 2
        ours = [*self.encoder.parameters(), *self.head.parameters()]
        for old, new in zip(self.teacher.parameters(), ours, strict=True):
            old.lerp_(new, 1 - keep)


class Supervised(nn.Module):
    """The ViT with a linear head on CLS, trained with labels."""

    def __init__(self, recipe: BaselineRecipe, classes: int) -> None:
        super().__init__()
        self.encoder = ViT(recipe.vit)
        self.head = nn.Linear(recipe.vit.width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, K) logits."""
        return self.head(self.encoder(images).cls)

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        logits = self(color_jitter(to_float(batch.images), blur=0.0)).float()
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=0.1)
        return {"loss": loss, "accuracy": (logits.argmax(1) == batch.labels).float().mean()}


def image_features(encoder: ViT, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """One vector (B, D) a picture: "cls", and the mean of the "dense" ones."""
    encoded = encoder(images)
    return {"cls": encoded.cls, "dense": encoded.dense.mean(1)}


# Training


def train(recipe: BaselineRecipe, out: Path, fabric: Fabric, **options: Any) -> dict[str, float]:
    """Trains on the `train` pictures; the weights with the best kNN on `test` are `best.ckpt` in `out`.

    Raises:
        InputError: supervised, and the pictures have no classes.
    """
    torch.manual_seed(recipe.seed)
    known, asked = (read_images(recipe.data, split) for split in ("train", "test"))
    if recipe.method == "supervised" and (recipe.also or not known.classes):
        raise InputError(f"{recipe.also or recipe.data}: pictures without classes cannot be trained on with labels")
    makers: dict[str, Callable[[], nn.Module]] = {
        "mae": lambda: MAE(recipe), "dino": lambda: DINO(recipe),
        "supervised": lambda: Supervised(recipe, len(known.classes)),
    }  # fmt: skip
    model = makers[recipe.method]()
    dino = recipe.method == "dino"
    loader = image_loader(
        recipe, fabric, second=dino, crops=recipe.crops if dino else 0, crop_size=recipe.crop_size
    )  # fmt: skip
    known, asked = (subset(pictures, min(1.0, VALIDATION / len(pictures))) for pictures in (known, asked))

    def validate(module: nn.Module) -> dict[str, float]:
        encoder = module.get_submodule("encoder")
        assert isinstance(encoder, ViT)
        return knn_accuracy(lambda images: image_features(encoder, images), known, asked, recipe.image, fabric.device)

    facts = {"kind": recipe.method, "recipe": recipe.model_dump(mode="json")}
    score = "knn_dense" if recipe.method == "mae" else "knn_cls"
    job = Job(model, loader, None, validate if known.classes else None, score=score, facts=facts)
    return fit(job, recipe, out, fabric, **options)


def read_encoder(path: Path) -> ViT:
    """The ViT of a checkpoint of one of these, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    checkpoint = load(path)
    if checkpoint.facts.get("kind") not in ("mae", "dino", "supervised"):
        raise InputError(f"{path}: holds none of mae, dino, supervised; give the best.ckpt of such a run")
    encoder = ViT(BaselineRecipe.model_validate(checkpoint.facts["recipe"]).vit)
    encoder.load_state_dict(checkpoint.under("encoder."))
    return encoder.eval()
