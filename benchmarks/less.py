"""Seconds of asking a room one sentence and ten, by the weights that ship.

    OMP_NUM_THREADS=1 python benchmarks/less.py data/rooms-1/val/val-0000 --json out/less.json

Voxels, network, masks of every point and the second pass; reading not counted. The ten's reference is the one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rows import Rows, machine, median_seconds

from scanwise.formats.registry import read_scene
from scanwise.methods.less import load_trained
from scanwise.understand.answering import SHIPPED_MODEL
from scanwise.understand.calls import ask


def main() -> None:
    """Measures, and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, help="with ten sentences or more")
    rows = Rows("", parser)
    scene = read_scene(rows.arguments.scene)
    texts = [each.text for each in scene.sentences][:10]
    model = load_trained(Path(SHIPPED_MODEL))
    params = {"points": len(scene), "threads": torch.get_num_threads(), "machine": machine()}
    one = median_seconds(lambda: ask(scene, texts[:1], model=model))
    rows.add("one sentence", one, "s", **params)
    rows.add("ten sentences", median_seconds(lambda: ask(scene, texts, model=model)), "s", one, **params)
    rows.write()


if __name__ == "__main__":
    main()
