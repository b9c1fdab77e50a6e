"""Sparse convolutions against spconv 2.3.8's CPU forward, and how their cost grows with the number of voxels.

    python benchmarks/sparse.py --voxels timing_inputs.safetensors --json docs/results/data/sparse.json

The voxels are grid_50k of --voxels, a safetensors file; kernel maps are cached. spconv runs on one thread only: on two
its CPU sums are wrong. It is installed by this script into a folder of its own, beside nothing of ours. Our runs and
spconv's take turns, and the metrics are medians, so that a busy machine slows both alike.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import Rows, machine
from safetensors.torch import load_file

from scanwise.nn.kernel_maps import KernelMaps
from scanwise.nn.sparse import SparseTensor, SubmanifoldConv3d

SPCONV = "spconv==2.3.8"
WIDTHS = (32, 64, 128)
GROWTH = (5_000, 15_000, 50_000, 150_000, 500_000)
GROWTH_WIDTH = 32


def main() -> None:
    """Measures everything and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=Path, required=True, help="a safetensors file with grid_50k (N, 3)")
    parser.add_argument("--repeats", type=int, default=15)
    rows = Rows("", parser)
    coords = load_file(rows.arguments.voxels)["grid_50k"].int()
    ordered = coords[torch.argsort((coords[:, 0].long() * 4096 + coords[:, 1]) * 4096 + coords[:, 2])].contiguous()
    repeats = rows.arguments.repeats
    torch.set_num_threads(1)
    peak = gemm_peak()
    rows.add("float32 GEMM peak", peak / 1e9, "GFLOP/s", threads=1, machine=machine())
    spconv = import_spconv()
    kernel_maps(rows, spconv, coords, repeats)
    for width in WIDTHS:
        convolutions(rows, spconv, coords, width, peak, repeats, "as given")
    for width in WIDTHS:
        convolutions(rows, spconv, ordered, width, peak, repeats, "sorted")
    growth(rows, coords)
    rows.write()


def kernel_maps(rows: Rows, spconv: Any, coords: torch.Tensor, repeats: int) -> None:
    """Building the submanifold map against spconv's index pairs: its first call less a later one."""
    batch = torch.zeros(len(coords), dtype=torch.long)
    layer = spconv_layer(spconv, 32)
    feats = torch.randn(len(coords), 32)
    warm = indexed(layer, spconv_voxels(spconv, coords, feats))

    def theirs_cold() -> None:
        layer(spconv_voxels(spconv, coords, feats))

    ours, cold, cached = interleaved(
        [lambda: KernelMaps(coords, batch).submanifold(0), theirs_cold, lambda: layer(warm)], repeats
    )
    rows.add("build kernel map", ours, "s", cold - cached, voxels=len(coords), threads=1)


def convolutions(
    rows: Rows, spconv: Any, coords: torch.Tensor, width: int, peak: float, repeats: int, order: str
) -> None:
    """Forward and backward of one width, on one thread and two, against spconv's forward."""
    count = len(coords)
    feats = torch.randn(count, width)
    x = SparseTensor(coords, feats, torch.zeros(count, dtype=torch.long))
    low = x.replace(feats.bfloat16())
    learnt = x.replace(feats.clone().requires_grad_())
    conv, low_conv = (
        SubmanifoldConv3d(width, width, bias=False).to(dtype) for dtype in (torch.float32, torch.bfloat16)
    )
    layer = spconv_layer(spconv, width)
    theirs = indexed(layer, spconv_voxels(spconv, coords, feats))
    with torch.no_grad():
        layer.weight.copy_(conv.weight)
        error = float((layer(theirs).features - conv(x).feats).abs().max())
    if error > 1e-4:
        raise SystemExit(f"the two disagree by {error:.2e}")
    grad = torch.randn(count, width)

    def train() -> None:
        with torch.enable_grad():
            conv(learnt).feats.backward(grad)

    def two_threads() -> None:
        torch.set_num_threads(2)
        conv(x)

    one = [lambda: layer(theirs), lambda: conv(x), train, lambda: low_conv(low)]
    reference, forward, both, in_bfloat16 = interleaved(one, repeats)
    _, parallel = interleaved([lambda: layer(theirs), two_threads], repeats)
    flops = 2 * x.cache.submanifold(0).pairs * width**2
    params = {"C": width, "rows": order}
    rows.add("forward", forward, "s", reference, threads=1, more={"share of peak": flops / forward / peak}, **params)
    rows.add("forward", parallel, "s", reference, threads=2, **params)
    share = {"share of peak": 3 * flops / both / peak}
    rows.add("forward + backward, over forward", both, "s", forward, threads=1, more=share, **params)
    rows.add("bfloat16 forward, over float32", in_bfloat16, "s", forward, threads=1, **params)


