"""The loss of STELLAR that needs no more than vectors; the others compare assignments (`scanwise.nn.heads`)."""

from __future__ import annotations

import torch
from torch.nn import functional


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
