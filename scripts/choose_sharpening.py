"""How masks of `less-rooms` are best sharpened, on validation rooms: docs/results/less.md has the table.

OMP_NUM_THREADS=1 python scripts/choose_sharpening.py out/less-rooms --json out/less-rooms/sharpening.json

Only masks that fit their object at least a little (IoU above 0.25) count, as the rest mean something else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np

from scanwise.data.datasets import read_source, scene_paths
from scanwise.evaluation.referring import mask_iou
from scanwise.files import replacing
from scanwise.methods.less import load_trained, predict
from scanwise.nn import surface

ROOMS = scene_paths(Path("data/rooms-1"), "val")[20:26]
LEAST = 0.25
TRIES = [(24, 6), (24, 12), (24, 24), (24, 48), (48, 12), (48, 24)]  # neighbours, applications


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    model = load_trained(arguments.model)
    masks = []
    for path in ROOMS:
        scene = read_source(path)
        assert scene.instances is not None
        meant = [each for each in scene.sentences if each.instance >= 0]
        found = predict(model, scene, [each.text for each in meant])
        pairs = [(scene.instances == each.instance, one.scores) for each, one in zip(meant, found, strict=True)]
        masks.append((scene, [pair for pair in pairs if mask_iou(pair[1], pair[0]) > LEAST]))
    rows = [measured("none", [mask_iou(scores, truth) for _, pairs in masks for truth, scores in pairs])]
    for neighbours, applications in TRIES:
        with patch.multiple(surface, NEIGHBOURS=neighbours, APPLICATIONS=applications):
            ious = []
            for scene, pairs in masks:
                own = surface.Surface(scene)
                ious += [mask_iou(own.sharpened(scores, model.recipe.voxel), truth) for truth, scores in pairs]
        rows.append(measured(f"{neighbours} neighbours, {applications} times", ious))
    with replacing(arguments.json) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n")


def measured(name: str, ious: list[float]) -> dict[str, object]:
    row = {
        "name": name,
        "masks": len(ious),
        "iou": float(np.mean(ious)),
        "above half": float(np.mean(np.array(ious) >= 0.5)),
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
