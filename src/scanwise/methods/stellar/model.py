"""STELLAR: pictures as sixteen tokens that keep both meaning and place, learned without labels (arXiv 2602.01905).

The network is `scanwise.nn.sparse_tokens`; here is how it is trained:

    reconstruction     of the pictures from the low-rank product L S, pixels or a tokenizer's codes
    clustering         of tokens, and of CLS, into prototypes: targets by Sinkhorn over the batch
    alignment          a masked view's tokens predict the targets of the full view's tokens that they are matched to;
                       its CLS, and that of small crops, those of the full view's CLS
    KoLeo              spreads the tokens of each picture

The targets are the network's own, as published, or those of an EMA teacher, for all or the first part of the run.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict
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
from scanwise.evaluation.image_probes import knn_accuracy, reconstruction_errors
from scanwise.nn import masks
from scanwise.nn.heads import koleo, soft_cross_entropy
from scanwise.nn.sparse_tokens import SparseTokens, TokenConfig, Tokenizer
from scanwise.nn.text import file_sha256
from scanwise.nn.transport import match, sinkhorn
from scanwise.nn.vit import Encoded
from scanwise.training.checkpoints import load, locate
from scanwise.training.images import ImageRecipe, image_loader, read_network
from scanwise.training.loop import Job, fit
from scanwise.vision.stellar import Features, StellarTrunk

VALIDATION = 2000  # pictures of each split that a run's kNN is measured on


class StellarRecipe(ImageRecipe):
    """A pretraining run without labels.

    Attributes:
        tokens: r; 0 = every patch is a token. bottleneck: what is reconstructed from, L S ("sparse") or U ("dense").
        prototypes, prototype_width, predictor: of the cluster heads. decoder_*: of the decoder.
        masked_views: of each picture. drop: share of the patches that they lack. focal: share of the masked views
            whose patches gather around a centre. blocks: share of the others that keep a block whole.
        crops: small crops of each picture, `crop_size` pixels a side.
        column_power: 1 = all prototypes get equally many tokens, less = softer.
        reconstruction: weight; None = 10 of pixels, 0.05 of codes. koleo: weight.
        teacher: share of the steps, from the first, whose targets are an EMA teacher's: 0 = none, 1 = all; between,
            a warm-up from a random start. momentum: of the teacher at first; it rises to 1 along half a cosine.
        second_view: the teacher looks at another crop of the picture.
        official: do as the official code does where it differs from its paper: the number of kept patches is rounded
            down, and `blocks` puts a block into every masked view.
    """

    tokens: int = Field(16, ge=0)
    bottleneck: Literal["sparse", "dense"] = "sparse"
    prototypes: int = Field(1024, ge=2)
    prototype_width: int = Field(128, ge=2)
    predictor: int = Field(512, ge=2)
    decoder_width: int = Field(128, ge=8)
    decoder_depth: int = Field(2, ge=1)
    decoder_heads: int = Field(4, ge=1)
    masked_views: int = Field(8, ge=0)
    drop: float = Field(0.8, gt=0, lt=1)
    focal: float = Field(0.5, ge=0, le=1)
    blocks: float = Field(0.0, ge=0, le=1)
    crops: int = Field(8, ge=0)
    crop_size: int = Field(16, ge=4)
    column_power: float = Field(1.0, ge=0, le=1)
    reconstruction: float | None = Field(None, ge=0)
    koleo: float = Field(0.1, ge=0)
    teacher: float = Field(0.0, ge=0, le=1)
    momentum: float = Field(0.992, ge=0, le=1)
    second_view: bool = False
    official: bool = False
    clip: float = Field(3.0, ge=0)
    weight_decay: float = Field(0.04, ge=0)
    learning_rate: float = Field(5e-4, gt=0)

    @model_validator(mode="after")
    def _second_view_needs_teacher(self) -> StellarRecipe:
        if self.second_view and not self.teacher:
            raise ValueError("second_view is what the teacher looks at; set teacher above 0")
        if self.crop_size % self.patch:
            raise ValueError(f"crop_size {self.crop_size} is no multiple of patch {self.patch}")
        return self

    def network(self, codes: int = 0) -> TokenConfig:
        """The network's shape."""
        return TokenConfig(
            self.vit, self.tokens, self.bottleneck, codes=codes, decoder_width=self.decoder_width,
            decoder_depth=self.decoder_depth, decoder_heads=self.decoder_heads, decoder_mlp=4 * self.decoder_width,
            prototypes=self.prototypes, prototype_width=self.prototype_width, predictor=self.predictor,
        )  # fmt: skip


