"""Processor seconds and peak memory of a training step, before and after a change, side by side.

    git worktree add --detach ../before d7c39e5
    OMP_NUM_THREADS=1 python benchmarks/steps.py data/rooms-1 --before ../before --json out/steps.json

Each checkout runs in a process of its own, on the same batch and the same first weights; the two take turns, step by
step, so that what else the machine does meets both. A step is the losses, their gradients and AdamW; reading is not
counted. Seconds are of the processor, the median of the steps after the first; memory is the process' most, with the
library itself. The reference is `--before`; without it there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import Rows, machine

HERE = Path(__file__).resolve().parent
RECIPES = HERE.parent / "recipes"
Case = Callable[[Path], tuple[torch.nn.Module, Any, str]]
"""Folder of rooms -> module, batch, precision."""


def less_small(data: Path, scenes: int = 0) -> tuple[torch.nn.Module, Any, str]:
    """recipes/less-rooms.yaml: two rooms with eight sentences each."""
    from scanwise.data.datasets import read_source, scene_paths
    from scanwise.methods.less.data import MakeReferSample, collate_refer
    from scanwise.methods.less.model import LESS
    from scanwise.methods.less.recipe import LESSRecipe
    from scanwise.training.recipe import read_recipe

    recipe = read_recipe(RECIPES / "less-rooms.yaml", LESSRecipe)
    paths = scene_paths(data, "train")
    make = MakeReferSample(recipe, paths)
    samples = [make(read_source(path), np.random.default_rng(0)) for path in paths[: scenes or recipe.batch]]
    return LESS(recipe, recipe.encoder([])), collate_refer(samples), "32-true"


def segment_small(data: Path, precision: str = "32-true", scenes: int = 0) -> tuple[torch.nn.Module, Any, str]:
    """recipes/segment-rooms-small.yaml: four rooms, about 80 000 voxels."""
    from scanwise.data.clouds import collate
    from scanwise.data.datasets import read_source, scene_paths
    from scanwise.methods.segment.data import MakeSample
    from scanwise.methods.segment.model import Segmenter
    from scanwise.methods.segment.recipe import SegmentRecipe
    from scanwise.training.recipe import read_recipe

    recipe = read_recipe(RECIPES / "segment-rooms-small.yaml", SegmentRecipe)
    paths = scene_paths(data, "train")[: scenes or recipe.batch]
    make = MakeSample(recipe)
    samples = [make(read_source(path), np.random.default_rng(0)) for path in paths]
    return Segmenter(recipe, read_source(paths[0]).classes or []), collate(samples), precision


def dos_small(data: Path, precision: str = "32-true", scenes: int = 0) -> tuple[torch.nn.Module, Any, str]:
    """recipes/dos-rooms-small.yaml: two masked views of four rooms."""
    from scanwise.data.datasets import read_source, scene_paths
    from scanwise.methods.dos.data import collate_views
    from scanwise.methods.dos.model import DOS
    from scanwise.methods.dos.recipe import DOSRecipe
    from scanwise.training.recipe import read_recipe

    recipe = read_recipe(RECIPES / "dos-rooms-small.yaml", DOSRecipe)
    make = recipe.views()
    paths = scene_paths(data, "train")[: scenes or recipe.batch]
    pairs = [make(read_source(path), np.random.default_rng(0)) for path in paths]
    return DOS(recipe), collate_views(pairs), precision


def stellar_tiny(data: Path) -> tuple[torch.nn.Module, Any, str]:
    """recipes/stellar-cifar-tiny.yaml: 64 pictures, here of nothing."""
    from scanwise.data.images import ImageBatch
    from scanwise.methods.stellar.model import Stellar
    from scanwise.methods.stellar.recipe import StellarRecipe
    from scanwise.nn.sparse_tokens import SparseTokens
    from scanwise.training.recipe import read_recipe

    recipe = read_recipe(RECIPES / "stellar-cifar-tiny.yaml", StellarRecipe)
    pixels = np.random.default_rng(0)

    def pictures(*shape: int) -> torch.Tensor:
        return torch.from_numpy(pixels.integers(0, 256, shape, dtype=np.uint8))

    side, small = recipe.image, recipe.crop_size
    images, labels = pictures(recipe.batch, 3, side, side), torch.full((recipe.batch,), -1)
    batch = ImageBatch(images, labels, None, pictures(recipe.batch, recipe.crops, 3, small, small))
    return Stellar(recipe, SparseTokens(recipe.network(0))), batch, "32-true"


CASES: dict[str, Case] = {
    "less-small": less_small,
    "segment-small": segment_small,
    "segment-small, bf16": partial(segment_small, precision="bf16-mixed"),
    "dos-small": dos_small,
    "dos-small, bf16": partial(dos_small, precision="bf16-mixed"),
    "stellar-tiny": stellar_tiny,
}


# One checkout


def serve(case: str, data: Path) -> None:
    """Answers each line of the input by a step: one line of JSON with its seconds, the loss, and the most memory."""
    torch.manual_seed(0)
    module, batch, precision = CASES[case](data)
    module.train()
    optimizer = torch.optim.AdamW([each for each in module.parameters() if each.requires_grad], 1e-4)
    for _ in sys.stdin:
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            losses = module.training_step(batch, 0.0)  # type: ignore[operator]
        losses["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds = time.process_time() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"seconds": seconds, "loss": float(losses["loss"].detach()), "memory": memory}), flush=True)


class Server:
    """A process that makes steps with one checkout's library.

    Args:
        checkout: folder that has `src/scanwise`.
        case: of `CASES`.
        data: folder of rooms.
    """

    def __init__(self, checkout: Path, case: str, data: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(checkout.resolve() / "src")}
        command = [sys.executable, __file__, str(data), "--serve", case]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.steps: list[dict[str, float]] = []

    def step(self) -> None:
        """Makes one, and keeps what it took.

        Raises:
            RuntimeError: the process has ended; it has said why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("a step failed; its process says above why")
        self.steps.append(json.loads(answer))

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()

    @property
    def seconds(self) -> float:
        """Median of the steps after the first."""
        return statistics.median(each["seconds"] for each in self.steps[1:])

    @property
    def memory(self) -> float:
        """The most, in GB."""
        return max(each["memory"] for each in self.steps)


