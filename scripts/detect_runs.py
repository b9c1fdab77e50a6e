"""The runs behind docs/results/detection.md, one after the other; what is done is left alone, what broke off goes on.

    scanwise synth streets data/streets-boxes --set streets-boxes
    OMP_NUM_THREADS=1 python scripts/detect_runs.py starts            # scratch and DOS x 1/10/100 % x 3 seeds
    OMP_NUM_THREADS=1 python scripts/detect_runs.py weights           # trains, measures, exports what is to be shipped

Rows go to docs/results/data/detection.json, `make results` writes the page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from commands import scanwise, settings, train_once, training_seconds
from results.detection import SHARES, SHIPPED, STARTS
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command

DATA = Path("data/streets-boxes")
RUNS = Path("out/detect-study")
RECIPE = Path("recipes/detect-streets.yaml")
SMALL = (
    *("backbone=small", "voxel=0.2", "reach=25.6", "batch=1", "steps=60", "ema=0.9"),
    *("validate_every=60", "val_scenes=2"),
)
INIT = {"scratch": (), "dos": ("init=dos-streets-small", "init_rate=0.5")}
WHAT = "Boxes of cars, trucks, buses, people, two-wheelers and cones in one sweep of a LiDAR: PTv3-tiny, made streets"
PER_CENT = ("nds", "map", "ap_0.5", "ap_1", "ap_2", "ap_4")


def main() -> None:
    """Runs a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("starts", "weights"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    if arguments.part == "weights":
        weights()
        return
    for seed in arguments.seeds:
        for share in SHARES:
            for start in STARTS:
                compare(start, share, seed)


def compare(start: str, share: float, seed: int) -> None:
    """One start with a share of the labelled sweeps: trained, and measured on the test drives."""
    out = RUNS / f"{start}-{share:g}-{seed}"
    train_once(out, "train", "detect", RECIPE, *settings(*SMALL, f"share={share}", f"seed={seed}", *INIT[start]))
    if not (out / "test.json").exists():
        scanwise("evaluate", "detect", out, DATA, "--split", "test")
    found = json.loads((out / "test.json").read_text())
    row = make_row(
        start, figures(found["all"]), "%, m, 1 - IoU, rad, m/s", command=this_command(),
        params={"part": "starts", "share": share}, seed=seed, cpu_seconds=training_seconds(out),
    )  # fmt: skip
    add_row(ROWS / "detection.json", row)


def weights() -> None:
    """The weights with their card, and of each class, and their mean, a row."""
    out = RUNS / SHIPPED
    train_once(out, "train", "detect", RECIPE)
    if not (out / "test.json").exists():
        scanwise("evaluate", "detect", out, DATA, "--split", "test")
    export = [sys.executable, str(Path(__file__).with_name("export_weights.py")), str(out), SHIPPED, WHAT]
    subprocess.run([*export, "--metrics", str(out / "test.json")], check=True)
    found = json.loads((out / "test.json").read_text())
    for name, values in found.items():
        if isinstance(values, dict):
            row = make_row(
                SHIPPED, figures(values), "%, m, 1 - IoU, rad, m/s", command=this_command(),
                params={"part": "classes", "class": name}, cpu_seconds=training_seconds(out) if name == "all" else None,
            )  # fmt: skip
            add_row(ROWS / "detection.json", row)


def figures(values: dict[str, float | None]) -> dict[str, float | None]:
    """Precisions in per cent; errors and counts as they are."""
    keys = {"ap": "map"}
    return {
        keys.get(key, key): 100 * value if value is not None and keys.get(key, key) in PER_CENT else value
        for key, value in values.items()
    }


if __name__ == "__main__":
    main()
