"""The small network that weighs what speaks for each candidate; learned from masks alone.

Its first half reads a candidate by itself (`evidence.ALONE`) and says what phrases may mean; the second reads all
numbers and chooses what the sentence means. The loss of both is -log of the IoU that a draw by the softmax of
scores can expect: which objects are right, and how well they are cut out, count alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from scanwise.training.checkpoints import load_model
from scanwise.understand.choosing.evidence import ALONE, FEATURES, MASK, RELATIONS

SHIPPED = Path("ask-rooms")
WIDTH = 32
TRUST = ("mass", "joint", "joint over best", "mask over best", "fit", "presence", "relations", "color", "rival", "noun")
"""Numbers that tell how far an answer can be trusted."""


GROUPS = {
    "words": ("joint", "joint over best", "pictures", "shapes", "margin", "color", "color over best", "not color"),
    "relations": RELATIONS,
    "less": MASK,
}
"""What an answer goes by, beside the build of candidates; each may be left out."""


class Ranker(nn.Module):
    """Scores of candidates, and how sure a choice is.

    Attributes:
        mean: (F,) of the features where it learned.
        scale: (F,) their standard deviations.
        least: () presence from which a thing counts as being here.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    least: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(FEATURES)))
        self.register_buffer("scale", torch.ones(len(FEATURES)))
        self.register_buffer("least", torch.tensor(0.5))
        self.by_itself = nn.Sequential(nn.Linear(len(ALONE), WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))
        self.linear = nn.Linear(len(FEATURES), 1)
        self.hidden = nn.Sequential(nn.Linear(len(FEATURES), WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))
        self.right = nn.Linear(len(TRUST), 1)
        self.here = nn.Linear(len(TRUST), 1)

    @property
    def threshold(self) -> float:
        """Presence from which a thing counts as being here."""
        return float(self.least)

    def fit_scale(self, features: torch.Tensor) -> None:
        """Takes mean and scale of features (n, F) for its own."""
        self.mean.copy_(features.mean(0))
        self.scale.copy_(features.std(0).clamp(min=0.05))

    def alone(self, numbers: torch.Tensor) -> torch.Tensor:
        """(..., len(ALONE)) of candidates by themselves -> (...) scores."""
        count = len(ALONE)
        return self.by_itself((numbers - self.mean[:count]) / self.scale[:count])[..., 0]

    def forward(self, numbers: torch.Tensor, without: Sequence[str] = ()) -> torch.Tensor:
        """(..., F) of candidates -> (...) scores.

        Args:
            numbers: what speaks for them.
            without: groups of numbers (of `GROUPS`) that are not looked at.
        """
        scaled = (numbers - self.mean) / self.scale
        if without:
            kept = torch.tensor([all(name not in GROUPS[group] for group in without) for name in FEATURES])
            scaled = scaled * kept.to(scaled.device)
        return (self.linear(scaled) + self.hidden(scaled))[..., 0]

    def sure(self, trust: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of numbers (..., len(TRUST)) how likely (...) the choice is right, and (...) something fits, 0..1."""
        return self.right(trust)[..., 0].sigmoid(), self.here(trust)[..., 0].sigmoid()


def expected_iou_loss(scores: torch.Tensor, ious: torch.Tensor) -> torch.Tensor:
    """-log of the IoU that a draw by softmax of scores (n,) expects, of IoUs (n,)."""
    return -torch.log((scores.softmax(-1) * ious).sum(-1) + 0.01).mean()


@lru_cache(maxsize=2)
def load_ranker(path: Path = SHIPPED) -> Ranker:
    """A trained ranker, in evaluation mode.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    return load_model(path, "ask", lambda _: Ranker(), made_by="train ask", called="ranker").eval()
