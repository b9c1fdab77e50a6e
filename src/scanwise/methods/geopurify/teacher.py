"""The frozen 3D backbone that GeoPurify's student learns from, by what a recipe calls it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from scanwise.nn.backbone import Backbone
from scanwise.nn.frozen import Frozen
from scanwise.nn.ptv3 import PointTransformerV3, upcast, upcast_channels
from scanwise.nn.sonata import load_sonata
from scanwise.nn.sparse import SparseTensor
from scanwise.training.backbones import load_backbone, random_backbone

SONATA_FILES = (".pth", ".pt")
SONATA_VOXEL = 0.02


def load_teacher(name: str) -> Frozen:
    """The teacher of this name.

    Args:
        name: checkpoint of a backbone of ours, the folder of its run, or the name of shipped weights; Sonata's released
            weights (.pth); "random", a small one that was not trained.

    Raises:
        InputError: no such file, or it holds no backbone.
    """
    if name == "random":
        return random_backbone("tiny", 0.1, ("color", "normal"))
    path = Path(name)
    if path.suffix in SONATA_FILES:
        network = load_sonata(path).requires_grad_(False)
        return Frozen(SonataBackbone(network).eval(), SONATA_VOXEL, ("coord", "color", "normal"))
    return load_backbone(path)


class SonataBackbone(Backbone):
    """Sonata's encoder, up-cast over its last three stages, on our features: it was trained on colours from 0 to 1.

    Args:
        network: with Sonata's weights.
    """

    def __init__(self, network: PointTransformerV3) -> None:
        nn.Module.__init__(self)
        self.network = network
        self.channels = upcast_channels(network.config)

    def forward(self, voxels: SparseTensor, *, masked: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, C) of voxels that have position, colour (-1..1) and normal."""
        coord, color, normal = voxels.feats.split(3, dim=1)
        given = voxels.replace(torch.cat([coord, color / 2 + 0.5, normal], 1))
        return upcast(self.network(given, masked=masked))
