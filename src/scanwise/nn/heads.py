"""Prototypes that vectors are assigned to, and the loss of such assignments."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class ClusterHead(nn.Module):
    """Vectors (..., D) -> logits (..., K): an MLP, a unit vector, its inner products with K prototypes.

    Free prototypes grow as they learn, and so does how sure the head is of them; those of length 1 give cosines.

    Args:
        width: D.
        hidden: channels of the MLP.
        dim: of the unit vectors.
        prototypes: K.
        unit: prototypes are brought to length 1.
    """

    def __init__(self, width: int, hidden: int, dim: int, prototypes: int, *, unit: bool = False) -> None:
        super().__init__()
        self.unit = unit
        self.predictor = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.prototypes = nn.Linear(dim, prototypes, bias=False)
        nn.init.normal_(self.prototypes.weight)
        if unit:  # so that steps of the optimiser are as large for them as for the rest
            self.prototypes.weight.data = functional.normalize(self.prototypes.weight.data, dim=-1)

    @property
    def undecayed(self) -> list[nn.Parameter]:
        """Whose length does not matter, so that the optimiser need not shorten it (`training.loop`)."""
        return [*self.prototypes.parameters()] if self.unit else []

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Logits (..., K) of vectors (..., D)."""
        units, prototypes = functional.normalize(self.predictor(vectors), dim=-1), self.prototypes.weight
        return functional.linear(units, functional.normalize(prototypes, dim=-1) if self.unit else prototypes)


def soft_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, temperature: float, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean of -sum_k target_k log softmax(logits / temperature)_k.

    Args:
        logits: (..., K).
        targets: (..., K), each row sums to 1.
        temperature: of the softmax.
        weights: (...) of each term; the mean is over all, those of weight 0 included.
    """
    losses = -(targets * functional.log_softmax(logits.float() / temperature, -1)).sum(-1)
    return losses.mean() if weights is None else (losses * weights).mean()
