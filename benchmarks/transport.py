"""Sinkhorn with STELLAR's 16384 prototypes: time and memory, against the plain formulation that scales whole matrices.

    python benchmarks/transport.py --json docs/results/data/transport.json

Forms: "assignment" is STELLAR's, rows that sum to 1, against a matrix divided by its sums each time; "plan" is DOS's,
with a Zipfian prior, against the same in logarithms. Memory is what is taken beyond the scores. One thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from rows import Rows, machine

from scanwise.nn.transport import sinkhorn, zipf_prior

PROTOTYPES, ITERATIONS = 16384, 3
REPEATS = 3


def main() -> None:
    """Measures every form and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[512, 2048], help="tokens of a batch")
    rows = Rows("", parser)
    for form in FORMS:
        for count in rows.arguments.rows:
            (seconds, peak), (plain_seconds, plain_peak) = (measured(form, way, count) for way in (0, 1))
            params = {"form": form, "rows": count, "prototypes": PROTOTYPES}
            rows.add("Sinkhorn", seconds, "s", plain_seconds, machine=machine(), **params)
            rows.add("Sinkhorn, memory", peak, "MiB", plain_peak, **params)
    rows.write()


def measured(form: str, way: int, count: int) -> tuple[float, float]:
    """In a process of its own, for its peak memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(cost, form, way, count).result()


def cost(form: str, way: int, count: int) -> tuple[float, float]:
    """Processor seconds, the best of some, and MiB at most beyond what was there."""
    torch.set_num_threads(1)
    work = FORMS[form][way]
    work(scores_of(form, 8))
    scores = scores_of(form, count)
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
    before, times = memory("VmRSS"), []
    for _ in range(REPEATS):
        started = time.process_time()
        work(scores)
        times.append(time.process_time() - started)
    return min(times), memory("VmHWM") - before


def scores_of(form: str, count: int) -> torch.Tensor:
    """Logits of fresh prototypes over STELLAR's temperature, 0.06, or cosines over DOS's, 0.05."""
    drawn = torch.randn(count, PROTOTYPES, generator=torch.Generator().manual_seed(0))
    return drawn / 0.06 if form == "assignment" else drawn.tanh() / 0.05


def memory(field: str) -> float:
    """MiB of this process: resident now (VmRSS), or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def plain_assignment(scores: torch.Tensor) -> torch.Tensor:
    """Rows that sum to 1, the matrix divided by its sums each time."""
    result = torch.exp(scores - scores.amax(0) + 50)
    for _ in range(ITERATIONS):
        result = result / (result.sum(0) + 1e-8)
        result = result / (result.sum(1, keepdim=True) + 1e-8)
    return result


def plain_plan(scores: torch.Tensor) -> torch.Tensor:
    """The plan with a Zipfian prior, in logarithms."""
    target, share = zipf_prior(PROTOTYPES, 1.3).log(), -torch.tensor(float(len(scores))).log()
    rows, columns = scores.new_zeros(len(scores), 1), torch.zeros_like(target)
    for _ in range(ITERATIONS):
        rows = share - torch.logsumexp(scores + columns, 1, keepdim=True)
        columns = target - torch.logsumexp(scores + rows, 0)
    return torch.exp(scores + rows + columns)


def assignment(scores: torch.Tensor) -> torch.Tensor:
    """Our rows that sum to 1."""
    return sinkhorn(scores, iterations=ITERATIONS)


def plan(scores: torch.Tensor) -> torch.Tensor:
    """Our plan with a Zipfian prior."""
    return sinkhorn(scores, iterations=ITERATIONS, prior=zipf_prior(PROTOTYPES, 1.3))


FORMS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]] = {
    "assignment": (assignment, plain_assignment),
    "plan": (plan, plain_plan),
}


if __name__ == "__main__":
    main()
