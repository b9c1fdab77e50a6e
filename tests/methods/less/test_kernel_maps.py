"""Kernel maps of clouds several times over, and of a grid that ends."""

from __future__ import annotations

import torch

from scanwise.methods.less.kernel_maps import ClippedKernelMaps, RepeatedKernelMaps
from scanwise.nn.kernel_maps import KernelMaps
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig


def test_repeated_tables_are_those_of_repeated_voxels() -> None:
    generator = torch.Generator().manual_seed(1)
    coords = torch.unique(torch.randint(0, 12, (300, 3), generator=generator), dim=0)
    coords = coords[torch.randperm(len(coords), generator=generator)]
    batch = (torch.arange(len(coords)) > len(coords) // 3).long()
    shared = RepeatedKernelMaps(KernelMaps(coords, batch), 3, 2)
    own = KernelMaps(*shared.voxels(0))
    torch.manual_seed(0)
    network = SparseUNet(SparseUNetConfig(6, (8, 16, 24), 1)).eval()
    feats = torch.randn(3 * len(coords), 6, generator=generator)
    coords, batch = own.voxels(0)
    results = [network(SparseTensor(coords, feats, batch, cache=cache)).feats for cache in (own, shared)]
    assert torch.allclose(*results, atol=1e-5)


def test_a_clipped_grid_loses_its_last_plane() -> None:
    coords = torch.tensor([[0, 0, 0], [4, 0, 0], [3, 1, 0]])
    cache = ClippedKernelMaps(coords, torch.zeros(3, dtype=torch.long), least=2)
    assert cache.shape.tolist() == [5, 2, 2]
    assert cache.strided(0).pairs == 2
    assert cache.voxels(1)[0].tolist() == [[0, 0, 0], [1, 0, 0]]
