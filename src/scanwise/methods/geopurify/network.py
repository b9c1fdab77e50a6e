"""GeoPurify's student: a sparse network that embeds voxels so that those of one thing are alike (arXiv 2510.02186)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from scanwise.nn.sparse import SparseTensor, SubmanifoldConv3d


@dataclass(frozen=True)
class AffinityConfig:
    """What a network looks like; the defaults are the paper's.

    Attributes:
        in_channels: lifted feature, colour and normal. hidden: of the convolutions. channels: of the embedding.
        blocks: residual blocks.
    """

    in_channels: int = 518
    hidden: int = 512
    channels: int = 128
    blocks: int = 4


class AffinityNetwork(nn.Module):
    """Voxels (N, in_channels) -> embeddings (N, channels), not normalised: 3^3, residual blocks, 1^3.

    network = AffinityNetwork(AffinityConfig(in_channels=38, hidden=64, channels=32))
    embedding = network(SparseTensor(coords, feats, batch))
    """

    def __init__(self, config: AffinityConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = SubmanifoldConv3d(config.in_channels, config.hidden, 3, bias=False)
        self.norm = nn.BatchNorm1d(config.hidden)
        self.blocks = nn.ModuleList(AffinityBlock(config.hidden) for _ in range(config.blocks))
        self.head = SubmanifoldConv3d(config.hidden, config.channels, 1, bias=False)

    def forward(self, voxels: SparseTensor) -> torch.Tensor:
        voxels = self.stem(voxels)
        voxels = voxels.replace(functional.relu(self.norm(voxels.feats)))
        for block in self.blocks:
            voxels = block(voxels)
        return self.head(voxels).feats


class AffinityBlock(nn.Module):
    """ReLU(x + BN(conv(ReLU(BN(conv(x))))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = SubmanifoldConv3d(channels, channels, 3, bias=False)
        self.norm1 = nn.BatchNorm1d(channels)
        self.conv2 = SubmanifoldConv3d(channels, channels, 3, bias=False)
        self.norm2 = nn.BatchNorm1d(channels)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        inner = self.conv1(voxels)
        inner = self.conv2(inner.replace(functional.relu(self.norm1(inner.feats))))
        return voxels.replace(functional.relu(voxels.feats + self.norm2(inner.feats)))


def contrast_pairs(
    teacher: torch.Tensor,
    neighbours: torch.Tensor,
    anchors: torch.Tensor,
    *,
    among: torch.Tensor | None = None,
    macro: int = 48,
    micro: int = 15,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Whom each anchor is drawn to and pushed from, by the cosine of teacher features (section 3.2 there).

    Args:
        teacher: (N, D). neighbours: (N, K) nearest points in space, without the point itself. anchors: (A,) rows.
        among: (m,) rows that positives and macro negatives are chosen among, the anchors within them; None = all.
            Where the teacher has one feature for many points, one point of each: else the most alike point is one
            with the anchor's own feature, and the least alike are all of one place.
        macro: negatives that are the least alike of the scene. micro: those least alike among the neighbours.

    Returns:
        (A,) the most alike other point; (A, macro + micro) negatives, the least alike first in each part. Neither
        holds the anchor or its positive; a point can be both a macro and a micro negative.
    """
    unit = functional.normalize(teacher.float(), dim=1)
    among = torch.arange(len(unit), device=unit.device) if among is None else among
    place = torch.empty(len(unit), dtype=torch.long, device=unit.device)
    place[among] = torch.arange(len(among), device=unit.device)
    positives, negatives = [], []
    wide = max(len(among), neighbours.shape[1] * unit.shape[1], 1)
    for part in anchors.split(max(1, (1 << 26) // wide)):
        alike = unit[part] @ unit[among].T
        rows = torch.arange(len(part), device=part.device)
        alike[rows, place[part]] = -torch.inf
        positive = alike.argmax(1)
        alike[rows, place[part]] = alike[rows, positive] = torch.inf
        positives.append(among[positive])
        far = among[alike.topk(macro, dim=1, largest=False, sorted=True).indices]
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
    """Cross-entropy of picking the positive out of the negatives by cosine (equation 4 there).

    Args:
        embedding: (N, D). anchors, positives: (A,) rows. negatives: (A, M) rows.

    Returns:
        Scalar loss, and the logits (A, 1 + M), positive first.
    """
    unit = functional.normalize(embedding.float(), dim=1)
    others = torch.cat([positives[:, None], negatives], 1)
    chosen = unit.index_select(0, others.flatten()).view(*others.shape, -1)
    logits = torch.einsum("ad,amd->am", unit.index_select(0, anchors), chosen) / temperature
    return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long)), logits
