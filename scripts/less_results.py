"""Fills the tables of docs/results/less.md, between its `<!-- NAME -->` and `<!-- end -->`, with what was measured.

python scripts/less_results.py docs/results/less.md        # reads out/less-study and out/less-rooms
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from less_runs import LESS, LOSSES, PARTS_OF, RUNS, STARTS, TWO_STAGE, run_of
from tables import fill

SEEDS = (1, 2, 3)
SHIPPED = Path("out/less-rooms")
METRICS = {
    "miou": "mIoU",
    "acc25": "Acc@0.25",
    "acc50": "Acc@0.5",
    "unique_miou": "unique",
    "multiple_miou": "multiple",
}
SURE = {"found": "found", "not_here": "not here", "balanced": "mean"}
WORDS = {
    "bce": "cross-entropy alone",
    "bce-area": "+ area",
    "bce-area-contrast": "+ contrast: the paper's losses",
    LESS: "+ overlap, the object's voxels counting 5 times and not 20: ours",
    "queries-see-words": "words reach queries, not voxels",
    "no-words": "words reach neither: the sentence weighs masks, no more",
    "queries-1": "1 query: nothing to weigh (no QSA)",
    "queries-5": "5 queries",
    "queries-60": "60 queries",
    "levels": "words reach voxels at every level (the paper's place)",
    "random-1": "random, all masks",
    "dos-1": "DOS, all masks",
    "random-0.1": "random, a tenth",
    "dos-0.1": "DOS, a tenth",
}


def main() -> None:
    """Fills all tables."""
    tables = {
        "main": against, "losses": losses, "parts": parts, "starts": starts, "shipped": shipped, "kinds": kinds,
        "sharpening": sharpening, "time": seconds,
    }  # fmt: skip
    fill(Path(sys.argv[1]), tables)


def against() -> str:
    """LESS and the baseline, each seed and their mean."""
    lines = ["| | seed | " + " | ".join([*METRICS.values(), *SURE.values()]) + " |", "|---" * 10 + "|"]
    for name, words in ((TWO_STAGE, "two-stage: classes and objects"), (LESS, "LESS: binary masks")):
        found = [metrics(run_of(name, seed) / "test.json") for seed in SEEDS]
        for seed, each in zip(SEEDS, found, strict=True):
            lines.append(line(f"{words} | {seed}", each, (*METRICS, *SURE)))
        known = [each for each in found if each]
        if known:
            mean = {key: float(np.mean([each[key] for each in known])) for key in known[0]}
            lines.append(line(f"**{words}** | mean", mean, (*METRICS, *SURE)))
        second = metrics(run_of(name, 1) / "second" / "test.json")
        lines.append(line(f"{words}, with the second pass | 1", second, (*METRICS, *SURE)))
    return "\n".join(lines) + "\n"


def losses() -> str:
    """What each loss adds."""
    return of_runs((*LOSSES, LESS))


def parts() -> str:
    """What words and queries add."""
    return of_runs((LESS, *PARTS_OF), {LESS: "20 queries, words reach voxels after the backbone: ours"})


def starts() -> str:
    """DOS against random weights."""
    return of_runs(tuple(STARTS))


def of_runs(names: tuple[str, ...], other_words: Mapping[str, str] | None = None) -> str:
    """Test metrics of runs, seed 1."""
    words = WORDS | dict(other_words or {})
    lines = ["| | " + " | ".join(METRICS.values()) + " |", "|---" * 6 + "|"]
    lines += [line(words[name], metrics(run_of(name, 1) / "test.json"), METRICS) for name in names]
    return "\n".join(lines) + "\n"


def shipped() -> str:
    """The shipped weights, without and with the second pass."""
    lines = ["| | " + " | ".join([*METRICS.values(), *SURE.values()]) + " |", "|---" * 9 + "|"]
    for words, folder in (("masks of 8 cm voxels", SHIPPED), ("with the second pass at 2 cm", SHIPPED / "second")):
        lines.append(line(words, metrics(folder / "test.json"), (*METRICS, *SURE)))
    return "\n".join(lines) + "\n"


def kinds() -> str:
    """The shipped weights by length and relation."""
    path = SHIPPED / "second" / "test.json"
    found = json.loads(path.read_text())["parts"] if path.exists() else {}
    lines = ["| sentences with | number | mIoU | Acc@0.25 | Acc@0.5 |", "|---" * 5 + "|"]
    for name, each in found.items():
        cells = [f"{100 * each[key]:.1f}" for key in ("miou", "acc25", "acc50")]
        lines.append("| " + " | ".join([name, f"{each['sentences']:.0f}", *cells]) + " |")
    return "\n".join(lines) + "\n"


def sharpening() -> str:
    """How masks are best sharpened."""
    path = SHIPPED / "sharpening.json"
    lines = ["| masks | sentences | mIoU | Acc@0.25 | Acc@0.5 |", "|---" * 5 + "|"]
    for row in json.loads(path.read_text()) if path.exists() else []:
        cells = [f"{100 * row[key]:.1f}" for key in ("miou", "acc25", "acc50")]
        lines.append("| " + " | ".join([row["name"], str(row["masks"]), *cells]) + " |")
    return "\n".join(lines) + "\n"


def seconds() -> str:
    """Processor seconds of both methods."""
    path = RUNS / "time.json"
    if not path.exists():
        return "not run\n"
    found = json.loads(path.read_text())
    lines = ["| | LESS | two-stage | ratio |", "|---" * 4 + "|"]
    for words, suffix in (("all sentences of a scene", ""), ("one sentence", " alone")):
        one, two = found[LESS + suffix], found[TWO_STAGE + suffix]
        lines.append(f"| {words} | {one:.3f} s | {two:.3f} s | {two / one:.2f} |")
    return "\n".join(lines) + "\n"


def metrics(path: Path) -> dict[str, Any] | None:
    """Of all sentences; None where it was not run."""
    return json.loads(path.read_text())["all"] if path.exists() else None


def line(words: str, found: Mapping[str, float] | None, keys: Mapping[str, str] | tuple[str, ...]) -> str:
    """A row of a table."""
    cells = ["not run"] * len(keys) if found is None else [f"{100 * found[key]:.1f}" for key in keys]
    return "| " + " | ".join([words, *cells]) + " |"


if __name__ == "__main__":
    main()
