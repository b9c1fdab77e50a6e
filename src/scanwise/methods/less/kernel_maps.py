"""Kernel maps derived from others: the same clouds several times over, and clouds on a grid that ends."""

from __future__ import annotations

import torch

from scanwise.nn.kernel_maps import KernelMaps, Map, strided_map


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

    def submanifold(self, level: int) -> Map:
        """As of `KernelMaps`, of all copies."""
        if level not in self._submanifold:
            self._submanifold[level] = self._base.submanifold(level).repeated(self._copies)
        return self._submanifold[level]

    def strided(self, level: int) -> Map:
        """As of `KernelMaps`, of all copies."""
        if level not in self._strided:
            self._strided[level] = self._base.strided(level).repeated(self._copies)
        return self._strided[level]

    def _repeat(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        coords, batch = self._base.voxels(level)
        copy = torch.arange(self._copies, device=batch.device).repeat_interleave(len(batch))
        return coords.repeat(self._copies, 1), batch.repeat(self._copies) + (copy * self._clouds).to(batch.dtype)


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

    def strided(self, level: int) -> Map:
        """As of `KernelMaps`, without voxels of a last plane that has no coarser one."""
        if level not in self._strided:
            coords, batch = self._levels[level]
            coarser = self.shape.to(coords) >> (level + 1)
            kept = ((coords >> 1) < coarser).all(1).nonzero().squeeze(1).int()
            coarse, clouds, table = strided_map(coords[kept], batch[kept])
            if level + 1 == len(self._levels):
                self._levels.append((coarse, clouds))
            self._strided[level] = table.of_inputs(kept, len(coords))
        return self._strided[level]
