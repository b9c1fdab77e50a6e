"""A device for machines that have none: its tensors lie in the CPU's memory and say that they are elsewhere.

It computes with the CPU's kernels and refuses what CUDA refuses: tensors of two devices in one operation (but numbers
of no dimension, and CPU indices, as CUDA allows), `.numpy()`, and kernels that CUDA lacks for a type (`LACKING`). It
counts launches and waits. `with torch.autocast(NAME, ...)` casts as CUDA's does.

    with pretended.pretending() as device, pretended.counted() as counts:
        module.to(device)(x.to(device))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies import SingleDeviceStrategy
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._pytree import tree_flatten, tree_map

NAME = "pretend"
_aten = torch.ops.aten
_COPIES = {
    _aten.copy_.default,
    _aten._to_copy.default,
    _aten._has_compatible_shallow_copy_type.default,
    _aten._pack_padded_sequence.default,
}  # whose lengths and sizes are on the CPU
_INDEXED = {
    _aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default,
    _aten._unsafe_index.Tensor, _aten._unsafe_index_put.default,
}  # fmt: skip
_WAITS = {_aten._local_scalar_dense.default, _aten.nonzero.default, _aten.masked_select.default,
          _aten._unique2.default, _aten.unique_dim.default, _aten.unique_consecutive.default,
          _aten.repeat_interleave.Tensor, _aten.bincount.default, _aten.equal.default}  # fmt: skip
_FREE = {_aten.empty.memory_format, _aten.empty_strided.default, _aten.empty_like.default, _aten.detach.default,
         _aten.alias.default, _aten._local_scalar_dense.default, _aten.new_empty.default,
         _aten.new_empty_strided.default, _aten._unsafe_view.default}  # fmt: skip


@dataclass(frozen=True)
class Lack:
    """A kernel that CUDA does not have.

    Attributes:
        operations: by the start of their name, without "aten.".
        dtype: that it is missing for.
        when: what else must be so of the arguments, by name.
        message: CUDA's.
        seen: version of torch.
    """

    operations: str
    dtype: torch.dtype
    when: Callable[[dict[str, Any]], bool]
    message: str
    seen: str


LACKING = [
    Lack("_embedding_bag_backward", torch.bfloat16, lambda known: known["mode"] == 2,
         '"embedding_bag_backward_cuda_max" not implemented for \'BFloat16\'', "2.11"),
]  # fmt: skip


@dataclass
class Counts:
    """What was asked of the device.

    Attributes:
        launches: kernels, by operation; views and empty memory cost none.
        waits: times that the processor waits for a result.
        bytes: that these kernels read and write.
    """

    launches: Counter[str] = field(default_factory=Counter)
    waits: int = 0
    bytes: int = 0


_counting: list[Counts] = []


@contextmanager
def counted() -> Iterator[Counts]:
    """Counts what is asked of the device meanwhile."""
    counts = Counts()
    _counting.append(counts)
    try:
        yield counts
    finally:
        _counting.remove(counts)


class _Module:
    """What torch asks of a device's module."""

    def __getattr__(self, name: str) -> Any:
        if name in ("manual_seed_all", "manual_seed", "set_device", "synchronize", "set_rng_state", "empty_cache"):
            return lambda *_, **__: None
        raise AttributeError(name)

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def get_rng_state(self, device: Any = None) -> torch.Tensor:
        return torch.empty(0, dtype=torch.uint8)

    def _is_in_bad_fork(self) -> bool:
        return False


