"""Convolutions of sparse voxels in plain torch: submanifold 3x3x3 and 1x1x1, stride 2, its inverse, pooling.

Submanifold convolution: Graham, Engelcke, van der Maaten, CVPR 2018 (arXiv 1711.10275). The same code runs on CPU and
CUDA; on CUDA, spconv does the 3x3x3 convolutions where it is installed. A kernel is stored as (Cout, k, k, k, Cin),
axes x, y, z as the columns of `coords`: spconv's layout, so that its state dicts load as they are.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from scanwise.errors import InputError
from scanwise.nn.gather_maps import GatherMap, convolved, kernel_gradient, pooled
from scanwise.nn.kernel_maps import KernelMap, KernelMaps, Map

Backend = Literal["auto", "torch", "spconv"]
_WIDE = 128  # output channels from which summing tap by tap is faster on a CPU; docs/performance.md


class SparseTensor:
    """Features of the voxels of a flat batch of clouds, of any sizes.

    Example:
        >>> x = SparseTensor(coords, feats, batch)
        >>> y = SparseConv3d(64, 128)(SubmanifoldConv3d(32, 64)(x))

    Args:
        coords: (N, 3) integers within ±2^20.
        feats: (N, C) features.
        batch: (N,) integers >= 0, the cloud of each row.
        cache: another tensor's `cache`, whose voxels at `level` these are; kernel maps are built once and shared.
        level: resolution of these voxels: their stride is 2^level in the cache's own voxels.

    Raises:
        InputError: shapes, types or ranges that do not fit; a voxel given twice is found by the first convolution.
    """

    def __init__(
        self,
        coords: torch.Tensor,
        feats: torch.Tensor,
        batch: torch.Tensor,
        *,
        cache: KernelMaps | None = None,
        level: int = 0,
    ) -> None:
        if feats.ndim != 2 or len(feats) != len(coords):
            raise InputError(f"features must be ({len(coords)}, C), one row a voxel, not {tuple(feats.shape)}")
        self.coords, self.feats, self.batch, self.level = coords, feats, batch, level
        self.cache = KernelMaps(coords, batch) if cache is None else cache

    def __len__(self) -> int:
        return len(self.feats)

    @property
    def stride(self) -> int:
        """Edge of these voxels in voxels of level 0."""
        return 1 << self.level

    def replace(self, feats: torch.Tensor) -> SparseTensor:
        """The same voxels with other features (N, C')."""
        return SparseTensor(self.coords, feats, self.batch, cache=self.cache, level=self.level)

    def at_level(self, level: int, feats: torch.Tensor) -> SparseTensor:
        """These features at the voxels of another level, which has been visited before."""
        coords, batch = self.cache.voxels(level)
        return SparseTensor(coords, feats, batch, cache=self.cache, level=level)


class _Conv(nn.Module):
    """A kernel and a bias, initialised as torch's own convolutions are."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool) -> None:
        super().__init__()
        size = kernel_size
        self.weight = nn.Parameter(torch.empty(out_channels, size, size, size, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        bound = 1 / math.sqrt(in_channels * size**3)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        out_channels, size, _, _, in_channels = self.weight.shape
        return f"{in_channels}, {out_channels}, kernel_size={size}, bias={self.bias is not None}"

    def _check(self, x: SparseTensor) -> None:
        if x.feats.shape[1] != self.weight.shape[4]:
            raise InputError(f"this layer takes {self.weight.shape[4]} channels, the voxels have {x.feats.shape[1]}")


class SubmanifoldConv3d(_Conv):
    """Convolution whose outputs are the voxels of its input: tap (i, j, k) reads the voxel at v + (i, j, k) - 1.

    Args:
        in_channels: Cin.
        out_channels: Cout.
        kernel_size: 3, or 1 (a linear layer, weight (Cout, 1, 1, 1, Cin)).
        bias: whether there is one.
        backend: "torch", "spconv" (CUDA only), or "auto": spconv where it can be used.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        bias: bool = True,
        *,
        backend: Backend = "auto",
    ) -> None:
        if kernel_size not in (1, 3):
            raise InputError(f"a submanifold kernel has size 1 or 3, not {kernel_size}")
        super().__init__(in_channels, out_channels, kernel_size, bias)
        self.backend = backend

    def forward(self, x: SparseTensor) -> SparseTensor:
        """The same voxels, (N, Cin) -> (N, Cout)."""
        self._check(x)
        if self.weight.shape[1] == 1:
            return x.replace(F.linear(x.feats, self.weight.flatten(1), self.bias))
        if _takes_spconv(self.backend, x.feats):
            return x.replace(_spconv_submanifold(x, self.weight, self.bias))
        return x.replace(convolve(x.feats, self.weight, self.bias, x.cache.submanifold(x.level)))


