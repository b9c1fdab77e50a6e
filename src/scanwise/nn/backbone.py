"""Backbones: networks that give one feature vector a voxel, by name.

    backbone = build_backbone("small", in_channels=6)
    features = backbone(SparseTensor(coords, feats, batch))  # (N, backbone.channels)

Another one is a `Backbone` under a name: `register_backbone("mine", build)` in your own code, or an entry point of the
group "scanwise.backbones" in your package's metadata, which is found without being imported first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from scanwise.nn.ptv3 import SIZES, PointTransformerV3, upcast, upcast_channels, with_decoder
from scanwise.nn.sparse import SparseTensor
from scanwise.plugins import Plugins


class Backbone(nn.Module):
    """Voxels to features.

    Attributes:
        channels: of a feature.
    """

    channels: int

    def forward(self, voxels: SparseTensor, *, masked: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, channels) of N voxels.

        Args:
            voxels: with features of as many channels as the backbone was built for.
            masked: (N,) bool, voxels whose features the network is told to be masked; None = none.
        """
        raise NotImplementedError


BuildBackbone = Callable[..., Backbone]
"""(in_channels, *, decoder: int, drop_path: float, mask_token: bool) -> Backbone; see `build_backbone`."""


def register_backbone(name: str, build: BuildBackbone) -> None:
    """Makes a backbone known under a name, for recipes and for `build_backbone`.

    Raises:
        ValueError: the name is taken.
    """
    _BACKBONES.add(name, build)


def backbone_names() -> list[str]:
    """The names of all backbones, those of other packages among them."""
    return _BACKBONES.names()


def build_backbone(
    name: str, in_channels: int, *, decoder: int = 0, drop_path: float = 0.0, mask_token: bool = False
) -> Backbone:
    """A backbone with random weights.

    Args:
        name: of `backbone_names`.
        in_channels: of the voxels' features.
        decoder: blocks of each decoder stage, where it has one; 0 = the encoder's features, up-cast.
        drop_path: stochastic depth, 0..1.
        mask_token: it can be told that voxels are masked.

    Raises:
        InputError: no backbone of that name.
    """
    return _BACKBONES[name](in_channels, decoder=decoder, drop_path=drop_path, mask_token=mask_token)


def check_backbone(name: str) -> str:
    """The name.

    Raises:
        InputError: no backbone is called so.
    """
    return _BACKBONES.check(name)


class PointTransformer(Backbone):
    """Point Transformer V3: features up-cast from its encoder, or from a light decoder.

    Args:
        size: of `ptv3.SIZES`.
        in_channels: of the voxels' features.
        decoder: blocks of each decoder stage; 0 = the encoder's features, up-cast.
        drop_path: stochastic depth, 0..1.
        mask_token: it can be told that voxels are masked.
    """

    def __init__(
        self, size: str, in_channels: int, *, decoder: int = 0, drop_path: float = 0.0, mask_token: bool = False
    ) -> None:
        super().__init__()
        config = replace(SIZES[size], in_channels=in_channels, drop_path=drop_path, mask_token=mask_token)
        if decoder:
            config = with_decoder(config, decoder)
        self.network = PointTransformerV3(config)
        self.channels = config.decoder_channels[0] if decoder else upcast_channels(config, len(config.depths))

    def forward(self, voxels: SparseTensor, *, masked: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, channels); `masked` as in `PointTransformerV3.forward`."""
        levels = self.network(voxels, masked=masked)
        if self.network.config.decoder_depths:
            return self.network.decode(levels)
        return upcast(levels, len(levels))


def _of_size(size: str) -> BuildBackbone:
    return lambda in_channels, **options: PointTransformer(size, in_channels, **options)


_BACKBONES: Plugins[BuildBackbone] = Plugins("backbone", "scanwise.backbones", {size: _of_size(size) for size in SIZES})
