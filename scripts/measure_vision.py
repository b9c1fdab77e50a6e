"""How good a 2D model is for `label`: mIoU on rooms with labels, and a picture of the demo, as one JSON.

    python scripts/measure_vision.py hf:openai/clip-vit-base-patch16 --data data/rooms-1 --out out/clip
    python scripts/measure_vision.py rooms --data data/rooms-1 --rooms 8 --out out/rooms

ScanNet's words, over every point: its pictures alone, and beside shapes; labels of points, and votes of things.
OUT holds vision.json and demo.png. A room takes as long as its pictures take the model.
"""

from __future__ import annotations

import argparse
import time
from importlib.resources import files
from pathlib import Path

import scanwise
from scanwise.data.datasets import read_source, scene_paths
from scanwise.errors import ScanwiseError
from scanwise.evaluation.segmentation import Confusion
from scanwise.files import write_json
from scanwise.methods.geopurify.evaluate import PROMPTS
from scanwise.vision import load_vision

WAYS: dict[str, dict[str, str | None]] = {
    "pictures, points": {"shapes": "off", "things": "off"},
    "pictures, things": {"shapes": "off", "things": None},
    "pictures and shapes, points": {"shapes": None, "things": "off"},
    "pictures and shapes, things": {"shapes": None, "things": None},
}
DEMO = ["sofa", "table", "chair", "television", "bookcase", "plant", "lamp", "refrigerator", "rug", "wall", "floor"]


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vision", help="as of `scanwise label --vision`")
    parser.add_argument("--data", type=Path, required=True, help="root of labelled scenes with pictures")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rooms", type=int, default=8, help="the first so many; 0 = all. [default: 8]")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        measure(arguments)
    except ScanwiseError as error:
        parser.error(str(error))


def measure(arguments: argparse.Namespace) -> None:
    """Writes vision.json and demo.png."""
    vision = load_vision(arguments.vision)
    paths = scene_paths(arguments.data, arguments.split)[: arguments.rooms or None]
    confusions, started = dict[str, Confusion](), time.process_time()
    for path in paths:
        scene = read_source(path)
        assert scene.classes is not None
        assert scene.labels is not None
        words = [PROMPTS.get(name, name) for name in scene.classes]
        for name, options in WAYS.items():
            labels = scanwise.label(scene, words, vision=vision, up=None, **options)
            confusions.setdefault(name, Confusion(scene.classes)).add(scene.labels, labels.indices)
        print(
            scene.name, {name: round(100 * each.metrics()["miou"], 1) for name, each in confusions.items()}, flush=True
        )
    demo = scanwise.label(scanwise.read_scene(str(files("scanwise") / "demo")), DEMO, vision=vision)
    arguments.out.mkdir(parents=True, exist_ok=True)
    demo.picture(arguments.out / "demo.png")
    found = {
        name: each.metrics() | {"iou": dict(zip(each.classes, each.iou.tolist(), strict=True))}
        for name, each in confusions.items()
    }
    facts = {"vision": vision.name, "models": vision.model_hashes, "rooms": len(paths), "split": arguments.split}
    write_json(arguments.out / "vision.json", facts | {"cpu_seconds": time.process_time() - started, "found": found})
    print(arguments.out / "vision.json")


if __name__ == "__main__":
    main()