class SparseConv3d(_Conv):
    """2x2x2 convolution of stride 2: voxel v goes to floor(v / 2) through tap v mod 2; rows come out sorted.

    Args:
        in_channels: Cin.
        out_channels: Cout.
        bias: whether there is one.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 2, bias)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """The voxels of the next level, (N, Cin) -> (M, Cout)."""
        self._check(x)
        kernel_map = x.cache.strided(x.level)
        return x.at_level(x.level + 1, convolve(x.feats, self.weight, self.bias, kernel_map))


class SparseInverseConv3d(_Conv):
    """Back to the voxels before the last strided convolution: voxel v reads floor(v / 2) through tap v mod 2.

    Args:
        in_channels: Cin.
        out_channels: Cout.
        bias: whether there is one.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 2, bias)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """The voxels of the level before, (M, Cin) -> (N, Cout).

        Raises:
            InputError: the voxels are those of level 0.
        """
        self._check(x)
        if x.level == 0:
            raise InputError("an inverse convolution needs voxels of a strided one; these are at level 0")
        kernel_map = x.cache.strided(x.level - 1).reverse
        return x.at_level(x.level - 1, convolve(x.feats, self.weight, self.bias, kernel_map))


class SparsePool3d(nn.Module):
    """Pooling of stride 2 over the up to eight voxels that fall into one of twice the edge; rows come out sorted.

    Args:
        mode: the greatest feature, or the mean.
    """

    def __init__(self, mode: Literal["max", "mean"] = "max") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: SparseTensor) -> SparseTensor:
        """The voxels of the next level, (N, C) -> (M, C)."""
        kernel_map = x.cache.strided(x.level)
        if isinstance(kernel_map, GatherMap):
            return x.at_level(x.level + 1, pooled(x.feats, kernel_map, self.mode))
        parts = [
            F.embedding_bag(chunk.sources[chunk.by_row], x.feats, chunk.starts, mode=self.mode)
            for chunk in kernel_map.chunks
        ]
        return x.at_level(x.level + 1, torch.cat(parts) if parts else x.feats)


def convolve(feats: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, kernel_map: Map) -> torch.Tensor:
    """Gathers, multiplies and scatters along a kernel map: the sum over its pairs of a feature times the tap's weight.

    Under autocast everything is cast first. Gradients of all three inputs, once. Working memory beside the result:
    the gathered rows and the products of one chunk.

    Args:
        feats: (N, Cin) of the input voxels.
        weight: (Cout, k, k, k, Cin).
        bias: (Cout,).
        kernel_map: between N input and M output voxels, with k^3 taps.

    Returns:
        (M, Cout).
    """
    device = feats.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        feats, weight, bias = feats.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    taps = weight.flatten(1, 3).permute(1, 2, 0)
    return cast(torch.Tensor, _Convolve.apply(feats, taps, bias, kernel_map))


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feats: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor | None, kernel_map: Map) -> Any:
        ctx.save_for_backward(feats, taps)
        ctx.kernel_map = kernel_map
        with torch.autocast(feats.device.type, enabled=False):
            return _sums(feats, taps, bias, kernel_map)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        feats, taps = ctx.saved_tensors
        kernel_map: Map = ctx.kernel_map
        grad_feats = grad_taps = grad_bias = None
        with torch.autocast(feats.device.type, enabled=False):
            if ctx.needs_input_grad[2]:
                grad_bias = grad.sum(0)
            if ctx.needs_input_grad[0]:
                back, turned = (kernel_map, taps.flip(0)) if kernel_map.mirrored else (kernel_map.reverse, taps)
                grad_feats = _sums(grad, turned.transpose(1, 2), None, back)
            if ctx.needs_input_grad[1]:
                grad_taps = _weight_gradient(feats, grad, kernel_map).to(taps.dtype)
        return grad_feats, grad_taps, grad_bias, None


def _sums(feats: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor | None, kernel_map: Map) -> torch.Tensor:
    if isinstance(kernel_map, GatherMap):
        return convolved(feats, taps, bias, kernel_map)
    return kernel_map.restore(_gather_multiply_scatter(kernel_map.arrange(feats), taps, bias, kernel_map))


