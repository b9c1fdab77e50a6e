"""Words into what a network sees: attention, and LESS's point-word alignment (PWCA, arXiv 2410.13294, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

_MANY = 16  # queries for each key


class Attention(nn.Module):
    """Multi-head attention of some rows (n, C) to others (m, C), one example at a time.

    Args:
        width: C.
        heads: divides it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None = None) -> torch.Tensor:
        """What each query found, (n, C).

        Args:
            queries: (n, C).
            keys: (m, C), values as well.
            allowed: (n, m) or (1, m) bool, what a query may attend to, at least one key each; None = all.
        """
        if len(queries) > _MANY * len(keys) and (allowed is None or len(allowed) == 1):
            return self._of_many(queries, keys, allowed)
        if self.heads * len(queries) < self.out.in_features and len(keys) > _MANY * len(queries):
            return self._to_many(queries, keys, allowed)
        query, key, value = self._heads(queries, 0), self._heads(keys, 1), self._heads(keys, 2)
        attended = functional.scaled_dot_product_attention(query[None], key[None], value[None], allowed)
        return self.out(attended[0].transpose(0, 1).flatten(1))

    def _of_many(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
        """The same for many queries and few keys.

        The keys and values of all heads, as blocks of one matrix each, take in the projections of queries and output;
        the softmax runs across long rows, as short ones are slow on a CPU.
        """
        width = self.out.in_features
        key, value = torch.block_diag(*self._heads(keys, 1)), torch.block_diag(*self._heads(keys, 2))
        key = key / (width // self.heads) ** 0.5
        bias = (key @ self.project.bias[:width]).unflatten(0, (self.heads, -1))
        if allowed is not None:
            bias = bias.masked_fill(~allowed, -torch.inf)
        logits = torch.addmm(bias.reshape(-1, 1), key @ self.project.weight[:width], queries.T)
        share = logits.unflatten(0, (self.heads, -1)).softmax(1).flatten(0, 1)
        return torch.addmm(self.out.bias, share.T, value @ self.out.weight.T)

    def _to_many(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
        """The same for few queries and many keys.

        The queries take in the projection of keys (whose bias no softmax feels), and what they found goes through that
        of values.
        """
        width = self.out.in_features
        _, to_key, to_value = self.project.weight.view(3, self.heads, -1, width)
        query = self._heads(queries, 0) / (width // self.heads) ** 0.5
        logits = torch.mm((query @ to_key).flatten(0, 1), keys.T).unflatten(0, (self.heads, -1))
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        share = logits.softmax(2).flatten(0, 1)
        seen = torch.mm(share, keys).unflatten(0, (self.heads, -1))
        value = seen @ to_value.transpose(1, 2) + self.project.bias[2 * width :].view(self.heads, 1, -1)
        return self.out(value.transpose(0, 1).flatten(1))

    def weights(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None = None) -> torch.Tensor:
        """The share of attention (n, m) that each key gets, mean over heads; rows sum to 1."""
        query, key = self._heads(queries, 0), self._heads(keys, 1)
        logits = query @ key.transpose(1, 2) / query.shape[2] ** 0.5
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        return logits.softmax(2).mean(0)

    def _heads(self, rows: torch.Tensor, part: int) -> torch.Tensor:
        """(heads, n, C / heads) of queries (part 0), keys (1) or values (2)."""
        width = self.out.in_features
        where = slice(part * width, (part + 1) * width)
        projected = functional.linear(rows, self.project.weight[where], self.project.bias[where])
        return projected.unflatten(1, (self.heads, -1)).transpose(0, 1)


class WordFusion(nn.Module):
    """PWCA: voxels attend to the words of their sentence, and what they find is added through a gate.

    Args:
        words: channels of a word.
        width: channels of a voxel.
        heads: of the attention.
        official: padded words are zeroed, not masked, and so take part in the softmax through the biases of key and
            value; tanh twice.
        dropout: of the projected words.
    """

    def __init__(self, words: int, width: int, heads: int, *, official: bool = False, dropout: float = 0.15) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(words, words), nn.ReLU(), nn.Dropout(dropout), nn.Linear(words, width)
        )  # fmt: skip
        self.attention = Attention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, width)
        self.official = official

    def forward(self, feats: torch.Tensor, counts: list[int], words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What is to be added to the voxels, (N, C).

        Args:
            feats: (N, C), cloud after cloud.
            counts: voxels of each of the S clouds.
            words: (S, T, W), one sentence a cloud.
            mask: (S, T) bool, True at words; each sentence has one at least.
        """
        parts = [self.attention(*each) for each in self._each(feats, counts, words, mask)]
        attended = self.gate(self.norm(torch.cat(parts))).tanh()
        return attended.tanh() if self.official else attended

    def weights(
        self, feats: torch.Tensor, counts: list[int], words: torch.Tensor, mask: torch.Tensor
    ) -> list[torch.Tensor]:
        """Of each cloud (n, T): the share of attention that each word got from each voxel."""
        return [self.attention.weights(*each) for each in self._each(feats, counts, words, mask)]

    def _each(
        self, feats: torch.Tensor, counts: list[int], words: torch.Tensor, mask: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]:
        projected = self.project(words)
        if self.official:
            projected = projected * mask[:, :, None]
        for cloud, rows in enumerate(feats.split(counts)):
            yield rows, projected[cloud], None if self.official else mask[cloud][None]
