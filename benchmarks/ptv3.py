"""Point Transformer V3: Sonata's own encoder on grid_30k, and what a training step costs from 5 000 to 500 000 voxels.

    python benchmarks/ptv3.py --voxels timing_inputs.safetensors --json docs/results/data/ptv3.json \\
        --picture docs/growth.png

The voxels are those that the official code was timed on (shared/golden/timing_inputs.safetensors). It took 2.8-3.0 s a
forward on one thread of such a machine (shared/golden/README.md, section 6).
The share of the GEMM peak counts the multiplications of all linear layers, kernels and attention.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rows import Rows, machine
from safetensors.torch import load_file

from scanwise.nn.backbone import build_backbone
from scanwise.nn.patches import Level
from scanwise.nn.ptv3 import SIZES, PointTransformerV3
from scanwise.nn.sparse import SparseTensor

OFFICIAL = 2.88  # seconds, the middle of what was measured for the official code
GROWTH = (5_000, 15_000, 50_000, 150_000, 500_000)


def main() -> None:
    """Measures the encoder and the growth of a step's cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=Path, required=True, help="a safetensors file with grid_30k (N, 3)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="draw the growth of cost here")
    rows = Rows("", parser)
    coords = load_file(rows.arguments.voxels)["grid_30k"].int()
    for threads in (1, 2):
        encoder(rows, coords, threads, rows.arguments.repeats)
    costs = [growth(rows, size, count) for size in ("tiny", "small") for count in GROWTH]
    if rows.arguments.picture:
        draw(costs, rows.arguments.picture)
    rows.write()


def encoder(rows: Rows, coords: torch.Tensor, threads: int, repeats: int) -> None:
    """Sonata's encoder on voxels (N, 3)."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = PointTransformerV3(SIZES["sonata"]).eval()
    feats, batch = torch.randn(len(coords), 9), torch.zeros(len(coords), dtype=torch.long)
    times, peaks = [], []
    with torch.no_grad():
        levels = network(SparseTensor(coords, feats, batch))
        for _ in range(repeats):
            started = time.perf_counter()
            network(SparseTensor(coords, feats, batch))
            times.append(time.perf_counter() - started)
            peaks.append(gemm_rate())
    seconds = statistics.median(times)
    work = products(network, levels)
    params = {"threads": threads, "voxels": len(coords)}
    rows.add("Sonata encoder", seconds, "s", OFFICIAL if threads == 1 else None, machine=machine(), **params)
    rows.add("share of GEMM peak", work / seconds / statistics.median(peaks), "", **params)


def gemm_rate() -> float:
    """Floating point operations a second of a 1024^3 product on the threads that are set."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    started = time.perf_counter()
    for _ in range(3):
        a @ b
    return 3 * 2 * 1024**3 / (time.perf_counter() - started)


def products(network: PointTransformerV3, levels: list[Level]) -> float:
    """Floating point operations of a forward pass: two for each multiplication of a product."""
    config, total = network.config, 0.0
    for level, channels, depth in zip(levels, config.channels, config.depths, strict=True):
        count = len(level.voxels)
        pairs = level.voxels.cache.submanifold(level.voxels.level).pairs
        attended = min(config.patch, count)
        linear = count * channels**2 * (1 + 4 + 2 * config.mlp_ratio)
        total += depth * (pairs * channels**2 + linear + 2 * count * attended * channels)
    return 2 * total


def growth(rows: Rows, size: str, count: int) -> tuple[str, int, float, float]:
    """A training step in a process of its own, for its peak memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        seconds, peak = pool.submit(step_cost, size, count).result()
    rows.add("training step", seconds, "s", size=size, voxels=count, threads=1)
    rows.add("peak memory", peak, "MiB", size=size, voxels=count)
    return size, count, seconds, peak


def step_cost(size: str, count: int) -> tuple[float, float]:
    """Seconds of a forward and backward pass, the best of three, and MiB that it took beyond what was there."""
    torch.set_num_threads(1)
    backbone = build_backbone(size, 6, decoder=1)
    coords = surface(count)
    feats, batch = torch.randn(len(coords), 6), torch.zeros(len(coords), dtype=torch.long)
    backbone(SparseTensor(coords[:200], feats[:200], batch[:200])).sum().backward()
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
    before, times = memory("VmRSS"), []
    for _ in range(3):
        started = time.perf_counter()
        backbone(SparseTensor(coords, feats, batch)).square().mean().backward()
        times.append(time.perf_counter() - started)
    return min(times), memory("VmHWM") - before


def memory(field: str) -> float:
    """MiB of this process: resident now (VmRSS), or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def surface(count: int) -> torch.Tensor:
    """(count, 3) voxels of a wavy ground, as dense in neighbours as a scanned surface."""
    side = int(np.ceil(np.sqrt(count)))
    x, y = np.divmod(np.arange(side * side), side)
    z = np.floor(6 * np.sin(x / 17) + 6 * np.cos(y / 23) + 12).astype(int)
    return torch.from_numpy(np.stack([x, y, z], 1)[:count]).int()


def draw(costs: list[tuple[str, int, float, float]], path: Path) -> None:
    """Draws seconds and memory over voxels, by size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, column, label in zip(figure.subplots(1, 2), (2, 3), ("seconds a step", "MiB"), strict=True):
        for size in ("tiny", "small"):
            counts, values = zip(*[(cost[1], cost[column]) for cost in costs if cost[0] == size], strict=True)
            slope = np.polyfit(np.log(counts), np.log(values), 1)[0]
            axes.loglog(counts, values, "o-", label=f"{size}: slope {slope:.2f}")
        axes.set_xlabel("voxels")
        axes.set_ylabel(label)
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