def _gather_multiply_scatter(
    feats: torch.Tensor, taps: torch.Tensor, bias: torch.Tensor | None, kernel_map: KernelMap
) -> torch.Tensor:
    """(M, Cout): a chunk at a time, rows gathered and multiplied tap by tap, then summed for each output row.

    Narrow products of all taps are kept and summed at once; wide ones, which together leave the processor's cache,
    are added up tap by tap. Both sum in the order of the taps.
    """
    width, kernels = taps.shape[2], taps.unbind(0)
    tap_by_tap = width >= _WIDE and feats.dtype == torch.float32
    result = feats.new_empty(kernel_map.outputs, width)
    most_rows = max((max(chunk.counts) for chunk in kernel_map.chunks), default=0)
    most_pairs = max((len(chunk.sources) for chunk in kernel_map.chunks), default=0)
    gathered = feats.new_empty(most_rows, feats.shape[1])
    products = feats.new_empty(most_rows if tap_by_tap else most_pairs, width)
    for chunk in kernel_map.chunks:
        sums, sources = result[chunk.rows], chunk.sources.split(chunk.counts)
        if tap_by_tap:
            sums.zero_()
            targets = (chunk.targets - chunk.rows.start).long().split(chunk.counts)
            for kernel, rows, into in zip(kernels, sources, targets, strict=True):
                inputs = torch.index_select(feats, 0, rows, out=gathered[: len(rows)])
                sums.index_add_(0, into, torch.mm(inputs, kernel, out=products[: len(rows)]))
        else:
            parts = products[: len(chunk.sources)].split(chunk.counts)
            for kernel, rows, product in zip(kernels, sources, parts, strict=True):
                torch.mm(torch.index_select(feats, 0, rows, out=gathered[: len(rows)]), kernel, out=product)
            sums.copy_(F.embedding_bag(chunk.by_row, products, chunk.starts, mode="sum"))
        if bias is not None:
            sums += bias
    return result


def _weight_gradient(feats: torch.Tensor, grad: torch.Tensor, kernel_map: Map) -> torch.Tensor:
    """(taps, Cin, Cout), summed over chunks in float32 at least."""
    if isinstance(kernel_map, GatherMap):
        return kernel_gradient(feats, grad, kernel_map)
    feats, grad = kernel_map.arrange(feats), kernel_map.arrange(grad)
    wide = torch.promote_types(feats.dtype, torch.float32)
    result = torch.zeros(kernel_map.taps, feats.shape[1], grad.shape[1], dtype=wide, device=feats.device)
    most_rows = max((max(chunk.counts) for chunk in kernel_map.chunks), default=0)
    inputs, outputs = feats.new_empty(most_rows, feats.shape[1]), grad.new_empty(most_rows, grad.shape[1])
    for chunk in kernel_map.chunks:
        for tap, (sources, targets) in enumerate(
            zip(chunk.sources.split(chunk.counts), chunk.targets.split(chunk.counts), strict=True)
        ):
            left = torch.index_select(feats, 0, sources, out=inputs[: len(sources)])
            right = torch.index_select(grad, 0, targets, out=outputs[: len(targets)])
            if wide == feats.dtype:
                result[tap].addmm_(left.t(), right)
            else:
                result[tap] += left.t() @ right
    return result


@cache
def _has_spconv() -> bool:
    return find_spec("spconv") is not None


def _takes_spconv(backend: Backend, feats: torch.Tensor) -> bool:
    if backend == "spconv" and not (_has_spconv() and feats.is_cuda):
        raise InputError("backend spconv needs CUDA and the package spconv; use backend auto or torch")
    return backend != "torch" and feats.is_cuda and _has_spconv()


def _spconv_submanifold(x: SparseTensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The layer of spconv around our weight; its index pairs stay with the level's voxels."""
    import spconv.pytorch as spconv  # type: ignore[import-not-found]

    with torch.no_grad():
        lowest = x.coords.amin(0)
        shape = (x.coords.amax(0) - lowest + 1).tolist()
        indices = torch.cat([x.batch[:, None], x.coords - lowest], 1).int()
    out_channels, size, _, _, in_channels = weight.shape
    layer = spconv.SubMConv3d(in_channels, out_channels, size, bias=False, indice_key="submanifold").to(x.feats.device)
    layer.weight = cast(nn.Parameter, weight)
    voxels = spconv.SparseConvTensor(x.feats, indices, shape, int(x.batch.max()) + 1)
    voxels.indice_dict = x.cache.foreign.setdefault(x.level, {})
    sums = layer(voxels).features
    return sums if bias is None else sums + bias
