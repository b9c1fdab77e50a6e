"""Threads beside other work: a sparse convolution on one thread and on all, alone and beside a busy process.

    python benchmarks/threads.py --json out/threads.json

Seconds of the clock of one 3x3x3 convolution, C = 64, of 50 000 voxels; the numbers of threads take turns, figures are
medians. `free_cores` is what the policy would set at that moment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from scanwise.nn.sparse import SparseTensor, SubmanifoldConv3d
from scanwise.threads import free_cores

BUSY = "import os\nos.nice({nice})\nwhile True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--settle", type=float, default=60.0, help="seconds before each row, for the load to be felt")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for name, nice in (("alone", None), ("beside a busy process", 0), ("beside one of nice 19", 19)):
        other = subprocess.Popen([sys.executable, "-c", BUSY.format(nice=nice)]) if nice is not None else None
        try:
            time.sleep(arguments.settle)
            row = {"beside": name, "load": round(os.getloadavg()[0], 2), "free_cores": free_cores()}
            row |= measure(arguments.rounds)
        finally:
            if other is not None:
                other.kill()
                other.wait()
        rows.append(row)
        print(json.dumps(row), flush=True)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")


def measure(rounds: int) -> dict[str, float]:
    """Median and worst seconds by number of threads."""
    torch.manual_seed(0)
    coords = torch.unique(torch.randint(0, 60, (60_000, 3)), dim=0)[:50_000]
    voxels = SparseTensor(coords, torch.randn(len(coords), 64), torch.zeros(len(coords), dtype=torch.long))
    layer = SubmanifoldConv3d(64, 64)
    found: dict[int, list[float]] = {1: [], len(os.sched_getaffinity(0)): []}
    with torch.no_grad():
        layer(voxels)  # makes the kernel map
        for _ in range(rounds):
            for threads, times in found.items():
                torch.set_num_threads(threads)
                started = time.perf_counter()
                layer(voxels)
                times.append(time.perf_counter() - started)
    result = {}
    for threads, times in found.items():
        result[f"median_{threads}"] = round(statistics.median(times), 4)
        result[f"worst_{threads}"] = round(max(times), 4)
    return result


if __name__ == "__main__":
    main()
