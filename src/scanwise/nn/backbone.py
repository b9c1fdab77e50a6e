"""A Point Transformer V3 that gives one feature vector a voxel: up-cast from its encoder, or from a light decoder."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from scanwise.nn.ptv3 import SIZES, PointTransformerV3, upcast, upcast_channels, with_decoder
from scanwise.nn.sparse import SparseTensor


class Backbone(nn.Module):
    """Voxels to features (N, channels).

        backbone = Backbone("small", in_channels=6)
        features = backbone(SparseTensor(coords, feats, batch))

    Args:
        size: of `ptv3.SIZES`. decoder: blocks of each decoder stage; 0 = the encoder's features, up-cast.
        mask_token: the network can be told that input features are masked.
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
        """(N, channels); `masked` as in `PointTransformerV3.forward`."""
        levels = self.network(voxels, masked=masked)
        if self.network.config.decoder_depths:
            return self.network.decode(levels)
        return upcast(levels, len(levels))