def growth(rows: Rows, coords: torch.Tensor) -> None:
    """Seconds and peak memory of one forward and backward, kernel map included, over copies of the scene in a row."""
    length = int(coords[:, 0].max()) + 1
    many = torch.cat([coords + torch.tensor([length * copy, 0, 0]) for copy in range(10)])
    many = many[torch.argsort(many[:, 0], stable=True)]
    for count in GROWTH:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            seconds, memory = fresh.submit(step_cost, many[:count].numpy()).result()
        params = {"voxels": count, "C": GROWTH_WIDTH, "threads": 1}
        rows.add("growth: step", seconds, "s", **params)
        rows.add("growth: memory", memory / 2**20, "MiB", **params)


def step_cost(voxels: np.ndarray) -> tuple[float, int]:
    """Median seconds of five steps, and the bytes that they take beyond what the process held before."""
    torch.set_num_threads(1)
    coords, batch = torch.from_numpy(voxels), torch.zeros(len(voxels), dtype=torch.long)
    conv = SubmanifoldConv3d(GROWTH_WIDTH, GROWTH_WIDTH)
    conv(SparseTensor(coords[:100], torch.zeros(100, GROWTH_WIDTH), batch[:100])).feats.sum().backward()
    before, times = held("VmRSS"), []
    feats, grad = torch.randn(len(coords), GROWTH_WIDTH).requires_grad_(), torch.randn(len(coords), GROWTH_WIDTH)
    for _ in range(5):
        started = time.perf_counter()
        conv(SparseTensor(coords, feats, batch)).feats.backward(grad)
        times.append(time.perf_counter() - started)
    return statistics.median(times), held("VmHWM") - before


def interleaved(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each, all taking turns, one thread unless a work sets more."""
    times: list[list[float]] = [[] for _ in works]
    with torch.no_grad():
        for turn in range(repeats + 1):
            for work, mine in zip(works, times, strict=True):
                started = time.perf_counter()
                work()
                if turn:
                    mine.append(time.perf_counter() - started)
                torch.set_num_threads(1)
    return [statistics.median(mine) for mine in times]


def gemm_peak() -> float:
    """The best float32 FLOP/s of torch.mm over a few shapes, one thread."""
    best = 0.0
    for rows, inner, width in ((1024, 1024, 1024), (2048, 2048, 2048), (2048, 128, 128), (4096, 128, 1152)):
        left, right = torch.randn(rows, inner), torch.randn(inner, width)
        result = torch.empty(rows, width)
        for _ in range(20):
            started = time.perf_counter()
            torch.mm(left, right, out=result)
            best = max(best, 2 * rows * inner * width / (time.perf_counter() - started))
    return best


def spconv_layer(spconv: Any, width: int) -> Any:
    """A submanifold convolution of spconv."""
    return spconv.SubMConv3d(width, width, 3, bias=False, indice_key="submanifold", algo=spconv.ConvAlgo.Native)


def spconv_voxels(spconv: Any, coords: torch.Tensor, feats: torch.Tensor) -> Any:
    """Voxels of one cloud as spconv takes them."""
    indices = torch.cat([torch.zeros(len(coords), 1, dtype=torch.int32), coords.int()], 1)
    return spconv.SparseConvTensor(feats, indices, (coords.amax(0) + 1).tolist(), 1)


def indexed(layer: Any, voxels: Any) -> Any:
    """The same voxels with the layer's index built, so that further calls find it."""
    with torch.no_grad():
        return layer(voxels).replace_feature(voxels.features)


def import_spconv() -> Any:
    """spconv.pytorch, installed with pip into a temporary folder that comes last on the path."""
    folder = Path(tempfile.gettempdir()) / f"scanwise-{SPCONV}"
    if not (folder / "spconv").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), SPCONV]
        subprocess.run(command, check=True)
    sys.path.append(str(folder))
    import spconv.pytorch as spconv

    return spconv


def held(what: str) -> int:
    """Bytes of memory that this process holds (VmRSS) or held at most (VmHWM), on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


if __name__ == "__main__":
    main()
