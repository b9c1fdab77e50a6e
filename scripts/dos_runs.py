"""The runs behind docs/results/dos.md, one after the other; what is done is left alone, what broke off goes on.

    OMP_NUM_THREADS=1 python scripts/dos_runs.py ladder              # 5 steps x 3 seeds, 4 variants x 1
    OMP_NUM_THREADS=1 python scripts/dos_runs.py protocols           # supervised, fine-tuned, few labels
    OMP_NUM_THREADS=1 python scripts/dos_runs.py tail                # rare open names, alpha 1.3 against 0
    OMP_NUM_THREADS=1 python scripts/dos_runs.py streets --seeds 1 --kitti SWEEP.bin     # LiDAR sweeps, made and real
    OMP_NUM_THREADS=1 python scripts/dos_runs.py shipped --seeds 1   # the shipped weights, also in the other world

Two can run beside each other, one a core (`--seeds 1` and `--seeds 2 3`). Rows go to
docs/results/data/dos.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from commands import scanwise, settings, train_once, training_seconds
from results.dos import SHARES, SHIPPED, TAIL, TAUGHT
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, processor_seconds, this_command

from scanwise.data.datasets import Source, read_source, scene_paths
from scanwise.evaluation.probes import LinearProbe, gather, measure_voxels
from scanwise.files import replacing
from scanwise.scene import Scene
from scanwise.training.backbones import load_backbone

DATA = Path("data/rooms-1")
RUNS = Path("out/dos-study")
MAIN = ("1-naive", "2-token-jitter", "3-observable", "4-softmap", "5-zipf-1.3")
SIDE = ("3-regression", "zipf-1.0", "zipf-1.6", "zipf-2")
PRETRAIN = ("steps=250", "crop=[0.2, 0.4]", "validate_every=250", "probe_scenes=4", "momentum=0.98")
PROBE_SCENES = 100
STREETS = Path("data/streets-1")  # 24 made drives of 20 sweeps
NEEDS_KITTI = (
    "streets needs --kitti SWEEP.bin: sequences/00/velodyne/000000.bin of SemanticKITTI, with labels/000000.label; the "
    "sweeps are KITTI's odometry laser data (www.cvlibs.net/datasets/kitti), the labels are from semantic-kitti.org"
)
SUPERVISED = ("size=tiny", "voxel=0.1", "ema=0.99", "drop_path=0", "validate_every=10000")
WORLDS = {"rooms": DATA, "streets": STREETS}
LEAST_OBJECTS = 5  # of a name, in the training scenes that are probed


def main() -> None:
    """Runs a part for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--kitti", type=Path, metavar="SWEEP.bin", help="a labelled sweep of SemanticKITTI, for streets"
    )
    arguments = parser.parse_args()
    part = PARTS[arguments.part]
    if part is streets:
        if arguments.kitti is None or not arguments.kitti.exists():
            parser.error(NEEDS_KITTI)
        part = partial(streets, kitti=arguments.kitti)
    for seed in arguments.seeds:
        part(seed)


def ladder(seed: int) -> None:
    """The steps from a naive start to the paper, and for the first seed those beside them."""
    for step in (*MAIN, *(SIDE if seed == 1 else ())):
        pretrain(step, seed)
    path = RUNS / f"random-{seed}.json"
    probe(run_of(MAIN[-1], seed), path, "--random")
    record_miou("random", path, seed, part="ladder")


def pretrain(step: str, seed: int) -> None:
    """A step of the ladder, and its probe on the test scenes."""
    out = run_of(step, seed)
    recipe = f"recipes/dos-ladder/{step}.yaml"
    train_once(out, "pretrain", "dos", recipe, *settings(*PRETRAIN, f"seed={seed}"))
    probe(out, out / "probe.json")
    record_miou(step, out / "probe.json", seed, training_seconds(out), part="ladder")


def probe(model: Path, metrics: Path, *options: str) -> None:
    """A linear probe on the test scenes."""
    if not metrics.exists():
        scanwise(
            "probe", DATA, "--model", model, "--split", "test", "--scenes", PROBE_SCENES, "--out", metrics, *options
        )


def protocols(seed: int) -> None:
    """Supervised from scratch and fine-tuned, with shares of the labels."""
    weights = run_of(MAIN[-1], seed) / "best.ckpt"
    for share, steps in SHARES.items():
        for kind, extra in (("scratch", ()), ("finetuned", (f"init={weights}", "init_rate=0.5"))):
            out = RUNS / f"{kind}-{share:g}-{seed}"
            if not (out / "test.json").exists():
                common = settings(*SUPERVISED, f"steps={steps}", f"share={share}", f"seed={seed}", *extra)
                train_once(out, "train", "segment", "recipes/segment-rooms-small.yaml", *common)
                scanwise("evaluate", "segment", out, DATA, "--split", "test")
            record_miou(kind, out / "test.json", seed, training_seconds(out), part="protocols", share=share)
        out = RUNS / f"probe-{share:g}-{seed}.json"
        if share < 1:
            if not out.exists():
                scanwise("probe", DATA, "--model", weights, "--split", "test", "--share", share, "--out", out)
            record_miou("probe", out, seed, part="protocols", share=share)


