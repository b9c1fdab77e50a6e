"""Prototypes that tokens are assigned to, and the losses of self-supervised learning that need no more than vectors."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class ClusterHead(nn.Module):
    """Vectors (..., D) -> logits (..., K): an MLP, a unit vector, its inner products with K free prototypes.

    Args:
        width: D. hidden: channels of the MLP. dim: of the unit vectors. prototypes: K.
    """

    def __init__(self, width: int, hidden: int, dim: int, prototypes: int) -> None:
        super().__init__()
        self.predictor = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.prototypes = nn.Linear(dim, prototypes, bias=False)
        nn.init.normal_(self.prototypes.weight)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        return self.prototypes(functional.normalize(self.predictor(vectors), dim=-1))


class CosineHead(ClusterHead):
    """The same with prototypes of length 1, as DINO's last layer has them (arXiv 2104.14294, appendix C): longer ones
    make a teacher of temperature 0.04 so sure that it collapses."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Cosines (..., K) of vectors (..., D) and prototypes."""
        units = functional.normalize(self.predictor(vectors), dim=-1)
        return units @ functional.normalize(self.prototypes.weight, dim=-1).T


def soft_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, temperature: float, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean of -sum_k target_k log softmax(logits / temperature)_k.

    Args:
        logits, targets: (..., K). weights: (...) of each term; the mean is over all, those of weight 0 included.
    """
    losses = -(targets * functional.log_softmax(logits.float() / temperature, -1)).sum(-1)
    return losses.mean() if weights is None else (losses * weights).mean()


def koleo(groups: torch.Tensor) -> torch.Tensor:
    """Kozachenko-Leonenko regulariser (arXiv 1806.03198): spreads the vectors of each group over the sphere.

    Args:
        groups: (G, n, C); the nearest neighbour of a vector is sought in its group, n >= 2.

    Returns:
        Mean of -log(distance / 2), the distance between unit vectors.
    """
    units = functional.normalize(groups.float(), dim=-1)
    with torch.no_grad():
        cosines = units @ units.transpose(1, 2)
        cosines.diagonal(dim1=1, dim2=2).fill_(-2)
        nearest = cosines.argmax(2)
    others = units.gather(1, nearest[:, :, None].expand_as(units))
    return -torch.log(0.5 * functional.pairwise_distance(units, others, eps=1e-8) + 1e-8).mean()