# Both


def compare(case: str, options: argparse.Namespace, rows: Rows) -> None:
    """Takes turns, and adds the rows of a case."""
    checkouts = [HERE.parent] + ([options.before] if options.before else [])
    servers = [Server(checkout, case, options.data) for checkout in checkouts]
    for _ in range(options.steps + 1):
        for server in servers:
            server.step()
    for server in servers:
        server.close()
    before = servers[1] if options.before else None
    params = {"steps": options.steps, "threads": torch.get_num_threads(), "machine": machine()}
    rows.add(case, servers[0].seconds, "s", before and before.seconds, **params)
    rows.add(f"{case}, memory", servers[0].memory, "GB", before and before.memory, **params)
    rows.add(f"{case}, first loss", servers[0].steps[0]["loss"], "1", before and before.steps[0]["loss"], **params)


def main() -> None:
    """Measures, and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of rooms, as `scanwise synth rooms` makes it")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="what it is compared with")
    parser.add_argument("--only", choices=CASES, help="one case instead of all")
    parser.add_argument("--steps", type=int, default=9, help="that count")
    parser.add_argument("--serve", choices=CASES, help=argparse.SUPPRESS)
    if "--serve" in sys.argv:
        options = parser.parse_args()
        serve(options.serve, options.data)
        return
    rows = Rows("", parser)
    for case in [rows.arguments.only] if rows.arguments.only else CASES:
        compare(case, rows.arguments, rows)
    rows.write()


if __name__ == "__main__":
    main()