class Stellar(nn.Module):
    """The network in training.

    Attributes:
        network: SparseTokens. teacher: its average over time, None where the recipe wants none.

    Args:
        tokenizer: whose codes are reconstructed; None = pixels are. It stays as it is and is not in the checkpoints.
    """

    target_temperature = 0.06
    temperature = 0.12
    iterations = 3
    match_epsilon = 0.1
    match_iterations = 5

    def __init__(self, recipe: StellarRecipe, network: SparseTokens, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.recipe, self.network = recipe, network
        self._tokenizer = (tokenizer,)  # in a tuple: no part of this module's state
        if not network.config.tokens or network.config.bottleneck == "dense":
            for unused in (network.dense_project, network.sparse_project):
                unused.requires_grad_(False)
        network.tokens.requires_grad_(network.config.tokens > 0)
        self.teacher = copy.deepcopy(network).requires_grad_(False) if recipe.teacher else None

    def training_step(self, batch: ImageBatch, progress: float) -> dict[str, torch.Tensor]:
        """Losses of a batch of pictures; those beside "loss" are for the log."""
        recipe = self.recipe
        images = to_float(batch.images)
        views = color_jitter(images.repeat_interleave(recipe.masked_views, 0))
        side = images.shape[2] // recipe.patch
        keep = masks.draw(
            len(views), side, recipe.drop, focal=recipe.focal, blocks=recipe.blocks, device=images.device,
            official=recipe.official,
        ) if recipe.masked_views else torch.zeros(0, 0, dtype=torch.int64)  # fmt: skip
        crops = None
        if batch.crops is not None:
            crops = color_jitter(to_float(batch.crops.flatten(0, 1))).unflatten(0, batch.crops.shape[:2])
        taught = images if batch.second is None else to_float(batch.second)
        losses = self.losses(
            images, views.unflatten(0, (len(images), -1)) if recipe.masked_views else None, keep, crops,
            taught=taught if progress < recipe.teacher else None,
        )  # fmt: skip
        return {name: value if name == "loss" else value.detach() for name, value in losses.items()}

    def losses(
        self, images: torch.Tensor, views: torch.Tensor | None, keep: torch.Tensor, crops: torch.Tensor | None,
        *, taught: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        """Every term without its weight, and their weighted sum "loss".

        Args:
            images: (B, 3, S, S) in [0, 1], encoded whole. views: (B, V, 3, S, S), encoded as far as `keep` says,
                (B V, k) patches. crops: (B, W, 3, s, s).
            taught: (B, 3, S, S) what the teacher makes targets from; None = the targets are the network's own.
        """
        network = self.network
        full = network.encode(images)
        token_logits, cls_logits = network.token_head(full.sparse), network.cls_head(full.cls)
        if taught is None:
            tokens, token_targets, cls_targets = full.sparse, self._assign(token_logits), self._assign(cls_logits)
            own_targets = token_targets
        else:
            tokens, token_targets, cls_targets = self._teach(taught)
            own_targets = self._matched(full.sparse, tokens, token_targets)
        found = {
            "reconstruction": self._reconstruction(full, images),
            "cluster": soft_cross_entropy(token_logits, own_targets, self.temperature),
            "cls_cluster": soft_cross_entropy(cls_logits, cls_targets, self.temperature),
            "koleo": koleo(full.sparse),
            "cls": full.cls.new_zeros(()),
        }
        if views is not None:
            masked = network.encode(views.flatten(0, 1), keep)
            repeats = views.shape[1]
            targets = self._matched(
                masked.sparse, tokens.repeat_interleave(repeats, 0), token_targets.repeat_interleave(repeats, 0)
            )
            found["mask"] = soft_cross_entropy(network.token_head(masked.sparse), targets, self.temperature)
            found["cls"] = found["cls"] + self._cls_loss(masked.cls, cls_targets)
            found["koleo"] = found["koleo"] + koleo(masked.sparse)
        if crops is not None:
            found["cls"] = found["cls"] + self._cls_loss(network.encode(crops.flatten(0, 1)).cls, cls_targets)
        weights = {"reconstruction": self.reconstruction_weight, "koleo": self.recipe.koleo}
        total = torch.stack([weights.get(name, 1.0) * value for name, value in found.items()]).sum()
        return {"loss": total, **found}

    @property
    def reconstruction_weight(self) -> float:
        """The recipe's, or the paper's for what is reconstructed."""
        if self.recipe.reconstruction is not None:
            return self.recipe.reconstruction
        return 0.05 if self.network.config.codes else 10.0

    def _reconstruction(self, encoded: Encoded, images: torch.Tensor) -> torch.Tensor:
        decoded = self.network.decode(encoded)
        if not self.network.config.codes:
            return functional.mse_loss(decoded.float(), images)
        (tokenizer,) = self._tokenizer
        if tokenizer is None:
            raise ValueError("a network of codes is trained with the tokenizer that they are of")
        with torch.no_grad():
            codes = tokenizer.encode(images)
        return functional.cross_entropy(decoded.flatten(0, 1).float(), codes.flatten())

    def _assign(self, logits: torch.Tensor) -> torch.Tensor:
        """Sinkhorn's assignment of all vectors (..., K) of the batch, without a gradient."""
        rows = logits.detach().flatten(0, -2) / self.target_temperature
        assigned = sinkhorn(rows, iterations=self.iterations, column_power=self.recipe.column_power)
        return assigned.view(logits.shape)

    @torch.no_grad()
    def _teach(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The teacher's tokens, their targets, and those of CLS."""
        assert self.teacher is not None
        seen = self.teacher.encode(images)
        return seen.sparse, self._assign(self.teacher.token_head(seen.sparse)), self._assign(
            self.teacher.cls_head(seen.cls)
        )  # fmt: skip

    def _matched(self, predicted: torch.Tensor, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(N, p, K): for each of (N, p, D) tokens the target of that of (N, t, D) tokens which it is matched to."""
        index, _ = match(
            predicted.detach(), tokens.detach(), epsilon=self.match_epsilon, iterations=self.match_iterations
        )
        return targets.gather(1, index[:, :, None].expand(-1, -1, targets.shape[2]))

    def _cls_loss(self, cls: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        repeats = len(cls) // len(targets)
        return soft_cross_entropy(self.network.cls_head(cls), targets.repeat_interleave(repeats, 0), self.temperature)

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """Moves the teacher towards the network."""
        if self.teacher is None or progress >= self.recipe.teacher:
            return
        keep = teacher_momentum(progress / self.recipe.teacher, self.recipe.momentum)
        for old, new in zip(self.teacher.parameters(), self.network.parameters(), strict=True):
            old.lerp_(new, 1 - keep)


def teacher_momentum(done: float, first: float) -> float:
    """From `first` to 1 along half a cosine; done: 0..1."""
    return 1 - (1 - first) * (1 + math.cos(math.pi * done)) / 2


# Training


def train(
    recipe: StellarRecipe, out: Path, fabric: Fabric, tokenizer: Tokenizer | None = None, **options: Any
) -> dict[str, float]:
    """Trains on the `train` pictures; the weights with the best kNN on `test` are `best.ckpt` in `out`.

    Pictures without classes are validated by their reconstruction. Gives the best metrics.
    """
    torch.manual_seed(recipe.seed)
    model = Stellar(recipe, SparseTokens(recipe.network(tokenizer.codes if tokenizer else 0)), tokenizer)
    if recipe.init:
        start_from(model, Path(recipe.init))
    loader = image_loader(
        recipe, fabric, second=recipe.second_view, crops=recipe.crops, crop_size=recipe.crop_size
    )  # fmt: skip
    splits = [read_images(recipe.data, split) for split in ("train", "test")]
    known, asked = (subset(pictures, min(1.0, VALIDATION / len(pictures))) for pictures in splits)

    def validate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, Stellar)
        network = module.network
        device = fabric.device
        metrics = reconstruction_errors(
            lambda images: network.reconstruct(images, tokenizer), asked, recipe.image, device
        )
        if known.classes:
            metrics |= knn_accuracy(lambda images: image_features(network, images), known, asked, recipe.image, device)
        return {**metrics, "score": metrics.get("knn_sparse", metrics["psnr"])}

    facts = {"kind": "stellar", "recipe": recipe.model_dump(mode="json"), "network": asdict(model.network.config)}
    job = Job(model, loader, None, validate, score="score", facts=facts)
    return fit(job, recipe, out, fabric, **options)


def image_features(network: SparseTokens, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """One vector (B, D) a picture, by each way to have one: "cls", mean of "sparse" tokens, mean of "dense"."""
    encoded = network.encode(images)
    return {"cls": encoded.cls, "sparse": encoded.sparse.mean(1), "dense": encoded.dense.mean(1)}


def similarity(asked: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(N,) how well the tokens (r, D) of one picture match those of others (N, r, D): the mean cosine of each token
    and the one that it is matched to, -1..1."""
    asked, others = functional.normalize(asked, dim=-1), functional.normalize(others, dim=-1)
    query = asked.expand(len(others), -1, -1)
    index, _ = match(query, others, epsilon=Stellar.match_epsilon, iterations=Stellar.match_iterations)
    matched = others.gather(1, index[:, :, None].expand_as(query))
    return (query * matched).sum(-1).mean(-1)


def start_from(model: Stellar, path: Path) -> None:
    """Takes over the ViT of another run (of MAE, say); what it lacks stays random.

    Raises:
        InputError: the checkpoint has another ViT.
    """
    weights = load(path).under("network.encoder.") or load(path).under("encoder.")
    own = model.network.encoder.state_dict()
    wrong = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    if wrong:
        raise InputError(f"{path}: its ViT does not fit ({wrong[0]}); are size, image and patch those of that run?")
    model.network.encoder.load_state_dict({name: weights[name] for name in own})
    if model.teacher is not None:
        model.teacher.load_state_dict(model.network.state_dict())


def read_trunk(path: Path, features: Features = "dense", side: int | None = None) -> StellarTrunk:
    """A checkpoint's network as a trunk of patch features; arguments as of StellarTrunk, errors as of read_network."""
    file = locate(path)
    return StellarTrunk(read_network(file), features, side, {file.name: file_sha256(file)})
