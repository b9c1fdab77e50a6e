"""Kernel maps as tables, and convolutions as few large products: for devices where a launch costs more than its work.

Implicit GEMM in plain torch: the features that all taps of an output read are put beside each other, zeros where there
is none, and one product with the whole kernel makes the outputs. On surfaces about a third of the taps meet a voxel, so
that two thirds of the product are with zeros; in return a convolution is two launches, not two a tap and chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from scanwise.devices import scratch


@dataclass(eq=False)
class GatherMap:
    """All pairs of one kernel between N voxels that it reads and M that it writes, of T taps.

    Attributes:
        rows: (M, T) int32 input row that each tap of an output reads; N = none.
        inputs: N.
        back: (N, T) int32 output row that reads an input through each tap; M = none. None of mirrored maps.
        mirrored: tap k from i to j is tap T - 1 - k from j to i, as in a submanifold kernel.
    """

    rows: torch.Tensor
    inputs: int
    back: torch.Tensor | None = None
    mirrored: bool = False

    @classmethod
    def of_sorted(cls, neighbour: torch.Tensor, found: torch.Tensor, order: torch.Tensor) -> GatherMap:
        """A submanifold map of what was found in a sorted order.

        Args:
            neighbour: (T, N) row of each voxel's neighbours, voxels and rows in that order.
            found: (T, N) bool, whether there is one.
            order: (N,) row of each voxel of that order as the voxels come.
        """
        count = len(order)
        own = order.index_select(0, neighbour.flatten().clamp(max=max(count - 1, 0))).view(neighbour.shape)
        rows = torch.empty(count, len(neighbour), dtype=torch.int32, device=order.device)
        rows[order] = torch.where(found, own, count).T.int()
        return cls(rows, count, mirrored=True)

    @classmethod
    def of_pairs(
        cls, sources: torch.Tensor, targets: torch.Tensor, tap: torch.Tensor, inputs: int, outputs: int, taps: int
    ) -> GatherMap:
        """As of `kernel_maps.kernel_map_of_pairs`; no output is reached twice through a tap, nor an input left."""
        rows = torch.full((outputs, taps), inputs, dtype=torch.int32, device=sources.device)
        back = torch.full((inputs, taps), outputs, dtype=torch.int32, device=sources.device)
        rows[targets, tap] = sources.int()
        back[sources, tap] = targets.int()
        return cls(rows, inputs, back)

    @property
    def outputs(self) -> int:
        """M."""
        return len(self.rows)

    @property
    def taps(self) -> int:
        """T."""
        return self.rows.shape[1]

    @property
    def pairs(self) -> int:
        """Number of pairs, of all taps."""
        return int((self.rows < self.inputs).sum())

    @property
    def reverse(self) -> GatherMap:
        """The same pairs, inputs and outputs exchanged; for maps that are not mirrored."""
        assert self.back is not None
        return GatherMap(self.back, self.outputs, self.rows)

    @property
    def parents(self) -> torch.Tensor:
        """(N,) int64 output row that each input row goes to; for strided maps, where there is one."""
        assert self.back is not None
        return self.back.amin(1).long()

    def differs(self, values: torch.Tensor) -> torch.Tensor:
        """Of values (N, k): where one that an output row reads is not its own, (N, k) bool; for submanifold maps."""
        mixed = torch.zeros_like(values, dtype=torch.bool)
        for tap in self.rows.unbind(1):
            there = tap < self.inputs
            mixed |= (values.index_select(0, torch.where(there, tap, 0)) != values) & there[:, None]
        return mixed

    def repeated(self, copies: int) -> GatherMap:
        """The same map several times over, one copy's rows after the other's."""

        def table(rows: torch.Tensor, none: int) -> torch.Tensor:
            shift = torch.arange(copies, dtype=torch.int32, device=rows.device)[:, None, None] * none
            return torch.where(rows < none, rows + shift, copies * none).flatten(0, 1)

        back = None if self.back is None else table(self.back, self.outputs)
        return GatherMap(table(self.rows, self.inputs), copies * self.inputs, back, self.mirrored)

    def of_inputs(self, rows: torch.Tensor, inputs: int) -> GatherMap:
        """The same map where its inputs are these rows (n,) int32 of more; the others go nowhere."""
        assert self.back is not None
        more = torch.cat([rows, rows.new_full((1,), inputs)])
        back = self.back.new_full((inputs, self.taps), self.outputs)
        back[rows.long()] = self.back
        return GatherMap(more.index_select(0, self.rows.flatten()).view_as(self.rows), inputs, back)

    def gathered(self, feats: torch.Tensor, none: float = 0.0) -> Iterator[tuple[slice, torch.Tensor]]:
        """Slices of the outputs and what their taps read, (n, T, C): as many at once as memory is left for.

        Args:
            feats: (N, C).
            none: what a tap reads where there is no voxel.
        """
        padded = F.pad(feats, (0, 0, 0, 1), value=none)
        row = self.taps * feats.shape[1] * feats.element_size()
        size = max(1, scratch(feats.device) // max(row, 1))
        for first in range(0, self.outputs, size):
            rows = slice(first, min(first + size, self.outputs))
            yield rows, padded.index_select(0, self.rows[rows].flatten()).view(-1, self.taps, feats.shape[1])


def convolved(feats: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor | None, table: GatherMap) -> torch.Tensor:
    """(M, Cout): the sum over taps of what they read (N, Cin) times their weight (T, Cin, Cout)."""
    kernel = taps.flatten(0, 1)
    result = feats.new_empty(table.outputs, kernel.shape[1])
    for rows, read in table.gathered(feats):
        if bias is None:
            torch.mm(read.flatten(1), kernel, out=result[rows])
        else:
            torch.addmm(bias, read.flatten(1), kernel, out=result[rows])
    return result


def kernel_gradient(feats: torch.Tensor, grad: torch.Tensor, table: GatherMap) -> torch.Tensor:
    """(T, Cin, Cout) of inputs (N, Cin) and outputs' gradients (M, Cout), in float32 at least."""
    wide = torch.promote_types(feats.dtype, torch.float32)
    shape = (table.taps, feats.shape[1], grad.shape[1])
    result = torch.zeros(shape, dtype=wide, device=feats.device).flatten(0, 1)
    for rows, read in table.gathered(feats):
        if wide == feats.dtype:
            result.addmm_(read.flatten(1).T, grad[rows])
        else:
            result += read.flatten(1).T @ grad[rows]
    return result.view(shape)


def pooled(feats: torch.Tensor, table: GatherMap, mode: str) -> torch.Tensor:
    """(M, C): the greatest or the mean of what the taps read, (N, C), where there is a voxel."""
    if mode == "max":
        parts = [read.max(1).values for _, read in table.gathered(feats, none=-torch.inf)]
    else:
        counts = (table.rows < table.inputs).sum(1, keepdim=True)
        parts = [read.sum(1) / counts[rows] for rows, read in table.gathered(feats)]
    return torch.cat(parts) if parts else feats
