"""Words into what a network sees: attention, and LESS's point-word alignment (PWCA, arXiv 2410.13294, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from scanwise.devices import at_once

_MANY = 16  # queries for each key
_IN_CACHE = 1 << 20  # logits that a CPU works on at a time


class Attention(nn.Module):
    """Multi-head attention of some rows to others, of one example (n, C) or of S examples (S, n, C).

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
        """What each query found, (n, C) or (S, n, C).

        Args:
            queries: (n, C); or (S, n, C), or (1, n, C), the same for all.
            keys: (m, C), values as well; or (S, m, C), or (1, m, C), the same for all.
            allowed: (n, m) or (1, m) bool, what a query may attend to, at least one key each; or (S, n, m), (S, 1, m);
                None = all.
        """
        if queries.ndim == 2:
            return self(queries[None], keys[None], None if allowed is None else allowed[None])[0]
        rows, others = queries.shape[1], keys.shape[1]
        if rows > _MANY * others and (allowed is None or allowed.shape[1] == 1):
            return self._of_many(queries, keys, allowed)
        if self.heads * rows < self.out.in_features and others > _MANY * rows:
            return self._to_many(queries, keys, allowed)
        query, key, value = self._heads(queries, 0), self._heads(keys, 1), self._heads(keys, 2)
        examples = max(len(query), len(key))
        query, key, value = (each.expand(examples, -1, -1, -1) for each in (query, key, value))
        mask = None if allowed is None else allowed[:, None]
        return self.out(functional.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2).flatten(2))

    def _of_many(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
        """The same for many queries and few keys.

        The keys and values of each head take in the projections of queries and output; the softmax runs across long
        rows, as short ones are slow on a CPU.
        """
        width = self.out.in_features
        key, value = self._heads(keys, 1) / (width // self.heads) ** 0.5, self._heads(keys, 2)
        bias = (key @ self.project.bias[:width].view(self.heads, -1, 1))[..., 0]
        if allowed is not None:
            bias = bias.masked_fill(~allowed, -torch.inf)
        key = (key @ self.project.weight[:width].view(self.heads, -1, width)).flatten(1, 2)
        value = (value @ self.out.weight.T.reshape(self.heads, -1, width)).flatten(1, 2)
        if len(queries) == 1:
            logits = torch.addmm(bias.reshape(-1, 1), key.flatten(0, 1), queries[0].T)
        else:
            logits = torch.baddbmm(bias.flatten(1)[:, :, None], key, queries.transpose(1, 2))
        share = logits.view(*bias.shape, -1).softmax(2).flatten(1, 2)
        return torch.baddbmm(self.out.bias, share.transpose(1, 2), value.expand(len(share), -1, -1))

    def _to_many(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
        """The same for few queries and many keys.

        The queries take in the projection of keys (whose bias no softmax feels), and what they found goes through that
        of values.
        """
        width = self.out.in_features
        _, to_key, to_value = self.project.weight.view(3, self.heads, -1, width)
        query = (self._heads(queries, 0) / (width // self.heads) ** 0.5) @ to_key
        query = query.expand(max(len(queries), len(keys)), -1, -1, -1)
        device = query.device.type
        if torch.is_autocast_enabled(device):
            keys = keys.to(torch.get_autocast_dtype(device))
        bias = None
        if allowed is not None:
            bias = torch.zeros_like(allowed, dtype=keys.dtype).masked_fill_(~allowed, -torch.inf)
        seen = _Look.apply(query.to(keys.dtype), keys, bias)
        value = seen.to(to_value.dtype) @ to_value.transpose(1, 2)
        value = value + self.project.bias[2 * width :].view(self.heads, 1, -1)
        return self.out(value.transpose(1, 2).flatten(2))

    def weights(self, queries: torch.Tensor, keys: torch.Tensor, allowed: torch.Tensor | None = None) -> torch.Tensor:
        """The share of attention (n, m) that each key (m, C) gets of queries (n, C), mean over heads; rows sum to 1."""
        query, key = self._heads(queries[None], 0)[0], self._heads(keys[None], 1)[0]
        logits = query @ key.transpose(1, 2) / query.shape[2] ** 0.5
        if allowed is not None:
            logits = logits.masked_fill(~allowed, -torch.inf)
        return logits.softmax(2).mean(0)

    def _heads(self, rows: torch.Tensor, part: int) -> torch.Tensor:
        """(S, heads, n, C / heads) of queries (part 0), keys (1) or values (2)."""
        width = self.out.in_features
        where = slice(part * width, (part + 1) * width)
        projected = functional.linear(rows, self.project.weight[where], self.project.bias[where])
        return projected.unflatten(2, (self.heads, -1)).transpose(1, 2)


class _Look(torch.autograd.Function):
    """softmax(query keys^T + bias) keys, a few examples at a time, with one (r, n) tensor kept for the gradient.

    query (S, heads, Q, C), keys (S, n, C) or (1, n, C), bias (S, Q, n), (1, Q, n) or None, without a gradient; gives
    (S, heads, Q, C).
    """

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, keys: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        rows = query.shape[1] * query.shape[2]
        share = keys.new_empty((len(query), *query.shape[1:3], keys.shape[1]))
        seen = torch.empty_like(query, memory_format=torch.contiguous_format)
        with torch.autocast(query.device.type, enabled=False):
            for some, own in _chunks(query, len(keys), rows * keys.shape[1]):
                logits = torch.matmul(query[some].flatten(1, 2), keys[own].transpose(1, 2)).view(share[some].shape)
                if bias is not None:
                    logits += bias[some if len(bias) > 1 else slice(None), None]
                share[some] = logits.softmax(3)
                seen[some] = torch.matmul(share[some].flatten(1, 2), keys[own]).view(seen[some].shape)
        ctx.save_for_backward(query, keys, share, seen)
        return seen

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        query, keys, share, seen = (each.flatten(1, 2) if each.ndim == 4 else each for each in ctx.saved_tensors)
        shape, grad = grad.shape, grad.flatten(1, 2)
        to_query, to_keys = torch.empty_like(query), torch.zeros_like(keys)
        common = (grad * seen).sum(2, keepdim=True)
        for some, own in _chunks(query, len(keys), share[0].numel()):
            slope = torch.matmul(grad[some], keys[own].transpose(1, 2)).sub_(common[some]).mul_(share[some])
            to_query[some] = torch.matmul(slope, keys[own])
            if len(keys) == 1:
                to_keys[0].addmm_(share[some].flatten(0, 1).T, grad[some].flatten(0, 1))
                to_keys[0].addmm_(slope.flatten(0, 1).T, query[some].flatten(0, 1))
            else:
                to_keys[some] = torch.bmm(share[some].transpose(1, 2), grad[some])
                to_keys[some].baddbmm_(slope.transpose(1, 2), query[some])
        return to_query.view(shape), to_keys, None


def _chunks(query: torch.Tensor, others: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Slices of queries with `size` logits each that are worked on at a time, and of their others, one each or one."""
    step = max(1, at_once(query.device, _IN_CACHE, 16) // max(size, 1))
    for start in range(0, len(query), step):
        some = slice(start, start + step)
        yield some, some if others > 1 else slice(None)


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
        """What is to be added to the voxels, (k * N, C), all of a scene's k sentences at once.

        Args:
            feats: (k * N, C), B clouds one after the other, once for each of k sentences; or (N, C), the same for all.
            counts: voxels of each of the B clouds, sum N.
            words: (k * B, T, W), sentence j about cloud b in place j * B + b.
            mask: (k * B, T) bool, True at words; each sentence has one at least.
        """
        projected, allowed = self._projected(words, mask)
        parts = []
        for cloud, rows in enumerate(feats.view(-1, sum(counts), feats.shape[1]).split(counts, 1)):
            own = slice(cloud, None, len(counts))
            parts.append(self.attention(rows, projected[own], None if allowed is None else allowed[own, None]))
        attended = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        attended = self.gate(self.norm(attended.flatten(0, 1))).tanh()
        return attended.tanh() if self.official else attended

    def weights(
        self, feats: torch.Tensor, counts: list[int], words: torch.Tensor, mask: torch.Tensor
    ) -> list[torch.Tensor]:
        """Of each sentence (n, T): the share of attention that each word got from each voxel; as of `forward`."""
        projected, allowed = self._projected(words, mask)
        parts = feats.view(-1, sum(counts), feats.shape[1]).split(counts, 1)
        result = []
        for place, own in enumerate(projected):
            copy, cloud = divmod(place, len(counts))
            rows = parts[cloud][min(copy, len(parts[cloud]) - 1)]
            result.append(self.attention.weights(rows, own, None if allowed is None else allowed[place][None]))
        return result

    def _projected(self, words: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The words, as wide as voxels, and which of them are attended to; None = all."""
        projected = self.project(words)
        return (projected * mask[:, :, None], None) if self.official else (projected, mask)
