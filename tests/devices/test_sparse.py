"""Convolutions of few large products have the numbers of the CPU's."""

import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.less.kernel_maps import ClippedKernelMaps, RepeatedKernelMaps
from scanwise.methods.less.losses import edges
from scanwise.nn.gather_maps import GatherMap
from scanwise.nn.kernel_maps import KernelMap, KernelMaps
from scanwise.nn.ptv3 import SIZES, PointTransformerV3, with_decoder
from scanwise.nn.sparse import SparseConv3d, SparseInverseConv3d, SparsePool3d, SparseTensor, SubmanifoldConv3d
from tests.devices import pretended


def voxels(count: int = 200, side: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    cells = torch.unique(torch.randint(-side, side, (count, 4), generator=generator), dim=0)
    cells = cells[torch.randperm(len(cells), generator=generator)]
    return cells[:, :3].contiguous(), (cells[:, 3] > 0).long()


def both(layers, coords, batch, feats):
    """Outputs and gradients of layers on the CPU and elsewhere."""
    found = []
    for device in (torch.device("cpu"), pretended.device()):
        own = feats.detach().to(device, copy=True).requires_grad_()
        for layer in layers:
            layer.to(device).zero_grad()
        x = SparseTensor(coords.to(device), own, batch.to(device))
        for layer in layers:
            x = layer(x)
        (x.feats * torch.linspace(0, 1, x.feats.shape[1], device=device)).square().sum().backward()
        gradients = [parameter.grad for layer in layers for parameter in layer.parameters()]
        found.append([each.detach().cpu() for each in (x.feats, x.coords, own.grad, *gradients)])
    return zip(*found, strict=True)


def test_layers_have_the_numbers_of_the_cpu():
    coords, batch = voxels()
    coords, batch = torch.unique(torch.cat([coords, batch[:, None]], 1), dim=0).split([3, 1], 1)
    order = torch.randperm(len(coords))
    coords, batch = coords[order].contiguous(), batch[order, 0].contiguous()
    feats = torch.randn(len(coords), 5, dtype=torch.float64)
    layers = [SubmanifoldConv3d(5, 6), SparseConv3d(6, 7), SparsePool3d("max"), SubmanifoldConv3d(7, 4),
              SparseInverseConv3d(4, 3), SparseInverseConv3d(3, 4)]  # fmt: skip
    for here, there in both([layer.double() for layer in layers], coords, batch, feats):
        assert torch.allclose(here, there, atol=1e-12)
    for here, there in both([SparsePool3d("mean")], coords, batch, feats):
        assert torch.allclose(here, there, atol=1e-12)


def test_a_voxel_given_twice_is_found_there_too():
    coords = torch.zeros(2, 3, dtype=torch.long, device=pretended.device())
    x = SparseTensor(coords, torch.ones(2, 1, device=coords.device), coords[:, 0])
    with pytest.raises(InputError, match="same voxel"):
        SubmanifoldConv3d(1, 1).to(coords.device)(x)


@pytest.mark.parametrize("derive", ["repeated", "clipped"])
def test_derived_maps_are_those_of_the_cpu(derive):
    coords = torch.unique(voxels()[0] + 8, dim=0)
    batch = torch.zeros(len(coords), dtype=torch.long)
    tables = []
    for device in (torch.device("cpu"), pretended.device()):
        here = (coords.to(device), batch.to(device))
        maps = (
            RepeatedKernelMaps(KernelMaps(*here), 3, 1) if derive == "repeated" else ClippedKernelMaps(*here, least=3)
        )
        down = maps.strided(0)
        tables.append([pairs_of(each) for each in (maps.submanifold(0), down, down.reverse, maps.submanifold(1))])
    assert tables[0] == tables[1]


def pairs_of(table: KernelMap | GatherMap) -> set[tuple[int, int, int]]:
    if isinstance(table, GatherMap):
        rows = table.rows.cpu()
        return {(int(rows[row, tap]), int(row), int(tap)) for row, tap in (rows < table.inputs).nonzero()}
    order = table.order if table.order is not None else torch.arange(max(table.inputs, table.outputs))
    pairs = set()
    for chunk in table.chunks:
        taps = torch.arange(table.taps).repeat_interleave(torch.tensor(chunk.counts))
        for source, target, tap in zip(chunk.sources.tolist(), chunk.targets.tolist(), taps.tolist(), strict=True):
            pairs.add((int(order[source]), int(order[target]), tap))
    return pairs


def test_edges_of_masks_are_those_of_the_cpu():
    coords = torch.unique(voxels()[0], dim=0)
    target = torch.rand(len(coords), 2) < 0.5
    found = []
    for device in (torch.device("cpu"), pretended.device()):
        maps = KernelMaps(coords.to(device), torch.zeros(len(coords), dtype=torch.long, device=device))
        found.append(edges(target.to(device), maps.submanifold(0)).cpu())
    assert torch.equal(*found)
    assert found[0].any()


def test_a_transformer_of_points_has_the_numbers_of_the_cpu_and_few_launches():
    coords = torch.unique(torch.randint(0, 40, (400, 3), generator=torch.Generator().manual_seed(0)), dim=0)
    batch = torch.sort(torch.arange(len(coords)) % 2).values
    torch.manual_seed(0)
    network = PointTransformerV3(with_decoder(SIZES["tiny"])).eval()
    feats, found = torch.randn(len(coords), 6), []
    for device in (torch.device("cpu"), pretended.device()):
        network.to(device)
        with torch.no_grad(), pretended.counted() as counts:
            levels = network(SparseTensor(coords.to(device), feats.to(device), batch.to(device)))
            found.append(network.decode(levels).cpu())
    assert torch.allclose(*found, atol=1e-4)
    assert counts.launches.total() < 1200
    assert counts.waits < 40
