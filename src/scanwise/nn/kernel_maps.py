"""Kernel maps: (input row, output row, kernel tap) of every product, built once a resolution and shared by layers.

On a CPU a map's outputs are cut into chunks along the sorted (cloud, x, y, z) order, so that what a chunk gathers,
multiplies and scatters stays in the processor's cache, and memory is bounded however large the batch. Elsewhere a map
is one table (`gather_maps.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from scanwise.errors import InputError
from scanwise.nn.gather_maps import GatherMap

FARTHEST = 1 << 20
"""Coordinates lie in -FARTHEST..FARTHEST."""
_CHUNK = 4096  # output rows worked on at a time; docs/performance.md says how it was found
_COLUMNS = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]


@dataclass(frozen=True, eq=False)
class Chunk:
    """The P pairs of n successive output rows, sorted by tap, then by output row.

    Attributes:
        rows: the output rows.
        sources: (P,) int32 input row of each pair: what is gathered.
        targets: (P,) int32 output row of each pair: where it is scattered to.
        counts: pairs of each tap.
        by_row: (P,) int32 numbers of the pairs, sorted by output row, then by tap.
        starts: (n,) int32, where each output row begins in `by_row`.
    """

    rows: slice
    sources: torch.Tensor
    targets: torch.Tensor
    counts: list[int]
    by_row: torch.Tensor
    starts: torch.Tensor


@dataclass(eq=False)
class KernelMap:
    """All pairs of one kernel between the voxels that it reads and those that it writes.

    Attributes:
        inputs: number of input rows.
        outputs: number of output rows.
        taps: number of kernel offsets, x slowest, z fastest.
        chunks: the pairs.
        order: (N,) int32, of a submanifold kernel: the pairs count inputs and outputs in this order of the voxels, by
            (cloud, x, y, z); None = as the voxels come.
        inverse: (N,) int32, the inverse of `order`.
        mirrored: tap k from i to j is tap `taps - 1 - k` from j to i, as in a submanifold kernel.
    """

    inputs: int
    outputs: int
    taps: int
    chunks: list[Chunk]
    order: torch.Tensor | None = None
    inverse: torch.Tensor | None = None
    mirrored: bool = False

    @property
    def parents(self) -> torch.Tensor:
        """(N,) int64 output row that each input row goes to; for strided maps, where there is one."""
        result = torch.empty(self.inputs, dtype=torch.long)
        for chunk in self.chunks:
            result[chunk.sources] = chunk.targets.long()
        return result

    def differs(self, values: torch.Tensor) -> torch.Tensor:
        """Of values (N, k): where one that an output row reads is not its own, (N, k) bool; for submanifold maps."""
        arranged = self.arrange(values)
        mixed = torch.zeros(values.shape, dtype=torch.bool)
        for chunk in self.chunks:
            pair, column = (arranged[chunk.sources.long()] != arranged[chunk.targets.long()]).nonzero(as_tuple=True)
            mixed[chunk.targets[pair].long(), column] = True
        return self.restore(mixed)

    def repeated(self, copies: int) -> KernelMap:
        """The same map several times over, one copy's rows after the other's; nothing is sorted again."""
        made = self._repeated(copies)
        if not self.mirrored:
            made.reverse = self.reverse._repeated(copies)
        return made

    def _repeated(self, copies: int) -> KernelMap:
        def shifted(chunk: Chunk, copy: int) -> Chunk:
            into = copy * self.outputs
            rows = slice(chunk.rows.start + into, chunk.rows.stop + into)
            return replace(chunk, rows=rows, sources=chunk.sources + copy * self.inputs, targets=chunk.targets + into)

        def after_each_other(rows: torch.Tensor | None) -> torch.Tensor | None:
            return None if rows is None else torch.cat([rows + copy * len(rows) for copy in range(copies)])

        chunks = [shifted(chunk, copy) for copy in range(copies) for chunk in self.chunks]
        order, inverse = after_each_other(self.order), after_each_other(self.inverse)
        return KernelMap(self.inputs * copies, self.outputs * copies, self.taps, chunks, order, inverse, self.mirrored)

    def of_inputs(self, rows: torch.Tensor, inputs: int) -> KernelMap:
        """The same map where its inputs are these rows (n,) int32 of more; the others go nowhere."""
        chunks = [replace(chunk, sources=rows[chunk.sources]) for chunk in self.chunks]
        return KernelMap(inputs, self.outputs, self.taps, chunks)

    def arrange(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of voxels as they come, put as the pairs count them."""
        return rows.contiguous() if self.order is None else rows.index_select(0, self.order)

    def restore(self, rows: torch.Tensor) -> torch.Tensor:
        """The inverse of `arrange`."""
        return rows if self.inverse is None else rows.index_select(0, self.inverse)

    @property
    def pairs(self) -> int:
        """Number of pairs, of all taps."""
        return sum(len(chunk.sources) for chunk in self.chunks)

    @cached_property
    def reverse(self) -> KernelMap:
        """The same pairs, inputs and outputs exchanged; for maps that are not mirrored."""
        if not self.chunks:
            return KernelMap(self.outputs, self.inputs, self.taps, [])
        sources = torch.cat([chunk.sources for chunk in self.chunks])
        targets = torch.cat([chunk.targets for chunk in self.chunks])
        counts = torch.tensor([chunk.counts for chunk in self.chunks]).flatten()
        taps = torch.arange(self.taps).repeat(len(self.chunks)).repeat_interleave(counts)
        return kernel_map_of_pairs(targets, sources, taps, self.outputs, self.inputs, self.taps)


