"""Sparse convolutions against torch's dense ones, their gradients, their errors, and the official code's numbers."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.errors import InputError
from scanwise.nn import kernel_maps, sparse
from scanwise.nn.sparse import (
    SparseConv3d,
    SparseInverseConv3d,
    SparsePool3d,
    SparseTensor,
    SubmanifoldConv3d,
    convolve,
)

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
SIZE = 9


def cloud(count: int, clouds: int = 2, channels: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64):
    """Voxels in -4..4, no two alike, shuffled over the batch."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randperm(clouds * SIZE**3, generator=generator)[:count]
    batch, rest = cells // SIZE**3, cells % SIZE**3
    coords = torch.stack([rest // SIZE**2, rest // SIZE % SIZE, rest % SIZE], 1) - SIZE // 2
    return SparseTensor(coords, torch.randn(count, channels, generator=generator, dtype=dtype), batch)


def dense(x: SparseTensor, low: int = -SIZE // 2 + 1, size: int = SIZE) -> torch.Tensor:
    grid = x.feats.new_zeros(int(x.batch.max()) + 1, size, size, size, x.feats.shape[1])
    grid[(x.batch, *(x.coords - low).unbind(1))] = x.feats
    return grid.permute(0, 4, 1, 2, 3)


def at(grid: torch.Tensor, x: SparseTensor, low: int = -SIZE // 2 + 1) -> torch.Tensor:
    return grid.permute(0, 2, 3, 4, 1)[(x.batch, *(x.coords - low).unbind(1))]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(kernel_maps, "_CHUNK", 32)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 900), st.integers(0, 10**6))
def test_submanifold_is_the_dense_convolution_at_the_voxels(count, seed):
    x = cloud(count, seed=seed)
    layer = SubmanifoldConv3d(5, 7).double()
    expected = F.conv3d(dense(x), layer.weight.permute(0, 4, 1, 2, 3), layer.bias, padding=1)
    torch.testing.assert_close(layer(x).feats, at(expected, x))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 900), st.integers(0, 10**6))
def test_stride_2_and_its_inverse_are_the_dense_ones(count, seed):
    x = cloud(count, seed=seed)
    down, up = SparseConv3d(5, 6).double(), SparseInverseConv3d(6, 3).double()
    low = dense(x, low=-4, size=10)
    half = down(x)
    expected = F.conv3d(low, down.weight.permute(0, 4, 1, 2, 3), down.bias, stride=2)
    torch.testing.assert_close(half.feats, at(expected, half, low=-2))
    fine = up(half)
    kernel = up.weight.permute(4, 0, 1, 2, 3)
    expected = F.conv_transpose3d(dense(half, low=-2, size=5), kernel, up.bias, stride=2)
    torch.testing.assert_close(fine.feats, at(expected, x, low=-4))
    assert torch.equal(fine.coords, x.coords)


