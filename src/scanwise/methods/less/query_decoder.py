"""Learnt queries that propose masks, and their weighing by a sentence (QMP and QSA of LESS, arXiv 2410.13294, 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from scanwise.nn.word_fusion import Attention


@dataclass(frozen=True)
class QueryConfig:
    """What the decoder looks like.

    Attributes:
        in_channels: of a point.
        words: channels of a word that queries attend to; 0 = they see none.
        queries: masks proposed.
        width: of a query.
        layers: of the transformer.
        heads: of its attention.
        hidden: channels of its feed-forward layers.
        official: LayerNorm after the attention to points is left out, as the official code throws its result away;
            the norm of the output, shared by all layers, is also put on the queries that begin.
    """

    in_channels: int = 32
    words: int = 0
    queries: int = 20
    width: int = 256
    layers: int = 1
    heads: int = 1
    hidden: int = 1024
    official: bool = False


@dataclass(frozen=True, eq=False)
class Proposals:
    """What the queries make of one sentence.

    Attributes:
        queries: (Q, width).
        masks: (Q, n) logits.
    """

    queries: torch.Tensor
    masks: torch.Tensor


class QueryLayer(nn.Module):
    """Attention to words (where there are any), to the points of the mask, to each other, feed-forward; post-norm.

    Args:
        config: of the decoder.
    """

    def __init__(self, config: QueryConfig) -> None:
        super().__init__()
        width = config.width
        self.official = config.official
        self.words = Attention(width, config.heads) if config.words else None
        self.words_norm = nn.LayerNorm(width) if config.words else None
        self.cross = Attention(width, config.heads)
        self.cross_norm = None if config.official else nn.LayerNorm(width)
        self.self_attention = Attention(width, config.heads)
        self.self_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, config.hidden), nn.ReLU(), nn.Linear(config.hidden, width))
        self.feed_forward_norm = nn.LayerNorm(width)

    def forward(
        self, queries: torch.Tensor, points: torch.Tensor, allowed: torch.Tensor, words: torch.Tensor | None
    ) -> torch.Tensor:
        """(Q, width): the queries, having looked around.

        Args:
            queries: (Q, width).
            points: (n, width).
            allowed: (Q, n) bool, points that each query may attend to.
            words: (t, width).
        """
        if self.words is not None and self.words_norm is not None and words is not None:
            queries = self.words_norm(queries + self.words(queries, words))
        queries = queries + self.cross(queries, points, allowed)
        if self.cross_norm is not None:
            queries = self.cross_norm(queries)
        queries = self.self_norm(queries + self.self_attention(queries, queries))
        return self.feed_forward_norm(queries + self.feed_forward(queries))


class QueryDecoder(nn.Module):
    """QMP: queries look where their masks are, and propose better masks.

    Args:
        config: its shape.
    """

    def __init__(self, config: QueryConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.queries = nn.Parameter(torch.randn(config.queries, width))
        self.out_norm = nn.LayerNorm(width)
        self.inputs = nn.Sequential(nn.Linear(config.in_channels, width), nn.LayerNorm(width), nn.ReLU())
        self.masks = nn.Sequential(nn.Linear(config.in_channels, width), nn.ReLU(), nn.Linear(width, width))
        self.words = nn.Linear(config.words, width) if config.words else None
        self.layers = nn.ModuleList(QueryLayer(config) for _ in range(config.layers))

    def embed(self, feats: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of points (n, C): what queries attend to, and what their masks are made of, both (n, width)."""
        return self.inputs(feats), self.masks[:2](feats)

    def forward(self, points: tuple[torch.Tensor, torch.Tensor], words: torch.Tensor | None = None) -> Proposals:
        """The proposals for one cloud.

        Args:
            points: as `embed` gives them.
            words: (t, W), of one sentence, without padding.
        """
        keys, pixels = points
        if words is not None and self.words is not None:
            words = self.words(words)
        queries = self.initial()
        masks = self.masks_of(queries, pixels)
        for layer in self.layers:
            queries = self.out_norm(layer(queries, keys, attention_mask(masks), words))
            masks = self.masks_of(queries, pixels)
        return Proposals(queries, masks)

    def masks_of(self, queries: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """(Q, n) logits: products of queries (Q, width) with what the masks' last layer makes of `pixels` (n, width).

        The queries, being few, go through that layer in place of the points.
        """
        last: nn.Linear = self.masks[2]  # type: ignore[assignment]
        return torch.addmm((queries @ last.bias)[:, None], queries @ last.weight, pixels.T)

    def initial(self) -> torch.Tensor:
        """The queries (Q, width) before they have seen anything."""
        return self.out_norm(self.queries) if self.config.official else self.queries


def attention_mask(masks: torch.Tensor) -> torch.Tensor:
    """(Q, n) bool of mask logits: where they say yes (0.5 or more); everywhere for a query whose mask is empty."""
    inside = masks.detach().sigmoid() >= 0.5
    return inside | ~inside.any(1, keepdim=True)


def weigh(queries: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
    """QSA: the weight of each query (Q, width) for a sentence (width,), softmax over the queries."""
    return (queries @ sentence).softmax(0)
