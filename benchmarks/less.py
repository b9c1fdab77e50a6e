"""Seconds of asking a room one sentence and ten, by a network of recipes/less-rooms-tiny.yaml with random weights.

    OMP_NUM_THREADS=1 python benchmarks/less.py data/rooms-1/val/val-0000 --json out/less.json

Voxels, network and masks of every point; reading not counted. The ten's reference is the one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rows import Rows, machine, median_seconds

from scanwise.formats.registry import read_scene
from scanwise.methods.less import LESS, ReferRecipe, predict
from scanwise.nn.sentence import sentence_encoder
from scanwise.training.recipe import read_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, help="with ten sentences or more")
    rows = Rows("", parser)
    scene = read_scene(rows.arguments.scene)
    texts = [each.text for each in scene.sentences][:10]
    recipe = read_recipe(Path("recipes/less-rooms-tiny.yaml"), ReferRecipe)
    torch.manual_seed(0)
    model = LESS(recipe, sentence_encoder(recipe.text, trained=False, vocabulary=[])).eval()
    params = {"points": len(scene), "threads": torch.get_num_threads(), "machine": machine()}
    one = median_seconds(lambda: predict(model, scene, texts[:1]))
    rows.add("one sentence", one, "s", **params)
    rows.add("ten sentences", median_seconds(lambda: predict(model, scene, texts)), "s", one, **params)
    rows.write()


if __name__ == "__main__":
    main()
