"""The tables of docs/results/stellar.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from .rows import Row, find, read_rows
from .tables import NOT_RUN, SEEDS, Table, mean_of, metric_of_seeds, number, only, seed_cells

STELLAR, MAE, DINO, SUPERVISED = "stellar-cifar-tiny", "mae-cifar-tiny", "dino-cifar-tiny", "supervised-cifar-tiny"
DENSE, RANDOM, PIXELS = "stellar-cifar-dense", "random", "pixels"
SHIPPED, SHIPPED_RANDOM = "stellar-small", "stellar-small, random"
WORDS = {
    STELLAR: "STELLAR, 16 tokens",
    MAE: "MAE",
    DINO: "DINO",
    SUPERVISED: "labels from scratch",
    "stellar-cifar-8": "8 tokens",
    "stellar-cifar-4": "4 tokens",
    "stellar-cifar-all": "every patch a token",
    DENSE: "16 tokens, reconstructed from the dense features",
    "own-targets": "16 tokens, own targets from the first step",
    "from-mae": "16 tokens, own targets, started from MAE",
    RANDOM: "random weights",
    PIXELS: "no network: all 3072 values",
}
MAIN = (STELLAR, MAE, DINO, SUPERVISED)
FAIR = (STELLAR, DINO, MAE)  # the first sets the time
VARIANTS = (STELLAR, "stellar-cifar-8", "stellar-cifar-4", "stellar-cifar-all", DENSE, "own-targets", "from-mae")
FEATURES = {"cls": "CLS", "sparse": "mean of tokens", "dense": "mean of patches"}
PATCHES = {"sparse": "L S", "dense": "dense U"}
ERRORS = {"mse": (1000, ".2f"), "psnr": (1, ".2f"), "ssim": (1, ".3f"), "frechet": (1, ".2f")}  # scale, form
HEADS = ("MSE x 1000", "PSNR", "SSIM", "Fréchet, Lite0")
SHARES = (1.0, 0.01)  # of the labelled rooms


def _measured(data: Path) -> list[Row]:
    return read_rows(data / "stellar.json")


def _classes(data: Path, probe: str) -> str:
    """Classes found by a probe."""
    table = Table("", "features", "seed 1", "seed 2", "seed 3", "mean")
    for name in (*MAIN, RANDOM, PIXELS):
        for kind, words in FEATURES.items():
            rows = find(_measured(data), name, part="classes", features=kind)
            if rows:
                cells = seed_cells(metric_of_seeds(rows, probe))
                table.add([WORDS[name], "" if name == PIXELS else words, *cells], rows)
    return str(table)


def linear(data: Path) -> str:
    """Logistic regression."""
    return _classes(data, "linear")


def knn(data: Path) -> str:
    """The nearest by cosine."""
    return _classes(data, "knn")


def fair(data: Path) -> str:
    """At as many steps and in as much time, each by the best of its features."""
    table = Table("", "equal", "steps", "linear", "kNN")
    for equal in ("steps", "time"):
        for name in FAIR:
            rows = find(_measured(data), name, part="fair", equal=equal)
            if equal == "time" and name == FAIR[0]:
                continue
            table.add([WORDS[name], equal, *_fair_cells(rows, name)], rows)
    return str(table)


def _fair_cells(rows: list[Row], name: str) -> list[str]:
    if not rows:
        return [NOT_RUN] * 3
    seeds = sorted({row["seed"] for row in rows})
    steps = {row["seed"]: _steps(row) for row in rows}.values()
    known = {seed: [row for row in rows if row["seed"] == seed] for seed in seeds}
    probes = ([_best(known[seed], probe, name, seed) for seed in seeds] for probe in ("linear", "knn"))
    means = (mean_of([value for value in values if value is not None]) for values in probes)
    return [f"{round(fmean(steps))}", *means]


def _steps(row: Row) -> int:
    return int(row["params"]["steps"])


def margins(data: Path) -> str:
    """STELLAR less the baseline of the same seed, each by the best of its features."""
    table = Table("", "seed 1", "seed 2", "seed 3", "mean", "the aim")
    for probe, other, aim in (("linear", MAE, "+6.9"), ("knn", MAE, "+40, or above DINO"), ("knn", DINO, "above 0")):
        rows = [row for name in (STELLAR, other) for row in find(_measured(data), name, part="classes")]
        leads = {}
        for seed in SEEDS:
            ours, theirs = (_best(rows, probe, name, seed) for name in (STELLAR, other))
            if ours is not None and theirs is not None:
                leads[seed] = ours - theirs
        cells = seed_cells(leads, "+.1f")
        table.add([f"{probe}, points over {WORDS[other]}", *cells, aim], [r for r in rows if r["seed"] in leads])
    beyond, rows = _excess(_measured(data))
    words = "squared error from L S beyond that from MAE's patches, %"
    table.add([words, *seed_cells(beyond, "+.1f"), "at most +3"], rows)
    return str(table)


def _best(rows: list[Row], probe: str, name: str, seed: int) -> float | None:
    found = [row["metrics"].get(probe) for row in find(rows, name) if row["seed"] == seed]
    return max((value for value in found if value is not None), default=None)


def _excess(rows: list[Row]) -> tuple[dict[int | None, float], list[Row]]:
    """Per cent by seed: as told by a row, or from both squared errors where each is known."""
    told = find(rows, STELLAR, part="excess")
    found = metric_of_seeds(told, "percent")
    used = {row["seed"]: [row] for row in told}
    ours, theirs = _errors_of(rows, STELLAR, "decoder of sparse"), _errors_of(rows, MAE, "decoder of dense")
    for seed in SEEDS:
        one, two = ([row for row in each if row["seed"] == seed] for each in (ours, theirs))
        if one and two:
            found[seed] = 100 * (one[0]["metrics"]["mse"] / two[0]["metrics"]["mse"] - 1)
            used[seed] = [*one, *two]
    return found, [row for each in used.values() for row in each]


def reconstruction(data: Path) -> str:
    """What a decoder makes of frozen features."""
    table = Table("", "from", "decoder", *HEADS)
    for name in MAIN:
        ways = {"own decoder": ("L S", "its own")} if name == STELLAR else {}
        ways |= {f"decoder of {kind}": (words, "fitted") for kind, words in PATCHES.items()}
        for way, (source, decoder) in ways.items():
            rows = _errors_of(_measured(data), name, way)
            rows = rows if len(rows) > 1 else find(_measured(data), name, part="mean", way=way) or rows
            if rows:
                words = WORDS[name] if rows[0]["seed"] is None or len(rows) > 1 else f"{WORDS[name]} (1 seed)"
                table.add([words, source, decoder, *_errors(rows)], rows)
    return str(table)


def _errors_of(rows: list[Row], name: str, way: str) -> list[Row]:
    """A row a seed."""
    return find(rows, name, part="reconstruction", way=way)


def _errors(rows: list[Row]) -> list[str]:
    """Mean over the seeds and their deviation, or both as a row of part "mean" tells them."""
    cells = []
    for metric, (scale, form) in ERRORS.items():
        values = [row["metrics"][metric] for row in rows if metric in row["metrics"]]
        if values and isinstance(values[0], list):
            mean, deviation = (scale * value for value in values[0])
            cells.append(f"{mean:{form}} ± {deviation:{form}}")
        else:
            cells.append(mean_of([scale * value for value in values], form).removesuffix(" (1 seed)"))
    return cells


def variants(data: Path) -> str:
    """What the parts do, one seed."""
    table = Table("", "linear: CLS", "tokens", "kNN: CLS", "tokens", *HEADS)
    for name in VARIANTS:
        rows = [row for row in find(_measured(data), name) if row["seed"] == SEEDS[0]]
        known = {kind: only(rows, name, part="classes", features=kind) for kind in ("cls", "sparse")}
        again = only(rows, name, part="reconstruction", way="own decoder")
        cells = [number(known[kind], probe) for probe in ("linear", "knn") for kind in ("cls", "sparse")]
        cells += [_scaled(again, metric) for metric in ERRORS]
        table.add([WORDS[name], *cells], [row for row in (*known.values(), again) if row])
    return str(table)


def _scaled(row: Row | None, metric: str) -> str:
    scale, form = ERRORS[metric]
    return NOT_RUN if row is None else f"{scale * row['metrics'][metric]:{form}}"


def frames(data: Path) -> str:
    """Segmentation of frames by a linear probe on patches."""
    table = Table("labels", "", "features", "seed 1", "seed 2", "seed 3", "mean")
    for share in SHARES:
        for name in (RANDOM, *MAIN, DENSE):
            for kind, words in PATCHES.items():
                rows = find(_measured(data), name, part="frames", share=share, features=kind)
                if rows:
                    cells = seed_cells(metric_of_seeds(rows, "miou"))
                    table.add([f"{100 * share:g} %", WORDS[name], words, *cells], rows)
    return str(table)


def shipped(data: Path) -> str:
    """Of `stellar-small`."""
    rows = find(_measured(data), SHIPPED) + find(_measured(data), SHIPPED_RANDOM)
    table = Table("", "CLS", "tokens, L S", "patches, U", "random weights, U")
    known = {kind: only(rows, SHIPPED, part="classes", features=kind) for kind in FEATURES}
    for probe, words in (("linear", "classes of CIFAR-10, linear, %"), ("knn", "classes of CIFAR-10, kNN, %")):
        table.add([words, *(number(row, probe) for row in known.values()), ""], _known(known))
    for share in SHARES:
        ours: Mapping[Any, Row | None] = {
            (name, kind): only(rows, name, part="frames", share=share, features=kind)
            for name, kind in ((SHIPPED, "sparse"), (SHIPPED, "dense"), (SHIPPED_RANDOM, "dense"))
        }
        words = f"frames of Rooms-1, mIoU, {100 * share:g} % of the labels"
        table.add([words, "", *(number(row, "miou") for row in ours.values())], _known(ours))
    for what in ("photographs", "frames"):
        row = only(rows, SHIPPED, part="reconstruction", way=what)
        came = f"{number(row, 'psnr')} dB, SSIM {number(row, 'ssim', '.2f')}"
        table.add([f"what comes back of {what}, 64 x 64 pixels", "", came, "", ""], [row] if row else [])
    return str(table)


def quick(data: Path) -> str:
    """Of a part of CIFAR-10: `stellar-small`, its ViT with random weights, and bare values."""
    table = Table("", "features", "linear", "kNN")
    for name, words in {SHIPPED: f"`{SHIPPED}`", RANDOM: WORDS[RANDOM], PIXELS: WORDS[PIXELS]}.items():
        found = {kind: only(_measured(data), name, part="quick", features=kind) for kind in FEATURES}
        for kind, row in found.items():
            if row:
                cells = [number(row, probe) for probe in ("linear", "knn")]
                table.add([words, "" if name == PIXELS else FEATURES[kind], *cells], [row])
        if not any(found.values()):
            table.add([words, "", NOT_RUN, NOT_RUN], [])
    return str(table)


def _known(rows: Mapping[Any, Row | None]) -> list[Row]:
    return [row for row in rows.values() if row]


def cost(data: Path) -> str:
    """Pictures a second, as benchmarks/stellar.py measured them."""
    rows = read_rows(data / "stellar-cost.json")
    table = Table("", "tokens", "side, pixels", "pictures a second", "MiB")
    for row in rows:
        if row["name"] in ("training", "encoding"):
            params = row["params"]
            memory = only(rows, f"{row['name']}, memory", **params)
            cells = [str(params["tokens"] or "all"), str(params["side"]), number(row, "value")]
            table.add([row["name"], *cells, number(memory, "value", ".0f")], [r for r in (row, memory) if r])
    return str(table)


def transport(data: Path) -> str:
    """Sinkhorn, as benchmarks/transport.py measured it."""
    rows = read_rows(data / "transport.json")
    table = Table("rows", "prototypes", "form", "seconds", "plain", "MiB", "plain")
    for row in find(rows, "Sinkhorn"):
        params = row["params"]
        memory = only(rows, "Sinkhorn, memory", **params)
        cells = [number(row, "value", ".3f"), number(row, "reference", ".3f")]
        cells += [number(memory, "value", ".0f"), number(memory, "reference", ".0f")]
        words = [str(params["rows"]), str(params["prototypes"]), params["form"]]
        table.add([*words, *cells], [r for r in (row, memory) if r])
    return str(table)


TABLES = {
    "linear": linear, "knn": knn, "margins": margins, "reconstruction": reconstruction, "variants": variants,
    "frames": frames, "shipped": shipped, "quick": quick, "cost": cost, "transport": transport, "fair": fair,
}  # fmt: skip
