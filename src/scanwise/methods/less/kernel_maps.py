"""Kernel maps derived from others: the same clouds several times over, and clouds on a grid that ends."""

from __future__ import annotations

from dataclasses import replace

import torch

from scanwise.nn.kernel_maps import Chunk, KernelMap, KernelMaps, strided_map


class RepeatedKernelMaps(KernelMaps):
    """The voxels of another cache, `copies` times one after the other, each copy with clouds of its own.

    Tables are those of the other cache, shifted: nothing is searched or sorted again. So several sentences about one
    scene go through a network as a batch at the cost of its geometry once.

    Args:
        base: the cache.
        copies: how often.
        clouds: in the base's batch; cloud b of copy j becomes j * clouds + b.
    """

    def __init__(self, base: KernelMaps, copies: int, clouds: int) -> None:
        self._base, self._copies, self._clouds = base, copies, clouds
        super().__init__(*self._repeat(0))

    def voxels(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """As of `KernelMaps`, of all copies."""
        while len(self._levels) <= level:
            self._levels.append(self._repeat(len(self._levels)))
        return self._levels[level]

    def submanifold(self, level: int) -> KernelMap:
        """As of `KernelMaps`, of all copies."""
        if level not in self._submanifold:
            self._submanifold[level] = self._repeat_table(self._base.submanifold(level))
        return self._submanifold[level]

    def strided(self, level: int) -> KernelMap:
        """As of `KernelMaps`, of all copies."""
        if level not in self._strided:
            table = self._base.strided(level)
            self._strided[level] = self._repeat_table(table)
            self._strided[level].reverse = self._repeat_table(table.reverse)  # rather than sorting it out again
        return self._strided[level]

    def _repeat(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        coords, batch = self._base.voxels(level)
        copy = torch.arange(self._copies, device=batch.device).repeat_interleave(len(batch))
        return coords.repeat(self._copies, 1), batch.repeat(self._copies) + (copy * self._clouds).to(batch.dtype)

    def _repeat_table(self, table: KernelMap) -> KernelMap:
        def shifted(chunk: Chunk, copy: int) -> Chunk:
            into = copy * table.outputs
            rows = slice(chunk.rows.start + into, chunk.rows.stop + into)
            return replace(chunk, rows=rows, sources=chunk.sources + copy * table.inputs, targets=chunk.targets + into)

        def repeated(rows: torch.Tensor | None) -> torch.Tensor | None:
            if rows is None:
                return None
            return torch.cat([rows + copy * len(rows) for copy in range(self._copies)])

        chunks = [shifted(chunk, copy) for copy in range(self._copies) for chunk in table.chunks]
        inputs, outputs = table.inputs * self._copies, table.outputs * self._copies
        order, inverse = repeated(table.order), repeated(table.inverse)
        return KernelMap(inputs, outputs, table.taps, chunks, order, inverse, table.mirrored)


class ClippedKernelMaps(KernelMaps):
    """Tables as spconv makes them on a grid that ends: where its size is odd, the last plane has no coarser voxel.

    Voxels there vanish on the way down and get zeros on the way up. LESS's official code loses them so.

    Args:
        coords: as of `KernelMaps`, not below 0.
        batch: as of `KernelMaps`.
        least: smallest size of the grid along an axis.
    """

    def __init__(self, coords: torch.Tensor, batch: torch.Tensor, least: int = 128) -> None:
        super().__init__(coords, batch)
        self.shape = (coords.amax(0) + 1).clamp(min=least)

    def strided(self, level: int) -> KernelMap:
        """As of `KernelMaps`, without voxels of a last plane that has no coarser one."""
        if level not in self._strided:
            coords, batch = self._levels[level]
            coarser = self.shape.to(coords) >> (level + 1)
            kept = ((coords >> 1) < coarser).all(1).nonzero().squeeze(1).int()
            coarse, clouds, table = strided_map(coords[kept], batch[kept])
            chunks = [replace(chunk, sources=kept[chunk.sources]) for chunk in table.chunks]
            if level + 1 == len(self._levels):
                self._levels.append((coarse, clouds))
            self._strided[level] = KernelMap(len(coords), table.outputs, table.taps, chunks)
        return self._strided[level]
