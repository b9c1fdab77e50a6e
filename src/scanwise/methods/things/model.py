"""Whether two parts that touch are of one thing.

Shapes: E pairs, F facts of each, as of `pairs.pair_facts`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scanwise.methods.things.data import PairBatch
from scanwise.methods.things.pairs import COLOURS, GEOMETRY, NETWORK
from scanwise.methods.things.recipe import ThingsRecipe
from scanwise.training.checkpoints import load_model


class PairNet(nn.Module):
    """Two layers over the facts, scaled to deviation 1; facts that are not known are 0, and it is told so.

    Args:
        recipe: its shape.
        classes: K names of the 3D network's classes.

    Attributes:
        mean: (F,) of the facts in training.
        spread: (F,) their deviation.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, recipe: ThingsRecipe, classes: list[str]) -> None:
        super().__init__()
        self.recipe, self.classes = recipe, classes
        facts = GEOMETRY + COLOURS + NETWORK + 2 * len(classes)
        self.register_buffer("mean", torch.zeros(facts))
        self.register_buffer("spread", torch.ones(facts))
        self.layers = nn.Sequential(
            nn.Linear(facts + 2, recipe.hidden), nn.GELU(), nn.Dropout(recipe.dropout),
            nn.Linear(recipe.hidden, recipe.hidden), nn.GELU(), nn.Dropout(recipe.dropout),
            nn.Linear(recipe.hidden, 1),
        )  # fmt: skip

    def scale_by(self, facts: torch.Tensor) -> None:
        """Takes mean and deviation of known facts (E, F)."""
        known = facts.isfinite()
        count, values = known.sum(0).clamp(min=1), facts.nan_to_num()
        self.mean.copy_(values.sum(0) / count)
        variance = ((values - self.mean) ** 2 * known).sum(0) / count
        self.spread.copy_(torch.where(variance > 1e-6, variance.sqrt(), 1.0))

    def forward(self, facts: torch.Tensor) -> torch.Tensor:
        """Logits (E,) of facts (E, F)."""
        scaled = (facts - self.mean) / self.spread
        if self.training:
            scaled = scaled + self.recipe.noise * torch.randn_like(scaled)
        missing = facts[:, [GEOMETRY, GEOMETRY + COLOURS]].isnan().float()
        return self.layers(torch.cat([scaled.nan_to_num().clamp(-5, 5), missing], 1))[:, 0]

    def training_step(self, batch: PairBatch, progress: float) -> dict[str, torch.Tensor]:
        """Binary cross-entropy over the pairs.

        Args:
            batch: pairs of some scenes.
            progress: share of the run that is done; nothing depends on it.
        """
        logits = self(batch.facts)
        loss = functional.binary_cross_entropy_with_logits(logits, batch.same)
        right = ((logits > 0) == (batch.same > 0.5)).float().mean()
        return {"loss": loss, "right": right.detach()}

    @torch.inference_mode()
    def logits(self, facts: np.ndarray) -> np.ndarray:
        """(E,) float32 of facts (E, F), in evaluation mode."""
        self.eval()
        return self(torch.from_numpy(facts).to(self.mean.device)).cpu().numpy()


def load_things(path: Path) -> PairNet:
    """A trained network.

    Args:
        path: a checkpoint, a run's folder, or shipped weights by name.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    return load_model(
        path, "things",
        lambda found: PairNet(ThingsRecipe.model_validate(found.facts["recipe"]), found.facts["classes"]),
        made_by="train things", called="network of things",
    )  # fmt: skip
