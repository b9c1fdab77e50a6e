"""What a step of DOS costs: tiny and small, 5 000 to 50 000 voxels a batch, in one process and in two.

    python benchmarks/dos.py --json docs/results/data/dos-cost.json

Runs the command itself on made grounds: two scenes a batch, each seen twice, a thread a process. Two processes have one
scene each, so that both counts do the same work.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rows import Rows, machine

import scanwise
from scanwise.training.logs import read_log

VOXELS = (5_000, 15_000, 50_000)  # of a batch's four views together
STEPS, WARM = 6, 2


def main() -> None:
    """Measures sizes and voxels, alone and in two processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows = Rows("", parser)
    for size in ("tiny", "small"):
        for voxels in VOXELS:
            alone = None
            for processes in (1, 2):
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # its children's peak alone
                    seconds, peak = pool.submit(cost, size, voxels, processes).result()
                params = {"size": size, "voxels": voxels, "processes": processes, "machine": machine()}
                rows.add("step", seconds, "s", alone, **params)
                rows.add("peak memory of a process", peak, "MiB", **params)
                alone = seconds
    rows.write()


def cost(size: str, voxels: int, processes: int) -> tuple[float, float]:
    """Median seconds of a step, and MiB of the largest process at its peak."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(2):
            scanwise.write_scene(ground(voxels // 4, number), folder / "train" / f"ground-{number}")
        launch = ["torchrun", "--nproc-per-node", str(processes), "-m"] if processes > 1 else [sys.executable, "-m"]
        keys = {
            "data": folder, "size": size, "voxel": 0.1, "features": "[color]", "points": 0, "crop": "[1, 1]",
            "batch": 2, "steps": STEPS, "augment": "none", "validate_every": 1000, "least_rank": 0,
        }  # fmt: skip
        changes = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        recipe = Path(__file__).parents[1] / "recipes" / "dos-rooms-tiny.yaml"
        command = [*launch, "scanwise", "pretrain", "dos", str(recipe), "--out", str(folder / "run"), *changes]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)
        seconds = read_log(folder / "run" / "log.csv")["seconds"][WARM:]
    return statistics.median(seconds), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def ground(count: int, seed: int) -> scanwise.Scene:
    """A wavy ground of so many voxels of 10 cm, one point each."""
    side = int(np.ceil(np.sqrt(count)))
    x, y = np.divmod(np.arange(side * side)[:count], side)
    points = np.stack([x, y, np.floor(6 * np.sin(x / 17) + 6 * np.cos(y / 23))], 1) * 0.1 + 0.05
    colors = np.random.default_rng(seed).integers(0, 256, (count, 3), dtype=np.uint8)
    return scanwise.Scene(points.astype(np.float32), colors=colors, name=f"ground-{seed}")


if __name__ == "__main__":
    main()
