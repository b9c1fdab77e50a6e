"""GeoPurify's contrastive loss: whom each voxel is drawn to and pushed from (arXiv 2510.02186, section 3.2)."""

from __future__ import annotations

import torch
from torch.nn import functional


def contrast_pairs(
    teacher: torch.Tensor,
    neighbours: torch.Tensor,
    anchors: torch.Tensor,
    *,
    candidates: torch.Tensor | None = None,
    macro: int = 48,
    micro: int = 15,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whom each anchor is drawn to and pushed from, by the cosine of teacher features.

    Args:
        teacher: (N, D).
        neighbours: (N, K) nearest points in space, without the point itself.
        anchors: (A,) rows.
        candidates: (m,) rows that positives and macro negatives are chosen among, the anchors within them; None = all.
            Where the teacher has one feature for many points, one point of each: else the most alike point is one
            with the anchor's own feature, and the least alike all lie in one voxel of the teacher.
        macro: negatives that are the least alike of the scene.
        micro: negatives that are the least alike of the anchor's neighbours.

    Returns:
        (A,) the most alike other point; (A, macro + micro) negatives, the least alike first in each part. Neither
        holds the anchor or its positive; a point can be both a macro and a micro negative.
    """
    unit = functional.normalize(teacher.float(), dim=1)
    candidates = torch.arange(len(unit), device=unit.device) if candidates is None else candidates
    column = torch.empty(len(unit), dtype=torch.long, device=unit.device)
    column[candidates] = torch.arange(len(candidates), device=unit.device)
    positives, negatives = [], []
    wide = max(len(candidates), neighbours.shape[1] * unit.shape[1], 1)
    for part in anchors.split(max(1, (1 << 26) // wide)):
        alike = unit[part] @ unit[candidates].T
        rows = torch.arange(len(part), device=part.device)
        alike[rows, column[part]] = -torch.inf
        positive = alike.argmax(1)
        alike[rows, column[part]] = alike[rows, positive] = torch.inf
        positives.append(candidates[positive])
        far = candidates[alike.topk(macro, dim=1, largest=False, sorted=True).indices]
        near = neighbours[part].long()
        least = torch.einsum("ad,akd->ak", unit[part], unit[near])
        least = least.masked_fill((near == part[:, None]) | (near == positives[-1][:, None]), torch.inf)
        least = least.topk(micro, dim=1, largest=False, sorted=True).indices
        negatives.append(torch.cat([far, near.gather(1, least)], 1))
    return torch.cat(positives), torch.cat(negatives)


def info_nce(
    embedding: torch.Tensor,
    anchors: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    *,
    temperature: float = 0.07,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of picking the positive out of the negatives by cosine (equation 4 of the paper).

    Args:
        embedding: (N, D).
        anchors: (A,) rows.
        positives: (A,) rows.
        negatives: (A, M) rows.
        temperature: that cosines are divided by.

    Returns:
        Scalar loss, and the logits (A, 1 + M), positive first.
    """
    unit = functional.normalize(embedding.float(), dim=1)
    others = torch.cat([positives[:, None], negatives], 1)
    chosen = unit.index_select(0, others.flatten()).view(*others.shape, -1)
    logits = torch.einsum("ad,amd->am", unit.index_select(0, anchors), chosen) / temperature
    return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long)), logits