Map = KernelMap | GatherMap
"""Of voxels on a CPU, and of voxels elsewhere."""


class KernelMaps:
    """Voxels of a batch at every resolution (level 0 as given, each further one of stride 2) and their kernel maps.

    Args:
        coords: (N, 3) integers within ±2^20, no (cloud, coordinate) twice.
        batch: (N,) integers >= 0, the cloud of each voxel.

    Raises:
        InputError: wrong shapes or types, coordinates out of range; on the first map: a voxel given twice.
    """

    def __init__(self, coords: torch.Tensor, batch: torch.Tensor) -> None:
        _check_types(coords, batch)
        self._levels = [(coords, batch)]
        self._ranges = [Ranges.of(coords, batch)]
        self._ranges[0].check()
        self._submanifold: dict[int, Map] = {}
        self._strided: dict[int, Map] = {}
        self.foreign: dict[int, dict[str, Any]] = {}  # what another backend keeps for the voxels of a level

    @property
    def clouds(self) -> int:
        """One more than the highest number of a cloud."""
        return self._ranges[0].clouds[1] + 1

    def voxels(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates (N, 3) and clouds (N,) of the voxels of a level that is there already."""
        return self._levels[level]

    def submanifold(self, level: int) -> Map:
        """The 3x3x3 map among the voxels of a level: tap (i, j, k) of output v reads the voxel at v + (i, j, k) - 1."""
        if level not in self._submanifold:
            self._submanifold[level] = _submanifold_map(*self._levels[level], self._ranges_of(level))
        return self._submanifold[level]

    def strided(self, level: int) -> Map:
        """The 2x2x2 map of stride 2: voxel v of a level to floor(v / 2) of the next through tap v mod 2."""
        if level not in self._strided:
            coords, batch, kernel_map = strided_map(*self._levels[level], self._ranges_of(level))
            if level + 1 == len(self._levels):
                self._levels.append((coords, batch))
            self._strided[level] = kernel_map
        return self._strided[level]

    def _ranges_of(self, level: int) -> Ranges:
        while len(self._ranges) <= level:
            self._ranges.append(self._ranges[-1].coarser())
        return self._ranges[level]


@dataclass(frozen=True)
class Ranges:
    """From where to where voxels go. They are read once: to ask a device is to wait for it.

    Attributes:
        x: lowest and highest coordinate.
        y: likewise.
        z: likewise.
        clouds: lowest and highest number.
    """

    x: tuple[int, int] = (0, 0)
    y: tuple[int, int] = (0, 0)
    z: tuple[int, int] = (0, 0)
    clouds: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, coords: torch.Tensor, batch: torch.Tensor) -> Ranges:
        """Of voxels."""
        if not len(coords):
            return cls()
        columns = torch.cat([coords.long(), batch.long()[:, None]], 1)
        low, high = torch.stack(list(torch.aminmax(columns, dim=0))).tolist()
        return cls(*zip(low, high, strict=True))

    def coarser(self) -> Ranges:
        """Of the voxels of twice the edge."""
        x, y, z = ((low >> 1, high >> 1) for low, high in (self.x, self.y, self.z))
        return Ranges(x, y, z, self.clouds)

    def check(self) -> None:
        """Raises InputError where voxels are too far out."""
        low, high = (bound(bound(axis) for axis in (self.x, self.y, self.z)) for bound in (min, max))
        if low < -FARTHEST or high > FARTHEST:
            raise InputError(f"voxel coordinates run from {low} to {high}, beyond ±{FARTHEST}; shift the origin")
        if self.clouds[0] < 0:
            raise InputError(f"batch numbers start at 0, not at {self.clouds[0]}")


def kernel_map_of_pairs(
    sources: torch.Tensor, targets: torch.Tensor, tap: torch.Tensor, inputs: int, outputs: int, taps: int
) -> KernelMap:
    """The kernel map of any pairs.

    Args:
        sources: (P,) input row of each pair.
        targets: (P,) output row of each pair; each output is reached by one pair at least.
        tap: (P,) kernel offset of each pair.
        inputs: number of input rows.
        outputs: number of output rows.
        taps: number of kernel offsets.
    """
    order = torch.argsort(targets.long() * taps + tap)
    sources, targets, tap = sources[order], targets[order], tap[order]
    bounds = torch.searchsorted(targets, torch.arange(0, outputs + _CHUNK, _CHUNK).to(targets))
    chunks = []
    edges = bounds.tolist()
    for begin, end, first in zip(edges, edges[1:], range(0, outputs, _CHUNK), strict=False):
        by_tap = torch.argsort(tap[begin:end], stable=True)
        by_row = torch.empty_like(by_tap)
        by_row[by_tap] = torch.arange(len(by_tap))
        last = min(first + _CHUNK, outputs)
        rows = torch.arange(first, last).to(targets)
        chunks.append(
            Chunk(
                slice(first, last),
                sources[begin:end][by_tap].int(),
                targets[begin:end][by_tap].int(),
                torch.bincount(tap[begin:end], minlength=taps).tolist(),
                by_row.int(),
                torch.searchsorted(targets[begin:end].contiguous(), rows, out_int32=True),
            )
        )
    return KernelMap(inputs, outputs, taps, chunks)


def _submanifold_map(coords: torch.Tensor, batch: torch.Tensor, ranges: Ranges) -> Map:
    keys, (x_step, y_step) = _keys(coords, batch, ranges)
    keys, order = torch.sort(keys)
    if bool((keys[1:] == keys[:-1]).any()):
        raise InputError("two rows of a sparse tensor are the same voxel of the same cloud; voxelise the cloud first")
    steps = torch.tensor([dx * x_step + dy * y_step - 1 for dx, dy in _COLUMNS], device=keys.device)
    finder = _Finder(keys, steps)
    if coords.device.type != "cpu":
        neighbour, found = finder.look_up(keys)
        return GatherMap.of_sorted(neighbour, found, order)
    kernel_map = KernelMap(len(keys), len(keys), 27, list(finder.chunks()), mirrored=True)
    rows = torch.arange(len(keys))
    if not torch.equal(order, rows):
        kernel_map.order = order.int()
        kernel_map.inverse = torch.empty_like(kernel_map.order)
        kernel_map.inverse[order] = rows.int()
    return kernel_map


class _Finder:
    """Finds the neighbours of sorted voxels: those of one (x, y) follow each other, so one search serves three."""

    def __init__(self, keys: torch.Tensor, steps: torch.Tensor) -> None:
        self.keys, self.steps = keys, steps
        self.padded = torch.cat([keys, keys.new_full((3,), -1)])  # looked at beyond the end, and never equal

    def chunks(self) -> Iterator[Chunk]:
        for first in range(0, len(self.keys), _CHUNK):
            yield self._chunk(slice(first, min(first + _CHUNK, len(self.keys))))

    def _chunk(self, rows: slice) -> Chunk:
        neighbour, found = self.look_up(self.keys[rows])
        pairs = found.flatten().nonzero().squeeze(1).int()
        per_row = found.int()
        for tap in range(1, len(per_row)):  # several times faster than cumsum across rows
            per_row[tap] += per_row[tap - 1]
        starts = per_row[-1].cumsum(0, dtype=torch.int32) - per_row[-1]
        rank = (per_row + (starts - 1)).flatten().index_select(0, pairs)
        by_row = torch.empty_like(pairs)
        by_row[rank.long()] = torch.arange(len(pairs), dtype=torch.int32)
        sources = neighbour.flatten().index_select(0, pairs)
        return Chunk(rows, sources, pairs % found.shape[1] + rows.start, found.sum(1).tolist(), by_row, starts)

    def look_up(self, keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(27, n) int32 rows in the sorted order, and whether there is such a voxel."""
        wanted = keys + self.steps[:, None]
        below = torch.searchsorted(self.keys, wanted, out_int32=True)
        has_below = self._at(below) == wanted
        middle = below + has_below
        has_middle = self._at(middle) == wanted + 1
        above = middle + has_middle
        has_above = self._at(above) == wanted + 2
        neighbour = torch.stack([below, middle, above], 1)
        found = torch.stack([has_below, has_middle, has_above], 1)
        return neighbour.view(27, -1), found.view(27, -1)

    def _at(self, rows: torch.Tensor) -> torch.Tensor:
        return self.padded.index_select(0, rows.flatten()).view_as(rows)


def strided_map(
    coords: torch.Tensor, batch: torch.Tensor, ranges: Ranges | None = None
) -> tuple[torch.Tensor, torch.Tensor, Map]:
    """The voxels of twice the edge, and the 2x2x2 map of stride 2 that leads to them.

    Args:
        coords: (N, 3) integers.
        batch: (N,) cloud of each voxel.
        ranges: of these voxels, where they are known.

    Returns:
        (M, 3) coordinates and (M,) clouds of the coarser voxels, sorted by (cloud, x, y, z), and the map.
    """
    coarse = coords >> 1  # rounds down, below zero too
    keys, _ = _keys(coarse, batch, (ranges or Ranges.of(coords, batch)).coarser())
    unique, target = torch.unique(keys, return_inverse=True)
    source = torch.arange(len(coords), device=coords.device)
    first = torch.empty_like(unique)
    first[target] = source  # any of the up to eight: all have the same coarse coordinates
    bits = (coords & 1).long()
    tap = bits[:, 0] * 4 + bits[:, 1] * 2 + bits[:, 2]
    made = GatherMap.of_pairs if coords.device.type != "cpu" else kernel_map_of_pairs
    return coarse[first], batch[first], made(source, target, tap, len(coords), len(unique), 8)


def _keys(coords: torch.Tensor, batch: torch.Tensor, ranges: Ranges) -> tuple[torch.Tensor, tuple[int, int]]:
    """One int64 a voxel that sorts by (cloud, x, y, z), and what a step in x and in y adds; a step in z adds 1.

    Between any two values of an axis that are more than one apart a step leads nowhere, in a neighbour's row least
    of all: each axis has an empty cell at both ends.
    """
    if not len(coords):
        return coords.new_zeros(0, dtype=torch.long), (1, 1)
    columns = [*coords.long().unbind(1), batch.long()]
    known = [ranges.x, ranges.y, ranges.z, ranges.clouds]
    if math.prod(map(_span, known)) >= 1 << 62:
        columns = [*map(_without_gaps, columns[:3]), torch.unique(columns[3], return_inverse=True)[1]]
        known = [(int(column.min()), int(column.max())) for column in columns]
    if math.prod(map(_span, known)) >= 1 << 62:
        raise InputError("the batch is spread too far for its voxels to be numbered; put fewer clouds in it")
    x, y, z = (column - low + 1 for column, (low, _) in zip(columns[:3], known[:3], strict=True))
    y_span, z_span = _span(known[1]), _span(known[2])
    clouds = columns[3] - known[3][0]
    return ((clouds * _span(known[0]) + x) * y_span + y) * z_span + z, (y_span * z_span, z_span)


def _span(bounds: tuple[int, int]) -> int:
    return bounds[1] - bounds[0] + 3


def _without_gaps(values: torch.Tensor) -> torch.Tensor:
    """The same order and the same pairs of successive numbers, with every wider gap shrunk to two."""
    present, rank = torch.unique(values, return_inverse=True)
    steps = present.diff(prepend=present[:1]).clamp(max=2)
    return steps.cumsum(0)[rank]


def _check_types(coords: torch.Tensor, batch: torch.Tensor) -> None:
    if coords.ndim != 2 or coords.shape[1] != 3 or batch.shape != coords.shape[:1]:
        raise InputError(
            f"voxel coordinates must be (N, 3) with a batch of (N,), not {tuple(coords.shape)} and {tuple(batch.shape)}"
        )
    for name, values in (("coordinates", coords), ("batch numbers", batch)):
        if values.is_floating_point() or values.dtype == torch.bool:
            raise InputError(f"voxel {name} must be whole numbers, not {values.dtype}; divide by the voxel size, floor")
