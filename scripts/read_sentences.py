"""Sentences of a made set drawn at random, each with what it means and what else is of its kind, to be read aloud.

python scripts/read_sentences.py data/rooms-1 50
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

import scanwise
from scanwise.scene import Box


def main() -> None:
    """Prints so many sentences of a set's folder."""
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    generator = random.Random(1)
    paths = sorted(path.parent for path in root.glob("*/*/scene.json"))
    for number in range(count):
        scene = scanwise.read_scene(generator.choice(paths))
        if not scene.sentences:
            continue
        sentence = generator.choice(scene.sentences)
        boxes = {box.instance: box for box in scene.boxes}
        print(f"{number + 1:2d}. {sentence.text}   [{scene.name}]")
        if sentence.instance < 0:
            print(f"      not there; there are: {', '.join(sorted(described(box) for box in scene.boxes))}")
            continue
        target = boxes[sentence.instance]
        near = sorted((apart(target, box), described(box)) for box in scene.boxes if box is not target)
        print(f"      {described(target)} at z {target.center[2]:.1f}")
        print("      near: " + ", ".join(f"{name} {distance:.1f}" for distance, name in near[:7]))
        same = [described(box) for box in scene.boxes if box is not target and box.name == target.name]
        print(f"      others of its name: {', '.join(same) or 'none'}")


def described(box: Box) -> str:
    """A thing in words, with its colour."""
    return f"{box.color} {box.name}".strip()


def apart(one: Box, other: Box) -> float:
    """Metres between centres."""
    return float(np.linalg.norm(np.subtract(one.center, other.center)))


if __name__ == "__main__":
    main()
