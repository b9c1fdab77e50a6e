"""How masks of `less-rooms` are best sharpened, on validation rooms: docs/results/less.md has the table.

OMP_NUM_THREADS=1 python scripts/choose_sharpening.py less-rooms
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from results.rows import DATA as ROWS
from results.rows import add_row, make_row, this_command

from scanwise.data.datasets import read_source, scene_paths
from scanwise.data.surface import Surface
from scanwise.evaluation.referring import mask_iou, second_pass
from scanwise.methods.less import load_trained, predict
from scanwise.nn.sharpening import Sharpener

DATA, ROOMS = Path("data/rooms-1"), slice(20, 26)  # of its validation rooms
TRIES = [(24, 0), (24, 6), (24, 12), (24, 24), (24, 48), (48, 24)]  # neighbours, applications


def main() -> None:
    """Tries each, and writes a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    model = load_trained(arguments.model)
    masks = []
    for path in scene_paths(DATA, "val")[ROOMS]:
        scene = read_source(path)
        assert scene.instances is not None
        meant = [each for each in scene.sentences if each.instance >= 0]
        found = predict(model, scene, [each.text for each in meant])
        masks.append((scene, list(zip(meant, found, strict=True))))
    ious = [mask_iou(one.scores, scene.instances == each.instance) for scene, pairs in masks for each, one in pairs]
    record("as they are", ious)
    for neighbours, applications in TRIES:
        ious = []
        for scene, pairs in masks:
            sharpen = Sharpener(Surface(scene), model.recipe.voxel, neighbours=neighbours, applications=applications)
            refined = [second_pass(sharpen, each.text, one).scores for each, one in pairs]
            truths = [scene.instances == each.instance for each, _ in pairs]
            ious += [mask_iou(*each) for each in zip(refined, truths, strict=True)]
        record(f"one piece, pooled over {neighbours} neighbours {applications} times", ious)


def record(name: str, ious: list[float]) -> None:
    """A row of docs/results/data/less.json, of the IoU of each mask."""
    values = np.array(ious)
    metrics = {"masks": len(values), "miou": 100 * float(values.mean())}
    metrics |= {f"acc{percent}": 100 * float((values >= percent / 100).mean()) for percent in (25, 50)}
    row = make_row(name, metrics, "%", command=this_command(), params={"part": "sharpening"}, seed=1)
    add_row(ROWS / "less.json", row)
    print(name, metrics, flush=True)


if __name__ == "__main__":
    main()
