"""Fills the tables of docs/results/stellar.md, between its `<!-- NAME -->` and `<!-- end -->`, with what was measured.

    python scripts/stellar_results.py docs/results/stellar.md

Reads out/stellar-study, out/stellar.json and out/transport.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from stellar_runs import MAIN, OTHER_STARTS, OTHER_TOKENS, PIXELS, RANDOM, SHARES, frames_file, run_of, shipped_file
from tables import fill

SEEDS = (1, 2, 3)
WORDS = {
    "stellar-cifar-tiny": "STELLAR, 16 tokens",
    "mae-cifar-tiny": "MAE",
    "dino-cifar-tiny": "DINO",
    "supervised-cifar-tiny": "labels from scratch",
    "stellar-cifar-8": "8 tokens",
    "stellar-cifar-4": "4 tokens",
    "stellar-cifar-all": "every patch a token",
    "stellar-cifar-dense": "16 tokens, reconstructed from the dense features",
    "own-targets": "16 tokens, own targets from the first step",
    "from-mae": "16 tokens, own targets, started from MAE",
    RANDOM: "random weights",
    PIXELS: "no network: all 3072 values",
}
FEATURES = {"cls": "CLS", "sparse": "mean of tokens", "dense": "mean of patches"}
PATCHES = {"sparse": "L S", "dense": "dense U"}
STELLAR, MAE, DINO = MAIN[:3]


def main() -> None:
    tables = {
        "linear": lambda: classes("linear"), "knn": lambda: classes("knn"), "margins": margins,
        "reconstruction": reconstruction, "variants": variants, "frames": frames, "cost": cost, "transport": transport,
        "shipped": shipped,
    }  # fmt: skip
    fill(Path(sys.argv[1]), tables)


def classes(probe: str) -> str:
    lines = ["| | features | seed 1 | seed 2 | seed 3 | mean |", "|---|---|---|---|---|---|"]
    for name in (*MAIN, RANDOM, PIXELS):
        for kind, words in FEATURES.items():
            values = [percent(name, seed, "classes", f"{probe}_{kind}") for seed in SEEDS]
            if any(value is not None for value in values):
                lines.append(row(f"{WORDS[name]} | {words if name != PIXELS else ''}", values, ".1f"))
    return "\n".join(lines) + "\n"


def margins() -> str:
    """STELLAR less the baseline of the same seed, each by the best of its features."""
    lines = ["| | seed 1 | seed 2 | seed 3 | mean | the aim |", "|---|---|---|---|---|---|"]
    for probe, other, aim in (("linear", MAE, "+6.9"), ("knn", MAE, "+40, or above DINO"), ("knn", DINO, "above 0")):
        values = [lead(probe, other, seed) for seed in SEEDS]
        lines.append(row(f"{probe}, points over {WORDS[other]}", values, "+.1f", aim))
    values = [excess(seed) for seed in SEEDS]
    lines.append(row("squared error from L S beyond that from MAE's patches, %", values, "+.1f", "at most +3"))
    return "\n".join(lines) + "\n"


def lead(probe: str, other: str, seed: int) -> float | None:
    ours, theirs = best(probe, STELLAR, seed), best(probe, other, seed)
    return None if ours is None or theirs is None else ours - theirs


def best(probe: str, name: str, seed: int) -> float | None:
    values = [percent(name, seed, "classes", f"{probe}_{kind}") for kind in FEATURES]
    return max((value for value in values if value is not None), default=None)


def excess(seed: int) -> float | None:
    ours = metric(STELLAR, seed, "decoder of sparse", "mse")
    theirs = metric(MAE, seed, "decoder of dense", "mse")
    return None if ours is None or theirs is None else 100 * (ours / theirs - 1)


def reconstruction() -> str:
    lines = ["| | from | decoder | MSE x 1000 | PSNR | SSIM | Fréchet, Lite0 |", "|---|---|---|---|---|---|---|"]
    for name in MAIN:
        ways = [("own decoder", "L S", "its own")] if name == STELLAR else []
        ways += [(f"decoder of {kind}", words, "fitted") for kind, words in PATCHES.items()]
        for way, source, decoder in ways:
            if any(metric(name, seed, way, "mse") is not None for seed in SEEDS):
                lines.append(f"| {WORDS[name]} | {source} | {decoder} | " + " | ".join(errors(name, way)) + " |")
    return "\n".join(lines) + "\n"


def errors(name: str, way: str, seeds: tuple[int, ...] = SEEDS) -> list[str]:
    """Cells: mean over the seeds, with the deviation."""
    cells = []
    for key, scale, form in (("mse", 1000, ".2f"), ("psnr", 1, ".2f"), ("ssim", 1, ".3f"), ("frechet", 1, ".2f")):
        values = [metric(name, seed, way, key) for seed in seeds]
        cells.append(mean_of([None if value is None else scale * value for value in values], form))
    return cells


def variants() -> str:
    lines = [
        "| | linear: CLS | tokens | kNN: CLS | tokens | MSE x 1000 | PSNR | SSIM | Fréchet, Lite0 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in (STELLAR, *OTHER_TOKENS, *OTHER_STARTS):
        values = [percent(name, 1, "classes", f"{probe}_{kind}") for probe in ("linear", "knn")
                  for kind in ("cls", "sparse")]  # fmt: skip
        cells = ["not run" if value is None else f"{value:.1f}" for value in values]
        lines.append(f"| {WORDS[name]} | " + " | ".join([*cells, *errors(name, "own decoder", (1,))]) + " |")
    return "\n".join(lines) + "\n"


def frames() -> str:
    lines = ["| labels | | features | seed 1 | seed 2 | seed 3 | mean |", "|---|---|---|---|---|---|---|"]
    for share in SHARES:
        for name in (RANDOM, *MAIN, "stellar-cifar-dense"):
            for kind, words in PATCHES.items():
                values = [frame_metric(name, share, seed, kind) for seed in SEEDS]
                if any(value is not None for value in values):
                    lines.append(row(f"{100 * share:g} % | {WORDS[name]} | {words}", values, ".1f"))
    return "\n".join(lines) + "\n"


def frame_metric(name: str, share: float, seed: int, kind: str) -> float | None:
    path = frames_file(name, share, seed)
    found = json.loads(path.read_text()).get(kind) if path.exists() else None
    return None if found is None else 100 * found["miou"]


def shipped() -> str:
    """Of `stellar-small`."""
    pictures, rooms = (read(shipped_file(what)) for what in ("pictures", "rooms"))
    known = pictures.get("classes", {})
    lines = ["| | CLS | tokens, L S | patches, U | random weights, U |", "|---|---|---|---|---|"]
    for probe, words in (("linear", "classes of CIFAR-10, linear, %"), ("knn", "classes of CIFAR-10, kNN, %")):
        cells = [cell(known.get(f"{probe}_{kind}"), 100, ".1f") for kind in FEATURES]
        lines.append(f"| {words} | " + " | ".join(cells) + " | |")
    for share in SHARES:
        ours, random = (read(shipped_file(f"{what}frames-{share:g}")) for what in ("", "random-"))
        cells = [cell(found.get(kind, {}).get("miou"), 100, ".1f") for found, kind in
                 ((ours, "sparse"), (ours, "dense"), (random, "dense"))]  # fmt: skip
        lines.append(f"| frames of Rooms-1, mIoU, {100 * share:g} % of the labels | | " + " | ".join(cells) + " |")
    for words, found in (("photographs", pictures.get("own decoder", {})), ("frames", rooms)):
        came = f"{cell(found.get('psnr'), 1, '.1f')} dB, SSIM {cell(found.get('ssim'), 1, '.2f')}"
        lines.append(f"| what comes back of {words}, 64 x 64 pixels | | {came} | | |")
    return "\n".join(lines) + "\n"


def cell(value: float | None, scale: float, form: str) -> str:
    return "not run" if value is None else f"{scale * value:{form}}"


# Costs


def cost() -> str:
    lines = ["| | tokens | side, pixels | pictures a second | MiB |", "|---|---|---|---|---|"]
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for entry in benchmark(Path("out/stellar.json")):
        params = entry["params"]
        if entry["name"] in ("training", "encoding"):
            key = (entry["name"], params["tokens"], params["side"])
            found.setdefault(key, {})[entry["unit"]] = entry["value"]
    for (work, tokens, side), values in found.items():
        lines.append(f"| {work} | {tokens or 'all'} | {side} | {values['1/s']:.1f} | {values['MiB']:.0f} |")
    return "\n".join(lines) + "\n"


def transport() -> str:
    lines = ["| rows | prototypes | form | seconds | plain | MiB | plain |", "|---|---|---|---|---|---|---|"]
    found: dict[tuple[Any, ...], dict[str, tuple[float, float]]] = {}
    for entry in benchmark(Path("out/transport.json")):
        params = entry["params"]
        key = (params["rows"], params["prototypes"], params["form"])
        found.setdefault(key, {})[entry["unit"]] = (entry["value"], entry["reference"])
    for (rows, prototypes, form), values in found.items():
        cells = [f"{value:.3f}" for value in values["s"]] + [f"{value:.0f}" for value in values["MiB"]]
        lines.append(f"| {rows} | {prototypes} | {form} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def benchmark(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else []


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


# Cells


def metric(name: str, seed: int, group: str, key: str) -> float | None:
    file = "decoders.json" if group.startswith("decoder of") else "metrics.json"
    return read(run_of(name, seed) / file).get(group, {}).get(key)


def percent(name: str, seed: int, group: str, key: str) -> float | None:
    value = metric(name, seed, group, key)
    return None if value is None else 100 * value


def mean_of(values: list[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    spread = f" ± {np.std(known, ddof=1):{form.removeprefix('+')}}" if len(known) > 1 else ""
    return f"{np.mean(known):{form}}{spread}" if known else "not run"


def row(name: str, values: list[float | None], form: str, *more: str) -> str:
    cells = ["" if value is None else f"{value:{form}}" for value in values]
    return "| " + " | ".join([name, *cells, mean_of(values, form), *more]) + " |"


if __name__ == "__main__":
    main()
