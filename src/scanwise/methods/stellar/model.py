"""STELLAR: images as sixteen tokens that keep both meaning and place, learned without labels (arXiv 2602.01905).

The network is `scanwise.nn.sparse_tokens`; here is how it is trained:

    reconstruction     of the images from the low-rank product L S, pixels or a tokenizer's codes
    clustering         of tokens, and of CLS, into prototypes: targets by Sinkhorn over the batch
    alignment          a masked view's tokens predict the targets of the full view's tokens that they are matched to;
                       its CLS, and that of small crops, those of the full view's CLS
    KoLeo              spreads the tokens of each image

The targets are the network's own, as published, or those of an EMA teacher, for all or the first part of the run.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional

from scanwise.data.image_views import color_jitter
from scanwise.data.images import ImageBatch, to_float
from scanwise.methods.stellar.losses import koleo
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn import masks
from scanwise.nn.heads import soft_cross_entropy
from scanwise.nn.sparse_tokens import SparseTokens, Tokenizer
from scanwise.nn.transport import match, sinkhorn
from scanwise.nn.vit import Encoded
from scanwise.training.images import views_of
from scanwise.training.teacher import follow, momentum


class Stellar(nn.Module):
    """The network in training.

        model = Stellar(recipe, SparseTokens(recipe.network()))
        model.training_step(batch, progress)["loss"].backward()

    Args:
        recipe: weights of the losses, views, teacher.
        network: what is trained.
        tokenizer: whose codes are reconstructed; None = pixels are. It stays as it is and is not in the checkpoints.

    Attributes:
        recipe: as given.
        network: as given.
        teacher: the network's average over time; None where the recipe wants none.
        target_temperature: of the targets' softmax.
        temperature: of the predictions' softmax.
        iterations: of Sinkhorn over the batch.
        match_epsilon: entropy of the matching of tokens.
        match_iterations: of Sinkhorn in the matching.
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
        """Losses of a batch; those beside "loss" are for the log.

        Args:
            batch: whole pictures that views are drawn from, or such views.
            progress: share of the run that is done, 0..1.
        """
        recipe = self.recipe
        batch = views_of(batch, recipe, progress, second=recipe.second_view, small=recipe.crops)
        images = to_float(batch.images)
        grid = (images.shape[2] // recipe.patch, images.shape[3] // recipe.patch)
        views = color_jitter(images.repeat_interleave(recipe.masked_views, 0))
        keep = masks.draw(
            len(views), grid, recipe.drop, focal=recipe.focal, blocks=recipe.blocks, device=images.device,
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
        shown = {name: value if name == "loss" else value.detach() for name, value in losses.items()}
        return shown | (self._gradient_norms(losses, progress) if recipe.gradient_norms else {})

    def _gradient_norms(self, losses: dict[str, torch.Tensor], progress: float) -> dict[str, torch.Tensor]:
        """Norm of each weighted term's gradient in the encoder; nan at steps that are not measured."""
        terms = {name: value for name, value in losses.items() if name != "loss"}
        if round(progress * self.recipe.steps) % self.recipe.gradient_norms:
            return {f"gradient_{name}": value.new_tensor(torch.nan) for name, value in terms.items()}
        encoder = [value for value in self.network.encoder.parameters() if value.requires_grad]
        found = {}
        for name, value in terms.items():
            parts = (
                torch.autograd.grad(self._weight(name) * value, encoder, retain_graph=True, allow_unused=True)
                if value.requires_grad else ()
            )  # fmt: skip
            squares = [part.float().square().sum() for part in parts if part is not None]
            found[f"gradient_{name}"] = torch.stack(squares).sum().sqrt() if squares else value.new_zeros(())
        return found

    def losses(
        self, images: torch.Tensor, views: torch.Tensor | None, keep: torch.Tensor, crops: torch.Tensor | None,
        *, taught: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:  # fmt: skip
        """Every term without its weight, and their weighted sum "loss".

        Args:
            images: (B, 3, H, W) in [0, 1], encoded whole.
            views: (B, V, 3, H, W), of which the patches `keep` are encoded; None = no masked views.
            keep: (B V, k) int64 patches, counted row by row.
            crops: (B, W, 3, s, s); None = no small crops.
            taught: (B, 3, H, W) what the teacher makes targets from; None = the targets are the network's own.
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
        terms = {
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
            terms["mask"] = soft_cross_entropy(network.token_head(masked.sparse), targets, self.temperature)
            terms["cls"] = terms["cls"] + self._cls_loss(masked.cls, cls_targets)
            terms["koleo"] = terms["koleo"] + koleo(masked.sparse)
        if crops is not None:
            terms["cls"] = terms["cls"] + self._cls_loss(network.encode(crops.flatten(0, 1)).cls, cls_targets)
        total = torch.stack([self._weight(name) * value for name, value in terms.items()]).sum()
        return {"loss": total, **terms}

    def _weight(self, term: str) -> float:
        """Of a term in the sum."""
        return {"reconstruction": self.reconstruction_weight, "koleo": self.recipe.koleo}.get(term, 1.0)

    @property
    def reconstruction_weight(self) -> float:
        """The recipe's, or the paper's for what is reconstructed."""
        if self.recipe.reconstruction is not None:
            return self.recipe.reconstruction
        return 0.05 if self.network.config.codes else 10.0

    def _reconstruction(self, encoded: Encoded, images: torch.Tensor) -> torch.Tensor:
        patch = self.network.config.encoder.patch
        decoded = self.network.decode(encoded, (images.shape[2] // patch, images.shape[3] // patch))
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
        encoded = self.teacher.encode(images)
        token_targets = self._assign(self.teacher.token_head(encoded.sparse))
        return encoded.sparse, token_targets, self._assign(self.teacher.cls_head(encoded.cls))

    def _matched(self, predicted: torch.Tensor, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(N, p, K): for each of (N, p, D) tokens the target of that of (N, t, D) tokens which it is matched to."""
        index, _ = match(
            predicted.detach(), tokens.detach(), epsilon=self.match_epsilon, iterations=self.match_iterations
        )
        return targets.gather(1, index[:, :, None].expand(-1, -1, targets.shape[2]))

    def _cls_loss(self, cls: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        repeats = len(cls) // len(targets)
        return soft_cross_entropy(self.network.cls_head(cls), targets.repeat_interleave(repeats, 0), self.temperature)

    def after_step(self, progress: float) -> None:
        """Moves the teacher towards the network, as long as it teaches.

        Args:
            progress: share of the run that is done, 0..1.
        """
        if self.teacher is not None and progress < self.recipe.teacher:
            follow(self.teacher, self.network, momentum(progress / self.recipe.teacher, self.recipe.momentum))
