"""What docs/results/outdoors.md has: words on sweeps, cars counted, heights above the ground.

    python scripts/outdoors_runs.py words data/streets-segment/test --name "made test sweeps"
    python scripts/outdoors_runs.py words semantickitti_000000.bin --name "SemanticKITTI's sweep"
    python scripts/outdoors_runs.py ground semantickitti_000000.bin --name "SemanticKITTI's sweep"

`words` labels sweeps as `scanwise label` does, with eight coarse words, alone and by votes of things; `--temperatures`
says which would make confidence honest. Numbers go to docs/results/data/outdoors.json.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from compare_sweeps import sweeps
from results.rows import DATA, add_row, make_row, processor_seconds, this_command
from torch.nn import functional

import scanwise
from scanwise.evaluation.segmentation import Confusion
from scanwise.geometry.ground import SHARE, Ground
from scanwise.geometry.voxels import voxelize
from scanwise.scene import Scene
from scanwise.understand import confidence
from scanwise.understand.prepared import Prepared

WORDS = {
    "road": ("road", "parking"), "sidewalk": ("sidewalk",), "terrain": ("terrain",), "building": ("building",),
    "fence": ("fence",), "vegetation": ("vegetation", "trunk"), "car": ("car", "truck", "other-vehicle"),
    "pole": ("pole", "traffic-sign"),
}  # fmt: skip
"""Eight words, and which of SemanticKITTI's classes each stands for; other points are passed over."""
FILE = DATA / "outdoors.json"
LEAST = 30  # points of a car that is to be found


def truth_of(scene: Scene) -> np.ndarray:
    """(N,) word of each point, -1 = none of them."""
    assert scene.labels is not None
    assert scene.classes is not None
    words = [next((place for place, of in enumerate(WORDS.values()) if name in of), -1) for name in scene.classes]
    return np.array([*words, -1])[scene.labels]


def cars(scene: Scene, labels: Any) -> np.ndarray:
    """(3,) cars that are there, that are found, and those of both that are one another's (IoU above a half)."""
    assert scene.instances is not None
    assert scene.labels is not None
    assert scene.classes is not None
    vehicles = [scene.classes.index(name) for name in WORDS["car"]]
    known = scene.instances if scene.instances.max() < 1 << 20 else np.unique(scene.instances, return_inverse=True)[1]
    own = np.where(np.isin(scene.labels, vehicles) & (scene.instances > -1), known, -1)
    sizes = {each: int((own == each).sum()) for each in np.unique(own[own >= 0])}
    there = {each for each, size in sizes.items() if size >= LEAST}
    found = [each.id for each in labels.objects if each.text == "car" and len(each.place.rows) >= LEAST]
    hits = 0
    for each in found:
        rows = labels.object_of == each
        for other in np.unique(own[rows]):
            if other in there and (own[rows] == other).sum() * 2 > (rows | (own == other)).sum():
                hits += 1
    return np.array([len(there), len(found), hits])


def words(paths: list[Path], name: str, weights: str | None, temperatures: bool) -> None:
    """Measures `label` with and without votes."""
    for things in (None, "off"):
        counts, counted, logits, truths = Confusion(list(WORDS)), np.zeros(3, int), [], []
        with processor_seconds() as spent:
            for path in paths:
                scene = scanwise.read_scene(path)
                prepared = Prepared(replace(scene, boxes=[]), shapes=weights, things=things)
                labels = prepared.label(list(WORDS))
                truth = truth_of(scene)
                counts.add(np.where(labels.indices >= 0, truth, -1), labels.indices)
                if scene.instances is not None:
                    counted += cars(scene, labels)
                rows = np.flatnonzero((truth >= 0) & (labels.indices >= 0))[::20]
                logits.append(np.log(labels.scores[rows] + 1e-9))
                truths.append(truth[rows])
        votes = "no" if things == "off" else "yes"
        metrics = {key: 100 * value for key, value in counts.metrics().items()}
        print(f"{name}, votes: {votes}\n{counts.table()}cars there, found, right: {counted.tolist()}")
        if temperatures:
            kind = "streets" if things == "off" else "streets of things"
            print(f"temperature of {kind}: {confidence.TEMPERATURES[kind] * fitted(logits, truths):.2f}")
        add_row(
            FILE,
            make_row(
                "words", metrics | dict(zip(("cars", "found", "right"), map(int, counted), strict=True)), "%",
                command=this_command(), params={"scan": name, "votes": votes, "sweeps": len(paths)},
                cpu_seconds=round(spent(), 1),
            ),
        )  # fmt: skip
        for word, iou, points in zip(WORDS, counts.iou, counts.matrix.sum(1), strict=True):
            if points:
                row = {"iou": 100 * float(iou), "points": int(points)}
                params = {"scan": name, "votes": votes, "word": word}
                add_row(FILE, make_row("word", row, "%", command=this_command(), params=params))


def fitted(logits: list[np.ndarray], truths: list[np.ndarray]) -> float:
    """The temperature with the least cross-entropy."""
    values, truth = torch.from_numpy(np.concatenate(logits)), torch.from_numpy(np.concatenate(truths))
    grid = np.exp(np.linspace(-1, 1.5, 51))
    return float(min(grid, key=lambda each: float(functional.cross_entropy(values / each, truth))))


def ground(paths: list[Path], name: str) -> None:
    """Where the road lies: above the lowest tenth of all, and above the ground by place."""
    for path in paths:
        scene = scanwise.read_scene(path)
        voxels = voxelize(scene.points, 0.2)
        centers = voxels.mean(scene.points)
        ways = {"lowest tenth of all": np.quantile(centers[:, 2], SHARE), "by place": Ground.under(centers).at(centers)}
        assert scene.classes is not None
        assert scene.labels is not None
        for way, level in ways.items():
            for kind in ("road", "sidewalk", "terrain"):
                rows = scene.labels == scene.classes.index(kind)
                low, middle, high = np.quantile((centers[:, 2] - level)[voxels.of_point][rows], (0.05, 0.5, 0.95))
                metrics = {"low": float(low), "middle": float(middle), "high": float(high)}
                params = {"scan": name, "way": way, "class": kind}
                add_row(FILE, make_row("ground", metrics, "m", command=this_command(), params=params))
                print(f"{way}: {kind} {low:.2f} {middle:.2f} {high:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("words", "ground"))
    parser.add_argument("path", type=Path, help="a labelled sweep, or a folder of some")
    parser.add_argument("--name", required=True, help="what the tables call it")
    parser.add_argument("--weights", help="in place of the shipped ones")
    parser.add_argument("--temperatures", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.what == "words":
        words(sweeps(options.path), options.name, options.weights, options.temperatures)
    else:
        ground(sweeps(options.path), options.name)


if __name__ == "__main__":
    main()