class Elsewhere(torch.Tensor):
    """A tensor on the device; `raw` is where its numbers are."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, raw.shape, strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype,
            device=torch.device(NAME, 0), layout=raw.layout,
        )  # fmt: skip
        made.raw = raw
        return made  # type: ignore[no-any-return]

    def __init__(self, raw: torch.Tensor) -> None:
        pass

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _run(func, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.detach().cpu().numpy()
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, dtype: Any = None) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Elsewhere({self.detach().cpu()!r})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)


_late: list[Exception] = []


def _refuse(error: Exception) -> None:
    """Raises it, but within a backward pass later: there it would end the process."""
    if torch._C._current_graph_task_id() < 0:
        raise error
    _late.append(error)


def _raise_late() -> None:
    if _late and torch._C._current_graph_task_id() < 0:
        error = _late[0]
        _late.clear()
        raise error


def _run(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    _raise_late()
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    here = [each for each in tensors if isinstance(each, Elsewhere)]
    _check_devices(func, args, tensors)
    _check_kernels(func, args, here)
    found = func(*tree_map(_raw, args), **tree_map(_raw, kwargs))
    target = kwargs.get("device")
    elsewhere = bool(here) if target is None else torch.device(target).type == NAME
    if func is _aten.copy_.default:
        elsewhere = isinstance(args[0], Elsewhere)
    _count(func, here, found, waits=func in _WAITS or (bool(here) and not elsewhere))
    if func is _aten._local_scalar_dense.default:
        return found
    made = tree_map(_wrapped if elsewhere else lambda x: x, found)
    if func is _aten._pack_padded_sequence.default:
        return made[0], found[1]
    return _returned(func, args, kwargs, made)


def _raw(value: Any) -> Any:
    if isinstance(value, Elsewhere):
        return value.raw
    if isinstance(value, torch.device) and value.type == NAME:
        return torch.device("cpu")
    return value


def _wrapped(value: Any) -> Any:
    return Elsewhere(value) if isinstance(value, torch.Tensor) and not isinstance(value, Elsewhere) else value


def _check_devices(func: Any, args: Sequence[Any], tensors: Sequence[torch.Tensor]) -> None:
    if func in _COPIES:
        return
    if func in _INDEXED:  # indices may be on the CPU; a CPU tensor cannot be indexed from elsewhere
        tensors = [args[0], *(each for each in args[1] if each is not None and isinstance(each, Elsewhere)), *args[2:3]]
        tensors = [each for each in tensors if isinstance(each, torch.Tensor)]
        if not isinstance(args[0], Elsewhere) and any(isinstance(each, Elsewhere) for each in tensors[1:]):
            _refuse(RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)"))
    away = [each for each in tensors if isinstance(each, Elsewhere)]
    plain = [each for each in tensors if not isinstance(each, Elsewhere) and each.ndim > 0]
    if away and plain:
        said = "Expected all tensors to be on the same device, but found at least two devices"
        _refuse(RuntimeError(f"{said}, {NAME}:0 and cpu! ({func})"))


def _check_kernels(func: Any, args: Sequence[Any], here: Sequence[torch.Tensor]) -> None:
    name = str(func).removeprefix("aten.")
    known = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)}
    for lack in LACKING:
        if name.startswith(lack.operations) and any(each.dtype == lack.dtype for each in here) and lack.when(known):
            _refuse(RuntimeError(lack.message))


def _count(func: Any, here: Sequence[torch.Tensor], found: Any, *, waits: bool) -> None:
    if not _counting:
        return
    results = [each for each in tree_flatten(found)[0] if isinstance(each, torch.Tensor)]
    is_view = func.is_view or func in _FREE
    for counts in _counting:
        counts.waits += waits
        if not is_view:
            counts.launches[str(func)] += 1
            counts.bytes += sum(each.numel() * each.element_size() for each in (*here, *results))


def _returned(func: Any, args: Sequence[Any], kwargs: dict[str, Any], found: Any) -> Any:
    """What was written to is the tensor that was handed in, not another around its numbers."""
    schema = func._schema
    if not schema.returns:
        return found
    results = found if isinstance(found, tuple) else (found,)
    changed = []
    for result, told in zip(results, schema.returns, strict=False):
        original = result
        if told.alias_info is not None and told.alias_info.is_write:
            for number, argument in enumerate(schema.arguments):
                alias = argument.alias_info
                if alias is not None and alias.is_write and alias.before_set == told.alias_info.before_set:
                    original = kwargs.get(argument.name, args[number] if number < len(args) else result)
            if isinstance(original, Elsewhere) and original.shape != original.raw.shape:
                raise NotImplementedError(f"{func} changes a tensor's shape in place")
        changed.append(original)
    return tuple(changed) if isinstance(found, tuple) else changed[0]


# Torch makes these of an empty tensor that it then changes in size, which a wrapper cannot follow.
_MAKERS = ("arange", "arange.start", "arange.start_step", "randperm", "randperm.generator", "eye", "eye.m", "linspace",
           "range", "range.step", "tril_indices", "triu_indices", "logsumexp")  # fmt: skip


# Autocast: https://docs.pytorch.org/docs/2.13/amp.html#cuda-ops-that-can-autocast-to-float16

_LOWER = ("linear", "matmul", "mm", "addmm", "bmm", "baddbmm", "addbmm", "mv", "addmv", "conv1d", "conv2d", "conv3d",
          "conv_transpose2d", "scaled_dot_product_attention", "prelu", "chain_matmul")  # fmt: skip
_FULL = ("layer_norm", "softmax.int", "log_softmax.int", "exp", "expm1", "log", "log1p", "log2", "log10", "rsqrt",
         "reciprocal", "pow.Tensor_Scalar", "pow.Tensor_Tensor", "pow.Scalar", "softplus", "cosh", "sinh", "tan",
         "acos", "asin", "sum", "sum.dim_IntList", "prod", "cumsum", "cumprod", "norm.Scalar",
         "norm.ScalarOpt_dim", "linalg_vector_norm", "nll_loss", "nll_loss_nd", "cross_entropy_loss", "mse_loss",
         "l1_loss", "smooth_l1_loss", "kl_div", "cosine_similarity", "cosine_embedding_loss", "cdist", "dist",
         "renorm", "group_norm", "binary_cross_entropy_with_logits")  # fmt: skip
_WIDEST = ("addcdiv", "addcmul", "atan2", "cat", "stack", "dot", "cross", "index_put", "scatter_add", "bilinear",
           "grid_sampler")  # fmt: skip


def _casting(operation: Any, rule: str) -> Callable[..., Any]:
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def impl(*args: Any, **kwargs: Any) -> Any:
        tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
        if rule == "lower":
            target = torch.get_autocast_dtype(NAME)
        elif rule == "full" or any(each.dtype == torch.float32 for each in tensors):
            target = torch.float32
        else:
            target = None

        def cast(value: Any) -> Any:
            if target is None or not isinstance(value, torch.Tensor) or not value.is_floating_point():
                return value
            return value if value.dtype == torch.float64 or value.device.type != NAME else value.to(target)

        with torch._C._ExcludeDispatchKeyGuard(key):
            return operation(*tree_map(cast, args), **tree_map(cast, kwargs))

    return impl


class _TensorsElsewhere(TorchFunctionMode):
    """`torch.tensor(values, device=...)` and its like, which torch makes without asking a device's kernels."""

    _OF_VALUES = (torch.tensor, torch.as_tensor, torch.asarray)
    _PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._OF_VALUES:
            device = kwargs.get("device")
            if device is None and func is torch.tensor:
                device = torch.get_default_device()
            if device is not None and torch.device(device).type == NAME:
                made = func(*args, **{**kwargs, "device": "cpu"})
                return made if isinstance(made, Elsewhere) else made.to(torch.device(NAME, 0))
        if func is torch.Tensor.new_tensor and isinstance(args[0], Elsewhere):
            return torch.tensor(args[1], dtype=kwargs.get("dtype") or args[0].dtype).to(args[0].device)
        if func is torch.Tensor.__getitem__:  # a list becomes a tensor in a way that a wrapper cannot follow
            args = (args[0], tree_map(_as_index, args[1], is_leaf=lambda each: isinstance(each, list)))
        if func in self._PRODUCTS and isinstance(args[0], Elsewhere) and 1 in (args[0].ndim, args[1].ndim):
            return _vector_product(*args)  # torch takes the vector's added dimension away in place
        return func(*args, **kwargs)