def test_coarse_rows_are_sorted_and_round_down():
    coords = torch.tensor([[3, 0, 0], [-1, 0, 0], [2, 1, 1], [0, 0, 0], [-1, -1, -1]])
    half = SparsePool3d("max")(SparseTensor(coords, torch.arange(5.0)[:, None], torch.tensor([0, 0, 0, 1, 0])))
    assert half.coords.tolist() == [[-1, -1, -1], [-1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert half.batch.tolist() == [0, 0, 0, 1]
    assert half.feats[:, 0].tolist() == [4, 1, 2, 3]
    assert half.stride == 2


@pytest.mark.parametrize("mode", ["max", "mean"])
def test_pooling_takes_the_occupied_voxels_only(mode, small_chunks):
    x = cloud(700)
    half = SparsePool3d(mode)(x)
    keys = torch.cat([x.batch[:, None], x.coords // 2], 1)
    for row in range(0, len(half), 7):
        mine = (keys == torch.cat([half.batch[row, None], half.coords[row]])).all(1)
        group = x.feats[mine]
        torch.testing.assert_close(half.feats[row], group.amax(0) if mode == "max" else group.mean(0))


def test_gradients_are_those_of_finite_differences(small_chunks):
    x = cloud(60, channels=2)
    submanifold, strided = x.cache.submanifold(0), x.cache.strided(0)
    assert len(submanifold.chunks) == 2
    inverse = strided.reverse
    coarse = torch.randn(inverse.inputs, 2, dtype=torch.float64)
    for size, feats, kernel_map in ((3, x.feats, submanifold), (2, x.feats, strided), (2, coarse, inverse)):
        weight = torch.randn(3, size, size, size, 2, dtype=torch.float64, requires_grad=True)
        bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
        feats = feats.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda *inputs, m=kernel_map: convolve(*inputs, m), (feats, weight, bias))
    for mode in ("max", "mean"):
        pool = SparsePool3d(mode)
        assert torch.autograd.gradcheck(lambda f, p=pool: p(x.replace(f)).feats, x.feats.clone().requires_grad_())


def test_a_cloud_does_not_see_its_batch_mates(small_chunks):
    x = cloud(1500, clouds=3, dtype=torch.float32)
    layers = [SubmanifoldConv3d(5, 8), SparseConv3d(8, 8), SubmanifoldConv3d(8, 8), SparseInverseConv3d(8, 4)]
    together = torch.nn.Sequential(*layers)(x).feats
    for number in range(3):
        mine = x.batch == number
        alone = SparseTensor(x.coords[mine], x.feats[mine], x.batch[mine])
        torch.testing.assert_close(torch.nn.Sequential(*layers)(alone).feats, together[mine], rtol=1e-5, atol=1e-6)


def test_the_order_of_rows_does_not_matter():
    x = cloud(800)
    shuffled = torch.randperm(800)
    layer = SubmanifoldConv3d(5, 8).double()
    other = SparseTensor(x.coords[shuffled], x.feats[shuffled], x.batch[shuffled])
    torch.testing.assert_close(layer(other).feats, layer(x).feats[shuffled])


def test_the_same_call_gives_the_same_bits():
    layer = SubmanifoldConv3d(16, 16)

    def step():
        x = cloud(1200, channels=16, dtype=torch.float32)
        layer.zero_grad()
        x.feats.requires_grad_()
        layer(x).feats.square().sum().backward()
        return x.feats.grad, layer.weight.grad, layer.bias.grad

    assert all(torch.equal(*pair) for pair in zip(step(), step(), strict=True))


def test_far_voxels_of_any_spread():
    far = 1 << 20
    coords = torch.tensor([[-far, far, -far], [-far, far, 1 - far], [far, -far, far], [far, -far, far - 1], [0, 0, 0]])
    batch = torch.tensor([0, 0, 50000, 50000, 3])
    layer = SubmanifoldConv3d(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    x = SparseTensor(coords, torch.tensor([[1.0], [2], [4], [8], [16]]), batch)
    assert layer(x).feats[:, 0].tolist() == [3, 3, 12, 12, 16]
    half = SparseConv3d(1, 2)(x)
    assert half.coords.tolist() == [
        [-far // 2, far // 2, -far // 2],
        [0, 0, 0],
        *[[far // 2, -far // 2, n] for n in (far // 2 - 1, far // 2)],
    ]


def test_neighbours_end_at_the_edge_of_a_row_and_of_a_cloud():
    corners = torch.cartesian_prod(*[torch.tensor([0, 7])] * 3)
    x = SparseTensor(corners.repeat(2, 1), torch.ones(16, 1), torch.arange(2).repeat_interleave(8))
    assert x.cache.submanifold(0).pairs == 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_stays_near_double(dtype):
    x = cloud(900, channels=16)
    exact = SubmanifoldConv3d(16, 16).double()
    rounded = SubmanifoldConv3d(16, 16).to(dtype)
    rounded.load_state_dict(exact.state_dict())
    x.feats.requires_grad_()
    low = x.feats.detach().to(dtype).requires_grad_()
    expected, found = exact(x).feats, rounded(x.replace(low)).feats
    assert found.dtype == dtype
    expected.sum().backward()
    found.sum().backward()
    tolerance = 20 * torch.finfo(dtype).eps
    for mine, true in (
        (found.detach(), expected.detach()),
        (low.grad, x.feats.grad),
        (rounded.weight.grad, exact.weight.grad),
    ):
        assert float((mine.double() - true).abs().max() / true.abs().max()) < tolerance


def test_autocast_computes_in_bfloat16_and_returns_gradients_in_float32():
    x = cloud(300, channels=8, dtype=torch.float32)
    feats = x.feats.requires_grad_()
    layers = torch.nn.Sequential(SubmanifoldConv3d(8, 8), SparseConv3d(8, 8), SparseInverseConv3d(8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layers(x).feats
        assert y.dtype == torch.bfloat16
        y.float().sum().backward()
    assert feats.grad is not None
    assert {p.grad.dtype for p in layers.parameters()} == {torch.float32}
    torch.testing.assert_close(y.float(), layers(x).feats, rtol=0.05, atol=0.03)


def test_wide_products_summed_tap_by_tap_are_the_same(small_chunks, monkeypatch):
    x = cloud(900, channels=16, dtype=torch.float32)
    layers = torch.nn.Sequential(SubmanifoldConv3d(16, 130), SparseConv3d(130, 130), SparseInverseConv3d(130, 128))
    wide = layers(x).feats
    monkeypatch.setattr(sparse, "_WIDE", 1000)
    torch.testing.assert_close(wide, layers(x).feats)


def test_kernel_maps_are_built_once_and_shared(monkeypatch):
    built = []
    real = kernel_maps._submanifold_map
    monkeypatch.setattr(kernel_maps, "_submanifold_map", lambda *voxels: built.append(1) or real(*voxels))
    x = cloud(500, dtype=torch.float32)
    x = SubmanifoldConv3d(5, 5)(SubmanifoldConv3d(5, 5)(x))
    y = SubmanifoldConv3d(5, 5)(SparseConv3d(5, 5)(x))
    z = SubmanifoldConv3d(5, 5)(SparseInverseConv3d(5, 5)(y))
    SubmanifoldConv3d(5, 5)(SparsePool3d()(z))
    assert len(built) == 2


def test_no_voxels_and_one_by_one_kernels():
    empty = SparseTensor(torch.zeros(0, 3, dtype=torch.int32), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int32))
    for layer in (SubmanifoldConv3d(4, 6), SubmanifoldConv3d(4, 6, 1), SparseConv3d(4, 6)):
        assert layer(empty).feats.shape == (0, 6)
    assert SparseInverseConv3d(4, 2)(SparsePool3d()(empty)).feats.shape == (0, 2)
    x = cloud(40)
    layer = SubmanifoldConv3d(5, 3, 1).double()
    torch.testing.assert_close(layer(x).feats, x.feats @ layer.weight.view(3, 5).t() + layer.bias)


def test_what_does_not_fit_is_said():
    x = cloud(10)
    with pytest.raises(InputError, match="same voxel"):
        SubmanifoldConv3d(5, 5).double()(SparseTensor(x.coords.repeat(2, 1), x.feats.repeat(2, 1), x.batch.repeat(2)))
    with pytest.raises(InputError, match="whole numbers"):
        SparseTensor(x.coords / 2, x.feats, x.batch)
    with pytest.raises(InputError, match="beyond"):
        SparseTensor(x.coords + (1 << 20), x.feats, x.batch)
    with pytest.raises(InputError, match=r"\(10, C\)"):
        SparseTensor(x.coords, x.feats[:5], x.batch)
    with pytest.raises(InputError, match=r"\(N, 3\)"):
        SparseTensor(x.coords, x.feats, x.batch[:5])
    with pytest.raises(InputError, match="start at 0"):
        SparseTensor(x.coords, x.feats, x.batch - 1)
    with pytest.raises(InputError, match="takes 4 channels"):
        SubmanifoldConv3d(4, 4)(x)
    with pytest.raises(InputError, match="level 0"):
        SparseInverseConv3d(5, 5)(x)
    with pytest.raises(InputError, match="1 or 3"):
        SubmanifoldConv3d(5, 5, 5)
    with pytest.raises(InputError, match="needs CUDA"):
        SubmanifoldConv3d(5, 5, backend="spconv").double()(x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_cpu():
    x = cloud(1400, channels=16, dtype=torch.float32)
    on_gpu = SparseTensor(x.coords.cuda(), x.feats.cuda(), x.batch.cuda())
    layers = torch.nn.Sequential(
        SubmanifoldConv3d(16, 16, backend="torch"), SparseConv3d(16, 16), SparseInverseConv3d(16, 16)
    )
    expected = layers(x).feats
    torch.testing.assert_close(layers.cuda()(on_gpu).feats.cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(
    not torch.cuda.is_available() or importlib.util.find_spec("spconv") is None, reason="needs CUDA and spconv"
)
def test_spconv_equals_torch():
    x = cloud(1400, channels=16, dtype=torch.float32)
    x = SparseTensor(x.coords.cuda(), x.feats.cuda(), x.batch.cuda())
    ours = SubmanifoldConv3d(16, 32, backend="torch").cuda()
    theirs = SubmanifoldConv3d(16, 32, backend="spconv").cuda()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(theirs(x).feats, ours(x).feats, rtol=1e-2, atol=1e-2)


@pytest.fixture
def golden(monkeypatch):
    if not GOLDEN.exists():
        pytest.skip("needs ../shared/golden")
    monkeypatch.syspath_prepend(str(GOLDEN))
    return importlib.import_module("golden_io")


def test_official_position_encoding_of_sonata(golden):
    tensors, _ = golden.load("sonata")
    weights = golden.sub(tensors, "sd.enc.enc0.block0.cpe.")
    ends = tensors["in.offset"]
    batch = torch.searchsorted(ends, torch.arange(int(ends[-1])), right=True)
    layer = SubmanifoldConv3d(24, 24)
    layer.load_state_dict({name: weights[f"0.{name}"] for name in ("weight", "bias")})
    with torch.no_grad():
        y = layer(SparseTensor(tensors["in.grid_coord"], tensors["enc_only.embedding"], batch)).feats
        y = F.linear(y, weights["1.weight"], weights["1.bias"])
        y = F.layer_norm(y, (24,), weights["2.weight"], weights["2.bias"])
    assert golden.compare(y, tensors["enc_only.block00.cpe"], rtol=1e-4, atol_of_max=1e-5) < 1e-5


def test_official_submanifold_and_inverse_convolutions_of_less(golden):
    tensors, _ = golden.load("less")
    voxels = tensors["in.voxel_coords"]
    layer = SubmanifoldConv3d(6, 32, bias=False)
    layer.load_state_dict({"weight": tensors["sd.input_conv.0.weight"]})
    with torch.no_grad():
        y = layer(SparseTensor(voxels[:, 1:], tensors["out.voxel_feats"], voxels[:, 0])).feats
    assert golden.compare(y, tensors["out.input_conv"], rtol=1e-4, atol_of_max=1e-5) < 1e-5

    fine, coarse = tensors["out.L2.indices"], tensors["out.L3.indices"]
    kept = (fine[:, 1:] // 2 < tensors["out.L3.shape"]).all(1)  # the official code drops the rest: README, quirk (g)
    half = SparsePool3d()(SparseTensor(fine[kept, 1:], torch.zeros(int(kept.sum()), 1), fine[kept, 0]))
    assert len(half) == len(coarse)
    norm = golden.sub(tensors, "sd.unet.u.u.deconv.0.")
    feats = F.batch_norm(
        tensors["out.L3.dec"], norm["running_mean"], norm["running_var"], norm["weight"], norm["bias"], eps=1e-4
    ).relu()
    rows = golden.align_rows(coarse, torch.cat([half.batch[:, None], half.coords], 1))
    layer = SparseInverseConv3d(128, 96, bias=False)
    layer.load_state_dict({"weight": tensors["sd.unet.u.u.deconv.2.weight"]})
    with torch.no_grad():
        y = layer(half.replace(feats[rows])).feats
    assert golden.compare(y, tensors["out.L2.up"][kept], rtol=1e-4, atol_of_max=1e-5) < 1e-5
