"""Voxels of one resolution, and the patches of them that attend to each other (Point Transformer V3, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from scanwise.nn.sparse import SparseTensor


@dataclass
class Level:
    """The voxels of a batch at one resolution.

    Attributes:
        voxels: features (N, C) at `coords` (N, 3) of clouds `batch` (N,), with shared kernel maps.
        curves: for each order, (N,) rows along it.
        parent: (N,) row of each voxel in the next coarser level, once there is one.
        slots: how every order is cut, once it is known.
        patches: for each order that was asked for, its cut.
    """

    voxels: SparseTensor
    curves: list[torch.Tensor]
    parent: torch.Tensor | None = None
    slots: Slots | None = None
    patches: dict[int, Patches] = field(default_factory=dict)

    @property
    def feats(self) -> torch.Tensor:
        """(N, C) features of the voxels."""
        return self.voxels.feats

    def patches_of(self, order: int, size: int, *, official: bool) -> Patches:
        """The cut of one order into patches, made once."""
        if self.slots is None:
            self.slots = Slots.of(self.voxels.batch, size, official=official)
        if order not in self.patches:
            self.patches[order] = self.slots.filled(self.curves[order])
        return self.patches[order]


@dataclass(frozen=True)
class Slots:
    """P patches of K slots for N voxels in any order that goes cloud by cloud.

    Attributes:
        places: (P * K,) place along the order of what is in each slot.
        own: (N,) the slot of each place itself; the other slots repeat voxels.
        valid: (P, K) bool, False where a cloud is shorter than its one patch; None = everywhere.
        size: K.
    """

    places: torch.Tensor
    own: torch.Tensor
    valid: torch.Tensor | None
    size: int

    @classmethod
    def of(cls, batch: torch.Tensor, size: int, *, official: bool) -> Slots:
        """Cuts each cloud by itself; what its last patch lacks is taken from the patch before.

        Args:
            batch: (N,) cloud of each voxel.
            size: K.
            official: patches shrink to the smallest cloud of the batch.
        """
        counts = np.bincount(batch.cpu().numpy())  # once, rather than to wait for the device at every step of this
        counts = counts[counts > 0]
        if official:
            size = min(size, int(counts.min()))
        size = min(size, int(counts.max()))
        patches = -(-counts // size)
        first, first_patch = np.cumsum(counts) - counts, np.cumsum(patches) - patches
        cloud = np.repeat(np.arange(len(counts)), patches * size)
        within = np.arange(len(cloud)) - first_patch[cloud] * size
        length = counts[cloud]
        own = within < length
        source = np.where(own, within, np.where(length > size, within - size, length - 1))
        places = torch.from_numpy(first[cloud] + source).to(batch.device)
        slots = torch.from_numpy(np.nonzero(own)[0]).to(batch.device)
        everywhere = not (counts < size).any()
        valid = None if everywhere else torch.from_numpy(own | (length > size)).view(-1, size).to(batch.device)
        return cls(places, slots, valid, size)

    def filled(self, curve: torch.Tensor) -> Patches:
        """The patches of rows (N,) along an order."""
        inverse = torch.empty_like(curve)
        inverse[curve] = self.own
        return Patches(curve.index_select(0, self.places).view(-1, self.size), inverse, self.valid)


@dataclass(frozen=True)
class Patches:
    """Rows of a level cut into P patches of K along a curve.

    Attributes:
        rows: (P, K) row of the level at each slot of a patch.
        inverse: (N,) for each row, its own slot in `rows.flatten()`.
        valid: (P, K) bool, False where a cloud is shorter than its one patch; None = everywhere.
    """

    rows: torch.Tensor
    inverse: torch.Tensor
    valid: torch.Tensor | None
