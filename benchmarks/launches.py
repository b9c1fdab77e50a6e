"""Launches, waits and bytes of a training step on a device that costs much a launch, before and after a change.

    git worktree add --detach ../before 1523314
    OMP_NUM_THREADS=1 python benchmarks/launches.py data/rooms-1 --before ../before --json out/launches.json

No device is needed: tests/devices/pretended.py counts what one would be asked for, in a process for each checkout, on
the same batch. A launch is an operation of torch's that is no view; one of them may be several kernels of CUDA's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import steps
from rows import Rows

HERE = Path(__file__).resolve().parents[1]
CASES = {"segment-small": 8, "less-small": 12, "dos-small": 8}  # rooms of a step
COUNTED = {"launches": "1", "waits": "1", "gigabytes": "GB"}


def main() -> None:
    """Counts each case in both checkouts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of rooms")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--serve", choices=list(CASES), help=argparse.SUPPRESS)
    if "--serve" in sys.argv:
        arguments = parser.parse_args()
        print(json.dumps(count(arguments.serve, arguments.data)))
        return
    rows = Rows(__doc__ or "", parser)
    for case in rows.arguments.only:
        found = [ask(checkout, case, rows.arguments.data) for checkout in (HERE, rows.arguments.before) if checkout]
        for counted, unit in COUNTED.items():
            before = found[1][counted] if len(found) > 1 else None
            rows.add(f"{case}, {counted}", found[0][counted], unit, before, rooms=CASES[case])
    rows.write()


def ask(checkout: Path, case: str, data: Path) -> dict[str, Any]:
    """What a process with that checkout's library counts."""
    environment = {**os.environ, "PYTHONPATH": f"{checkout.resolve() / 'src'}:{HERE}"}
    command = [sys.executable, __file__, str(data), "--serve", case]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def count(case: str, data: Path) -> dict[str, float]:
    """Of the losses of one step of a case, and their gradients."""
    import torch

    from tests.devices import pretended

    torch.manual_seed(0)
    module, batch, _ = steps.CASES[case](data, scenes=CASES[case])  # type: ignore[call-arg]
    with pretended.pretending() as device:
        module.train().to(device)
        batch = batch.to(device)
        with pretended.counted() as counts:
            module.training_step(batch, 0.0)["loss"].backward()  # type: ignore[operator]
    return {"launches": counts.launches.total(), "waits": counts.waits, "gigabytes": round(counts.bytes / 1e9, 2)}


if __name__ == "__main__":
    main()
