"""The runs behind docs/results/less.md, one after the other; what is done is left alone, what broke off goes on.

    OMP_NUM_THREADS=1 python scripts/less_runs.py main                 # LESS and two-stage x 3 seeds
    OMP_NUM_THREADS=1 python scripts/less_runs.py losses --seeds 1     # cross-entropy alone, + area, + contrast
    OMP_NUM_THREADS=1 python scripts/less_runs.py parts --seeds 1      # words, queries
    OMP_NUM_THREADS=1 python scripts/less_runs.py starts --seeds 1     # DOS against random, all masks and a tenth
    OMP_NUM_THREADS=1 python scripts/less_runs.py time                 # LESS and two-stage, scene by scene in one run

A run takes about ten minutes of one thread. scripts/less_results.py writes the page.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dos_runs import scanwise, settings

from scanwise.data.datasets import read_source, scene_paths
from scanwise.files import replacing
from scanwise.methods import less, two_stage
from scanwise.scene import Scene

DATA = Path("data/rooms-1")
RUNS = Path("out/less-study")
LESS, TWO_STAGE = "less", "two-stage"
PAPER = ("positive=20", "dice=0")
LOSSES = {
    "bce": (*PAPER, "area=0", "contrast=0"),
    "bce-area": (*PAPER, "contrast=0"),
    "bce-area-contrast": PAPER,
}
PARTS_OF = {
    "queries-see-words": ("fusion=queries",),
    "no-words": ("fusion=none",),
    "queries-1": ("queries=1",),
    "queries-5": ("queries=5",),
    "queries-60": ("queries=60",),
    "levels": ("fusion=levels",),
}
POINT_TRANSFORMER = ("backbone=tiny", "features=[color, normal]", "positions=true")
DOS = ("init=out/dos-study/5-zipf-1.3-1/best.ckpt", "init_rate=0.5")
STARTS = {
    "random-1": POINT_TRANSFORMER,
    "dos-1": (*POINT_TRANSFORMER, *DOS),
    "random-0.1": (*POINT_TRANSFORMER, "share=0.1"),
    "dos-0.1": (*POINT_TRANSFORMER, *DOS, "share=0.1"),
}
TIMED, ROUNDS = 20, 3  # scenes, and how often each is timed


def main() -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["main", "losses", "parts", "starts", "time"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", help="of the part's runs")
    arguments = parser.parse_args()
    if arguments.part == "time":
        take_time()
        return
    variants = {"main": {LESS: (), TWO_STAGE: ()}, "losses": LOSSES, "parts": PARTS_OF, "starts": STARTS}
    for seed in arguments.seeds:
        for name, changes in variants[arguments.part].items():
            if arguments.only is None or name in arguments.only:
                run(name, changes, seed)


def run(name: str, changes: Sequence[str], seed: int) -> None:
    """A training, and its metrics on the test scenes."""
    kind, out = (TWO_STAGE if name == TWO_STAGE else LESS), run_of(name, seed)
    if not (out / "done").exists():
        words = settings(*changes, f"seed={seed}")
        scanwise("train", kind, f"recipes/{kind}-rooms-tiny.yaml", "--out", out, *words)
        (out / "done").touch()
    if not (out / "test.json").exists():
        scanwise("evaluate", kind, out, DATA, "--split", "test")
    if seed == 1 and name in (LESS, TWO_STAGE) and not (out / "second" / "test.json").exists():
        scanwise("evaluate", kind, out, DATA, "--split", "test", "--second-pass", "--out", out / "second")


def run_of(name: str, seed: int) -> Path:
    """Folder of a run."""
    return RUNS / f"{name}-{seed}"


def take_time() -> None:
    """Seconds of processor that either takes for all sentences of a scene, medians, in turns."""
    one, two = less.load_trained(run_of(LESS, 1)), two_stage.load_trained(run_of(TWO_STAGE, 1))
    answer = {
        LESS: lambda scene, texts: less.predict(one, scene, texts),
        TWO_STAGE: lambda scene, texts: two_stage.predict(two, scene, texts),
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*answer, f"{LESS} alone", f"{TWO_STAGE} alone")}
    for path in scene_paths(DATA, "test")[:TIMED]:
        scene = read_source(path)
        for name, predict in answer.items():
            for label, texts in ((name, [each.text for each in scene.sentences]), (f"{name} alone", ["the chair"])):
                seconds[label].append(statistics.median(processor(predict, scene, texts) for _ in range(ROUNDS)))
    found = {name: statistics.mean(values) for name, values in seconds.items()}
    with replacing(RUNS / "time.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    print(found)


def processor(predict: Callable[[Scene, Sequence[str]], Any], scene: Scene, texts: Sequence[str]) -> float:
    """Seconds that the process computes."""
    started = time.process_time()
    predict(scene, texts)
    return time.process_time() - started


if __name__ == "__main__":
    main()
