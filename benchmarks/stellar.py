"""STELLAR's images a second in training and in encoding, and peak memory: how they grow with tokens and image size.

    python benchmarks/stellar.py --json docs/results/data/stellar-cost.json --picture docs/stellar-growth.png

The recipe is stellar-cifar-tiny, one thread, images already decoded. Each number comes from a process of its own, and
is of processor time, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rows import Rows, machine
from transport import memory

from scanwise.data.images import ImageBatch
from scanwise.methods.stellar.model import Stellar
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn.sparse_tokens import SparseTokens
from scanwise.training.loop import return_free_memory
from scanwise.training.recipe import read_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "stellar-cifar-tiny.yaml"
TOKENS = (4, 8, 16, 32, 64, 0)  # 0 = every patch
SIDES = (32, 48, 64, 96)  # pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--picture", type=Path, help="draw the growth of cost here")
    rows = Rows("", parser)
    settings = [(tokens, SIDES[0]) for tokens in TOKENS] + [(16, side) for side in SIDES[1:]]
    costs: dict[tuple[str, int, int], float] = {}
    for tokens, side in settings:
        for name in ("training", "encoding"):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                work = pool.submit(cost, name, tokens, side, rows.arguments.batch, rows.arguments.repeats)
                seconds, peak = work.result()
            params = {"tokens": tokens, "side": side, "batch": rows.arguments.batch, "threads": 1}
            rows.add(name, 1 / seconds, "1/s", machine=machine(), **params)
            rows.add(f"{name}, memory", peak, "MiB", **params)
            costs[name, tokens, side] = seconds
    if rows.arguments.picture:
        draw(costs, rows.arguments.picture)
    rows.write()


def cost(name: str, tokens: int, side: int, batch: int, repeats: int) -> tuple[float, float]:
    """Processor seconds an image, the best of some batches, and MiB at most beyond what was there."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recipe = read_recipe(RECIPE, StellarRecipe, [f"tokens={tokens}", f"image={side}", "teacher=0"])
    model = Stellar(recipe, SparseTokens(recipe.network()))
    optimizer = torch.optim.AdamW(model.parameters())
    work = {"training": lambda: train(model, optimizer, batch), "encoding": lambda: encode(model, batch)}[name]
    work()
    return_free_memory()
    Path("/proc/self/clear_refs").write_text("5")  # the kernel forgets the peak so far
    before, times = memory("VmRSS"), []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) / batch)
    return min(times), memory("VmHWM") - before


def train(model: Stellar, optimizer: torch.optim.Optimizer, batch: int) -> None:
    """A step."""
    recipe = model.recipe
    crops = torch.randint(0, 256, (batch, recipe.crops, 3, recipe.crop_size, recipe.crop_size), dtype=torch.uint8)
    seen = ImageBatch(images(recipe, batch), torch.full((batch,), -1), None, crops)
    model.training_step(seen, 0.0)["loss"].backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def encode(model: Stellar, batch: int) -> None:
    model.network.encode(images(model.recipe, batch).float() / 255)


def images(recipe: StellarRecipe, batch: int) -> torch.Tensor:
    return torch.randint(0, 256, (batch, 3, recipe.image, recipe.image), dtype=torch.uint8)


def draw(costs: dict[tuple[str, int, int], float], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_tokens, by_side = figure.subplots(1, 2)
    patches = [(side // 4) ** 2 for side in SIDES]
    for name in ("training", "encoding"):
        some = [tokens for tokens in TOKENS if tokens]
        by_tokens.plot(some, [1000 * costs[name, tokens, SIDES[0]] for tokens in some], "o-", label=name)
        times = [costs[name, 16, side] for side in SIDES]
        slope = np.polyfit(np.log([side**2 for side in SIDES]), np.log(times), 1)[0]
        by_side.loglog(patches, [1000 * value for value in times], "o-",
                       label=f"{name}: slope {slope:.2f}")  # fmt: skip
    by_side.set_xticks(patches, [str(count) for count in patches])
    by_side.minorticks_off()
    by_tokens.set_xlabel("tokens, 64 patches")
    by_side.set_xlabel("patches, 16 tokens")
    for axes in (by_tokens, by_side):
        axes.set_ylabel("milliseconds a picture")
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
