"""The runs behind docs/results/less.md, one after the other; what is done is left alone, what broke off goes on.

    OMP_NUM_THREADS=1 python scripts/less_runs.py main                 # LESS and two-stage x 3 seeds
    OMP_NUM_THREADS=1 python scripts/less_runs.py fair                 # both at equal steps and equal time, 3 seeds
    OMP_NUM_THREADS=1 python scripts/less_runs.py losses --seeds 1     # cross-entropy alone, + area, + contrast
    OMP_NUM_THREADS=1 python scripts/less_runs.py parts --seeds 1      # words, queries
    OMP_NUM_THREADS=1 python scripts/less_runs.py starts --seeds 1     # DOS against random, all masks and a tenth
    OMP_NUM_THREADS=1 python scripts/less_runs.py time                 # LESS and two-stage, scene by scene in one run
    OMP_NUM_THREADS=1 python scripts/less_runs.py shipped              # the weights that come with scanwise

A run takes about ten minutes of one thread. Rows go to docs/results/data/less.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commands import scanwise, settings, train_once, training_seconds
from results.less import LESS, METRICS, SHIPPED, SURE, TWO_STAGE
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command

from scanwise.data.datasets import read_source, scene_paths
from scanwise.methods import less, two_stage
from scanwise.scene import Scene

DATA = Path("data/rooms-1")
RUNS = Path("out/less-study")
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
FAIR_STEPS, FAIR_SCENES = 300, 30  # of the part `fair`
TIMED, ROUNDS = 20, 3  # scenes, and how often each is timed


def main() -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["main", "fair", "losses", "parts", "starts", "time", "shipped"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", help="of the part's runs")
    arguments = parser.parse_args()
    if arguments.part in ("time", "shipped"):
        {"time": take_time, "shipped": shipped}[arguments.part]()
        return
    if arguments.part == "fair":
        for seed in arguments.seeds:
            fair(seed)
        return
    variants = {"main": {LESS: (), TWO_STAGE: ()}, "losses": LOSSES, "parts": PARTS_OF, "starts": STARTS}
    for seed in arguments.seeds:
        for name, changes in variants[arguments.part].items():
            if arguments.only is None or name in arguments.only:
                run(name, changes, seed)


def run(name: str, changes: Sequence[str], seed: int) -> None:
    """A training, and its metrics on the test scenes."""
    kind, out = (TWO_STAGE if name == TWO_STAGE else LESS), run_of(name, seed)
    train_once(out, "train", kind, f"recipes/{kind}-rooms-tiny.yaml", *settings(*changes, f"seed={seed}"))
    measure(name, kind, out, out, seed)
    if seed == 1 and name in (LESS, TWO_STAGE):
        measure(name, kind, out, out / "second", seed, second_pass=True)


def fair(seed: int) -> None:
    """LESS, two stages for as many steps, and two stages for as many seconds of processor as LESS took."""
    ours = short_run(LESS, FAIR_STEPS, "steps", seed)
    theirs = short_run(TWO_STAGE, FAIR_STEPS, "steps", seed)
    if ours is None or theirs is None:
        raise SystemExit(f"seed {seed}: a run broke off, its seconds are not known; delete its folder")
    short_run(TWO_STAGE, round(FAIR_STEPS * ours / theirs), "time", seed)


def short_run(kind: str, steps: int, equal: str, seed: int) -> float | None:
    """A run of this many steps and its metrics, without and with the second pass; its seconds of processor."""
    out = RUNS / f"fair-{kind}-{equal}-{seed}"
    changes = (*settings(f"steps={steps}", f"validate_every={steps}", f"seed={seed}"),)
    train_once(out, "train", kind, f"recipes/{kind}-rooms-tiny.yaml", *changes)
    for second_pass, folder in ((False, out), (True, out / "second")):
        measure(kind, kind, out, folder, seed, second_pass, FAIR_SCENES, equal=equal, steps=steps)
    return training_seconds(out)


def measure(
    name: str,
    kind: str,
    weights: Path | str,
    out: Path,
    seed: int,
    second_pass: bool = False,
    scenes: int = 0,
    **params: object,
) -> Mapping[str, Any]:
    """Metrics on the test scenes, all of them as a row; what is returned are those of the sentences' kinds.

    Args:
        name: of the row.
        kind: less or two-stage.
        weights: a run's folder, or a name.
        out: where the metrics are kept.
        seed: of the run.
        second_pass: with it.
        scenes: the first of this many; 0 = all.
        **params: more of the row's; with any of them the row is one of the part `fair`.
    """
    path = out / "test.json"
    if not path.exists():
        more = (("--second-pass",) if second_pass else ()) + (("--scenes", scenes) if scenes else ())
        scanwise("evaluate", kind, weights, DATA, "--split", "test", "--out", out, *more)
    found = json.loads(path.read_text())
    metrics = {metric: 100 * found["all"][metric] for metric in (*METRICS, *SURE)}
    seconds = training_seconds(weights) if isinstance(weights, Path) else None
    test, why = ("fair", "fair-why") if params else ("test", "why")
    params = {"second_pass": second_pass, **params}
    record(name, metrics, {"part": test, **params}, seed, seconds)
    for sentences, each in found["failures"].items():
        values = {key: value if key.endswith("sentences") else 100 * value for key, value in each.items()}
        record(name, values, {"part": why, "sentences": sentences, **params}, seed, seconds)
    return found["parts"]


def shipped() -> None:
    """The weights that come with scanwise, without and with the second pass, and by the sentences' kinds."""
    for second_pass, folder in ((False, "first"), (True, "second")):
        kinds = measure(SHIPPED, LESS, SHIPPED, RUNS / SHIPPED / folder, 1, second_pass)
    for sentences, each in kinds.items():
        metrics = {"sentences": each["sentences"]} | {key: 100 * each[key] for key in ("miou", "acc25", "acc50")}
        record(SHIPPED, metrics, {"part": "kinds", "sentences": sentences}, 1)


def record(
    name: str,
    metrics: Mapping[str, float],
    params: Mapping[str, Any],
    seed: int,
    cpu_seconds: float | None = None,
    unit: str = "%",
) -> None:
    """A row of docs/results/data/less.json."""
    rounded = {metric: round(value, 3) for metric, value in metrics.items()}
    row = make_row(name, rounded, unit, command=this_command(), params=params, seed=seed, cpu_seconds=cpu_seconds)
    add_row(ROWS / "less.json", row)


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
    for name in answer:
        for label, sentences in ((name, "all"), (f"{name} alone", "one")):
            metrics = {"seconds": statistics.mean(seconds[label])}
            record(name, metrics, {"part": "time", "sentences": sentences}, 1, unit="s")
            print(label, metrics)


def processor(predict: Callable[[Scene, Sequence[str]], Any], scene: Scene, texts: Sequence[str]) -> float:
    """Seconds that the process computes."""
    started = time.process_time()
    predict(scene, texts)
    return time.process_time() - started


if __name__ == "__main__":
    main()
