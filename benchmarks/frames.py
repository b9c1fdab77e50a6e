"""What `label --frames auto` costs and saves: labels against those of all frames, mIoU, seconds.

    python benchmarks/frames.py --scenes 10 --recording recordings/kitchen --json docs/results/data/frames.json

Beside the frames chosen by tokens stands every second frame. Nothing is taken from the cache (it is put elsewhere).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ["SCANWISE_CACHE"] = tempfile.mkdtemp(prefix="scanwise-frames-")

import numpy as np
import torch
from rows import Rows

from scanwise.data.datasets import scene_paths
from scanwise.evaluation.segmentation import Confusion
from scanwise.formats.registry import read_scene
from scanwise.geometry.inside import brought_inside
from scanwise.scene import Scene
from scanwise.understand.calls import prepare
from scanwise.understand.frames import without_near_duplicates

WORDS = ["chair", "table", "cabinet", "counter", "sink", "refrigerator", "window", "wall", "floor"]  # of a kitchen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=Path, default=Path("data/rooms-1"))
    parser.add_argument("--split", default="test")
    parser.add_argument("--scenes", type=int, default=10)
    parser.add_argument("--recording", type=Path)
    rows = Rows("", parser)
    torch.set_num_threads(1)
    sources = [path for path in scene_paths(rows.arguments.rooms, rows.arguments.split) if isinstance(path, Path)]
    scenes = [read_scene(path) for path in sources[: rows.arguments.scenes]]
    if scenes:
        measure("made rooms", scenes, list(scenes[0].classes or []), rows)
    if rows.arguments.recording is not None:
        measure("recording", [brought_inside(read_scene(rows.arguments.recording))], WORDS, rows)
    rows.write()


def measure(name: str, scenes: list[Scene], words: list[str], rows: Rows) -> None:
    """All frames, those that `--frames auto` takes, and every second one."""
    ways = {
        "all": lambda scene: scene,
        "auto": without_near_duplicates,
        "every second": lambda scene: replace(scene, views=scene.views[::2]),
    }
    first: list[np.ndarray] = []
    for way, choose in ways.items():
        found, counts, used, started = [], Confusion(words), 0, time.process_time()
        for scene in scenes:
            chosen = choose(scene)
            used += len(chosen.views)
            labels = prepare(chosen, up=None, device="cpu").label(words).indices
            found.append(labels)
            if scene.labels is not None:
                counts.add(scene.labels, labels)
        seconds = time.process_time() - started
        first = first or found
        same = np.concatenate([a == b for a, b in zip(first, found, strict=True)]).mean()
        more = {"miou": 100 * counts.metrics()["miou"]} if scenes[0].labels is not None else {}
        rows.add(f"{name}, {way}", 100 * float(same), "%", more={**more, "cpu_seconds": seconds, "frames": used},
                 scenes=len(scenes))  # fmt: skip


if __name__ == "__main__":
    main()