@dataclass(frozen=True)
class OpenNames:
    """A scene whose classes are the open names of its objects."""

    source: Source
    names: tuple[str, ...]

    def read(self) -> Scene:
        """The scene."""
        return by_open_name(read_source(self.source), self.names)


def by_open_name(scene: Scene, names: Sequence[str]) -> Scene:
    """A scene whose objects are labelled by their open names; the rest, and other names, are unlabelled."""
    index = {name: number for number, name in enumerate(names)}
    of_instance = np.full(1 + max((box.instance for box in scene.boxes), default=0) + 1, -1, np.int32)
    for box in scene.boxes:
        of_instance[box.instance] = index.get(box.name, -1)
    assert scene.instances is not None
    return replace(scene, labels=of_instance[scene.instances], classes=list(names))


def tail(seed: int) -> None:
    """Linear probe over open names, for the rarest third and the rest."""
    train, test = scene_paths(DATA, "train")[:PROBE_SCENES], scene_paths(DATA, "test")
    counts = Counter(box.name for path in train for box in read_source(path).boxes)
    names = tuple(name for name, count in counts.most_common() if count >= LEAST_OBJECTS)
    rare = len(names) * 2 // 3
    for step in (MAIN[3], MAIN[4]):
        metrics = run_of(step, seed) / "tail.json"
        if metrics.exists():
            continue
        frozen = load_backbone(run_of(step, seed) / "best.ckpt")
        known, unknown = (
            gather(frozen, [OpenNames(path, names) for path in paths], voxels=1000, seed=seed)
            for paths in (train, test)
        )
        confusion = measure_voxels(LinearProbe.fit(known, len(names), seed=seed), unknown, names)
        accuracy = confusion.accuracy
        found = {
            "names": len(names),
            "rare": len(names) - rare,
            "common macc": float(np.nanmean(accuracy[:rare])),
            "rare macc": float(np.nanmean(accuracy[rare:])),
            "common miou": float(np.nanmean(confusion.iou[:rare])),
            "rare miou": float(np.nanmean(confusion.iou[rare:])),
        }
        with replacing(metrics) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
        record(step, {metric: found[metric] for metric in TAIL}, seed, part="tail")
        print(step, seed, found, flush=True)


def streets(seed: int, kitti: Path) -> None:
    """Pretraining on made sweeps; linear probes with their labels, on made sweeps and on the real SemanticKITTI one."""
    out = RUNS / f"streets-{seed}"
    if not (out / "best.ckpt").exists():
        keys = (f"data={STREETS}", "steps=200", "momentum=0.98", "validate_every=200", "probe_scenes=4", f"seed={seed}")
        scanwise("pretrain", "dos", "recipes/dos-streets-tiny.yaml", "--out", out, *settings(*keys))
    for name, extra in (("dos", ()), ("random", ("--random",))):
        for world, where in (("streets", ("--split", "test")), ("kitti", ("--on", kitti))):
            metrics = RUNS / f"{world}-probe-{name}-{seed}.json"
            if not metrics.exists():
                scanwise("probe", STREETS, "--model", out, "--scenes", 120, "--out", metrics, *where, *extra)
            record_miou(name, metrics, seed, part="streets", world=world)


def shipped(seed: int) -> None:
    """Linear probes of the shipped weights and of the same networks with random ones, in each world that is there."""
    worlds = {world: data for world, data in WORLDS.items() if data.exists()}
    for name in (*SHIPPED, TAUGHT):
        for weights, start in (("labels", ()),) if name == TAUGHT else (("dos", ()), ("random", ("--random",))):
            for world, data in worlds.items():
                metrics = RUNS / f"shipped-{name}-{weights}-{world}-linear-{seed}.json"
                if not metrics.exists():
                    words = ("--split", "test", "--scenes", PROBE_SCENES, "--seeds", 3, "--out", metrics, *start)
                    with processor_seconds() as spent:
                        scanwise("probe", data, "--model", name, *words)
                    metrics.with_suffix(".seconds").write_text(f"{spent():.0f}")
                seconds = float(metrics.with_suffix(".seconds").read_text())
                record_miou(name, metrics, seed, seconds, part="shipped", weights=weights, world=world)


def run_of(step: str, seed: int) -> Path:
    """Folder of a pretraining."""
    return RUNS / f"{step}-{seed}"


def record(
    name: str, metrics: Mapping[str, float], seed: int, cpu_seconds: float | None = None, **params: object
) -> None:
    """A row of docs/results/data/dos.json, of shares as per cent."""
    percent = {metric: round(100 * value, 2) for metric, value in metrics.items()}
    row = make_row(name, percent, "%", command=this_command(), params=params, seed=seed, cpu_seconds=cpu_seconds)
    add_row(ROWS / "dos.json", row)


def record_miou(name: str, path: Path, seed: int, cpu_seconds: float | None = None, **params: object) -> None:
    """The mIoU of a JSON of `scanwise probe`, whose seeds it takes the mean of, or of `scanwise evaluate`."""
    found = json.loads(path.read_text())
    values = [each["miou"] for each in (found if isinstance(found, list) else [found["all"]])]
    record(name, {"miou": float(np.mean(values))}, seed, cpu_seconds, **params)


PARTS: dict[str, Callable[..., None]] = {
    "ladder": ladder,
    "protocols": protocols,
    "tail": tail,
    "streets": streets,
    "shipped": shipped,
}

if __name__ == "__main__":
    main()
