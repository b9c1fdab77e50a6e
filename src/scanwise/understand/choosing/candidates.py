"""What a sentence may mean: every group of parts that joining passes through, from small pieces to whole furniture.

Shapes: M voxels, P parts, C candidates, L limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scanwise.methods.things.merging import joined
from scanwise.synth.colours import COLOR_WORDS, color_words
from scanwise.understand.things import Things

LIMITS = (8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0, -5.0)
"""Mean logits down to which parts are joined (docs/results/ask.md: the best of these groups has an IoU of .8 with what
sentences mean)."""
_FEWEST = 8  # voxels
_FLOOR = 0.01  # quantile of heights


@dataclass(frozen=True, eq=False)
class Candidates:
    """Groups of parts, nested, each once.

    Attributes:
        things: whose parts they are of.
        levels: (L, P) int32 candidate of each part at each limit.
        born: (C,) row of the limit at which it appears.
        gone: (C,) row at which it is part of a larger one; L = never.
        sizes: (C,) float32 voxels.
        low: (C, 3) metres, corner of its box along the axes.
        high: (C, 3) the other corner.
        center: (C, 3) metres, middle of its voxels.
        colors: (C, 12) share of its voxels that have each of `COLOR_WORDS`; zeros without colours.
    """

    things: Things
    levels: np.ndarray
    born: np.ndarray
    gone: np.ndarray
    sizes: np.ndarray
    low: np.ndarray
    high: np.ndarray
    center: np.ndarray
    colors: np.ndarray

    def __len__(self) -> int:
        return len(self.born)

    @cached_property
    def floor(self) -> float:
        """Metres, height of the floor."""
        return float(np.quantile(self.low[self.born == 0, 2], _FLOOR))

    @cached_property
    def usable(self) -> np.ndarray:
        """(C,) bool: of at least eight voxels, or all where none is."""
        large = self.sizes >= _FEWEST
        return large if large.any() else np.ones(len(self), bool)

    def sums(self, of_parts: np.ndarray) -> np.ndarray:
        """(C, K) float32 sums over the parts of each candidate, of values (P, K)."""
        return _over(self.levels, len(self), of_parts, np.add, 0.0)

    def means(self, of_parts: np.ndarray) -> np.ndarray:
        """(C, K) float32 means over the voxels of each candidate, of the means (P, K) of parts."""
        return self.sums(of_parts * self.things.sizes.numpy()[:, None]) / self.sizes[:, None]

    def parts(self, candidate: int) -> np.ndarray:
        """(P,) bool, the parts of a candidate."""
        return self.levels[self.born[candidate]] == candidate

    def members(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """(n, P) bool, the parts of some candidates."""
        rows = np.asarray(rows)
        return self.levels[self.born[rows]] == rows[:, None]

    def overlaps(self, rows: np.ndarray) -> np.ndarray:
        """(n, n) share of the smaller of two candidates that lies in the other: as they are nested, 0 or 1."""
        inside = self.members(rows).astype(np.float32)
        shared = (inside * self.things.sizes.numpy()) @ inside.T
        return shared / np.minimum(self.sizes[rows][:, None], self.sizes[rows])


def candidates_of(things: Things, centers: np.ndarray, colors: np.ndarray | None) -> Candidates:
    """All candidates of a surface.

    Args:
        things: its parts.
        centers: (M, 3) metres, upright.
        colors: (M, 3) sRGB, 0..255; None = none are known.
    """
    levels, born, gone = _nested(joined(len(things), things.pairs, things.logits, LIMITS))
    parts = things.of_voxel
    sizes = things.sizes.numpy()
    low, high = np.full((len(things), 3), np.inf, np.float32), np.full((len(things), 3), -np.inf, np.float32)
    np.minimum.at(low, parts, centers)
    np.maximum.at(high, parts, centers)
    middle = np.stack([np.bincount(parts, centers[:, axis], len(things)) for axis in range(3)], 1)
    shares = np.zeros((len(things), len(COLOR_WORDS)), np.float32)
    if colors is not None:
        np.add.at(shares, (parts, color_words(np.asarray(colors, np.float32))), 1.0)
    count = len(born)
    of_all = _over(levels, count, sizes[:, None], np.add, 0.0)
    return Candidates(
        things, levels, born, gone, of_all[:, 0], _over(levels, count, low, np.minimum, np.inf),
        _over(levels, count, high, np.maximum, -np.inf), _over(levels, count, middle, np.add, 0.0) / of_all,
        _over(levels, count, shares, np.add, 0.0) / of_all,
    )  # fmt: skip


def _nested(groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups of falling limits as candidates: levels (L, P), born (C,), gone (C,); one that stays is the same one."""
    levels, born, gone = (
        [groups[0].astype(np.int32)],
        [0] * (int(groups[0].max()) + 1),
        [len(groups)] * (int(groups[0].max()) + 1),
    )
    for row, group in enumerate(groups[1:], 1):
        before = levels[-1]
        pairs = np.unique(np.stack([group, before], 1), axis=0)
        counts = np.bincount(pairs[:, 0])
        name = np.full(len(counts), -1, np.int32)
        alone = counts[pairs[:, 0]] == 1
        name[pairs[alone, 0]] = pairs[alone, 1]
        for old in pairs[~alone, 1].tolist():
            gone[old] = row
        fresh = np.flatnonzero(counts > 1)
        name[fresh] = len(born) + np.arange(len(fresh))
        born += [row] * len(fresh)
        gone += [len(groups)] * len(fresh)
        levels.append(name[group])
    return np.stack(levels), np.array(born), np.array(gone)


def _over(levels: np.ndarray, count: int, of_parts: np.ndarray, add: np.ufunc, start: float) -> np.ndarray:
    """(C, K) float32 of values (P, K), added up in some way over the parts of each candidate."""
    result = np.full((count, of_parts.shape[1]), start, np.float32)
    seen = -1
    for level in levels:
        fresh = level > seen
        add.at(result, level[fresh], of_parts[fresh])
        seen = max(seen, int(level.max()))
    return result
