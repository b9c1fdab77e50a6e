"""Chooses how much conse says beside the rooms encoder, on validation pictures, and writes it into the weights' card.

    python scripts/choose_fusion.py out/vision-rooms-small/rooms-vision.safetensors data/rooms-1 [--frames 60]

Pictures are seen through a worse camera and with repainted objects, as training crops are, since real ones differ from
rendered ones in such ways and more. The encoder has learned every word of this data and conse none, so validation can
tell how much of conse does harm, but not how much it helps with what no room shows: of the weights whose mIoU is within
a point of the best, the largest is taken.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from scanwise.data.datasets import Draw, scene_paths
from scanwise.data.frames import FrameDataset, Pixels
from scanwise.evaluation.segmentation import Confusion
from scanwise.geometry.pixels import STEP
from scanwise.methods.vision.data import repainted, through_camera
from scanwise.nn.dense_text import DIM
from scanwise.vision.rooms import UNNAMED, Rooms, load_weights, save_weights

WEIGHTS = (0.0, 0.0625, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
ALONE = "conse alone"
SLACK = 0.01  # of mIoU


def shown_worse(
    image: np.ndarray, pixels: Pixels, generator: np.random.Generator
) -> tuple[np.ndarray, Pixels, np.random.Generator]:
    """A frame as a worse camera would see it; of Frames."""
    objects = np.kron(pixels.objects, np.ones((STEP, STEP), np.int32))[: image.shape[0], : image.shape[1]]
    return through_camera(repainted(image, objects, generator), generator), pixels, generator


def measure(model: Rooms, frames: FrameDataset) -> dict[str | float, float]:
    """mIoU over the class words, by the weight of conse beside 1 of the encoder, and of conse alone."""
    words = [name for name in frames.classes if name != UNNAMED]
    row = np.array([words.index(name) if name in words else -1 for name in frames.classes] + [-1])
    texts = model.encode_texts(words)
    share = model.fusion["conse"] / model.fusion["rooms"]
    confusions = {weight: Confusion(words) for weight in (*WEIGHTS, ALONE)}
    for number in range(len(frames)):
        image, pixels, _ = frames[Draw(number, (0, number))]
        grid = functional.interpolate(model.encode_image(image)[None], pixels.words.shape, mode="bilinear")[0]
        features, truth = grid.flatten(1).T, row[pixels.classes.ravel()]
        rooms, conse = features[:, :DIM] @ texts[:, :DIM].T, features[:, DIM:] @ texts[:, DIM:].T / share
        for weight, confusion in confusions.items():
            scores = conse if isinstance(weight, str) else rooms + weight * conse
            confusion.add(truth, scores.argmax(1).numpy().astype(np.int32))
    return {weight: confusion.metrics()["miou"] for weight, confusion in confusions.items()}


def choose(found: dict[str | float, float]) -> float:
    """The largest weight whose mIoU is within a point of the best."""
    best = max(miou for weight, miou in found.items() if weight != ALONE)
    return max(weight for weight, miou in found.items() if isinstance(weight, float) and miou >= best - SLACK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    model = Rooms(options.weights)
    frames = FrameDataset(scene_paths(options.data, "val"), shown_worse)
    frames.frames = frames.frames[:: max(1, len(frames) // options.frames)]
    with torch.inference_mode():
        found = measure(model, frames)
    for weight, miou in found.items():
        print(f"conse {weight}: mIoU {100 * miou:.1f}")
    tensors, card = load_weights(options.weights)
    fusion = {"rooms": 1.0, "conse": choose(found)}
    choice = {"frames": len(frames), "miou": {str(weight): round(miou, 4) for weight, miou in found.items()}}
    save_weights(tensors, card | {"fusion": fusion, "fusion_choice": choice}, options.weights)
    print(f"{options.weights}: {fusion}")


if __name__ == "__main__":
    main()
