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
        self, queries: torch.Tensor, points: torch.Tensor, allowed: torch.Tensor, words: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """(S, Q, width): the queries of S sentences, having looked around.

        Args:
            queries: (S, Q, width).
            points: (S, n, width), or (1, n, width), the same for all.
            allowed: (S, Q, n) bool, points that each query may attend to.
            words: (S, T, width).
            mask: (S, T) bool, True at words; None = all.
        """
        if self.words is not None and self.words_norm is not None and words is not None:
            seen = self.words(queries, words, None if mask is None else mask[:, None])
            queries = self.words_norm(queries + seen)
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
        """Of points (..., C): what queries attend to, and what their masks are made of, both (..., width)."""
        return self.inputs(feats), self.pixels(feats)

    def pixels(self, feats: torch.Tensor) -> torch.Tensor:
        """What masks are made of, (..., width), from points (..., C)."""
        return self.masks[:2](feats)

    def forward(
        self, points: tuple[torch.Tensor, torch.Tensor], words: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:  # fmt: skip
        """The queries (S, Q, width) of S sentences about one cloud; those of one where there are no words.

        Args:
            points: as `embed` gives them, (S, n, width), or (1, n, width), the same for all.
            words: (S, T, W).
            mask: (S, T) bool, True at words; None = all.
        """
        keys, pixels = points
        words = None if words is None or self.words is None else self.words(words)
        sentences = len(keys) if words is None else len(words)
        queries = self.initial().expand(sentences, -1, -1)
        for layer in self.layers:
            with torch.no_grad():
                allowed = attention_mask(self.masks_of(queries, pixels))
            queries = self.out_norm(layer(queries, keys, allowed, words, mask))
        return queries

    def masks_of(self, queries: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """(..., Q, n) logits: products of queries with what the masks' last layer makes of pixels.

        The queries, being few, go through that layer in place of the points.

        Args:
            queries: (Q, width); or (S, Q, width).
            pixels: (n, width); or (S, n, width), or (1, n, width), the same for all.
        """
        last: nn.Linear = self.masks[2]  # type: ignore[assignment]
        bias, rows = (queries @ last.bias)[..., None], queries @ last.weight
        if pixels.ndim == 3 and len(pixels) == 1:
            pixels = pixels[0]
        if pixels.ndim == 3:
            return torch.baddbmm(bias, rows, pixels.transpose(1, 2))
        shape = (*rows.shape[:-1], len(pixels))
        return torch.addmm(bias.reshape(-1, 1), rows.reshape(-1, rows.shape[-1]), pixels.T).view(shape)

    def initial(self) -> torch.Tensor:
        """The queries (Q, width) before they have seen anything."""
        return self.out_norm(self.queries) if self.config.official else self.queries


def attention_mask(masks: torch.Tensor) -> torch.Tensor:
    """Bool of mask logits (..., n): where they say yes (0.5 or more); everywhere for a query whose mask is empty."""
    inside = masks.detach() >= 0
    return inside | ~inside.any(-1, keepdim=True)


def weigh(queries: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
    """QSA: the weight of each query (..., Q, width) for a sentence (..., width), softmax over the queries."""
    return (queries @ sentence[..., None])[..., 0].softmax(-1)