def _vector_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    if left.ndim == right.ndim == 1:
        return (left * right).sum()
    return (left[None] @ right).squeeze(-2) if left.ndim == 1 else (left @ right[:, None]).squeeze(-1)


def _as_index(value: Any) -> Any:
    return torch.tensor(value) if isinstance(value, list) else value


@cache
def device() -> torch.device:
    """The device; it is registered when it is first asked for, and stays. Use it while `pretending`."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(lambda func, *args, **kwargs: _run(func, args, kwargs), "PrivateUse1")
    everything.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    makers = torch.library.Library("aten", "IMPL", "PrivateUse1")
    for name in _MAKERS:
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(_aten, packet), overload or "default")
        makers.impl(name, lambda *args, operation=operation, **kwargs: _run(operation, args, kwargs))
    casts = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
    for rule, names in (("lower", _LOWER), ("full", _FULL), ("widest", _WIDEST)):
        for name in names:
            packet, _, overload = name.partition(".")
            operation = getattr(getattr(_aten, packet), overload or "default", None)
            if operation is not None:
                casts.impl(name, _casting(operation, rule))
    _kept.extend([everything, makers, casts])
    return torch.device(NAME, 0)


@contextmanager
def pretending() -> Iterator[torch.device]:
    """The device, and what torch does without asking a device meanwhile done for it as well."""
    load = torch.nn.Module.load_state_dict

    def load_by_copying(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        with _swapping(False):
            return load(self, *args, **kwargs)

    try:
        torch.nn.Module.load_state_dict = load_by_copying  # type: ignore[method-assign]
        # A module that moves keeps its parameters, as on CUDA; autograd has threads for the devices that it knew first.
        with _TensorsElsewhere(), _swapping(True), torch.autograd.set_multithreading_enabled(False):
            yield device()
        _raise_late()
    finally:
        _late.clear()
        torch.nn.Module.load_state_dict = load  # type: ignore[method-assign]


@contextmanager
def _swapping(swaps: bool) -> Iterator[None]:
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(swaps)
    try:
        yield
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


_kept: list[torch.library.Library] = []


class _Accelerator(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        pass


def fabric(precision: str = "32-true") -> Fabric:
    """One process on the device."""
    plugins = [MixedPrecision(precision, device=NAME)] if precision != "32-true" else []  # type: ignore[arg-type]
    strategy = SingleDeviceStrategy(device(), _Accelerator())
    made = Fabric(strategy=strategy, plugins=plugins)
    made.launch()
    return made
