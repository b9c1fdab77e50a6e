"""Small labelled scenes to train on: a floor, a wall and some blocks, each class with a colour of its own."""

from pathlib import Path

import numpy as np

from scanwise.formats import folder
from scanwise.scene import Box, Scene

CLASSES = ["floor", "wall", "block"]


def labelled_scene(seed: int, points: int = 1500) -> Scene:
    """About 1500 points of a 2 m corner; the last block is of a held-out model."""
    random = np.random.default_rng(seed)
    third = points // 3
    floor = np.column_stack([random.uniform(0, 2, (third, 2)), np.zeros(third)])
    wall = np.column_stack([random.uniform(0, 2, third), np.zeros(third), random.uniform(0, 2, third)])
    low = random.uniform(0.2, 1.5, (2, 2))
    which = random.integers(0, 2, third)
    blocks = np.column_stack([low[which] + random.uniform(0, 0.4, (third, 2)), random.uniform(0, 0.5, third)])
    labels = np.repeat([0, 1, 2], third)
    colors = np.array([[200, 200, 200], [120, 160, 220], [190, 60, 40]])[labels] + random.integers(
        -20, 20, (3 * third, 3)
    )
    normals = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]])[labels]
    instances = np.concatenate([np.full(2 * third, -1), which])
    boxes = [
        Box(k, "block", (*(low[k] + 0.2), 0.25), (0.4, 0.4, 0.5), color="red", model=f"m{k}", held_out=k == 1)
        for k in range(2)
    ]
    return Scene(
        np.concatenate([floor, wall, blocks]), colors.clip(0, 255).astype(np.uint8), normals, labels=labels,
        instances=instances, classes=CLASSES, boxes=boxes, name=f"corner-{seed}",
    )  # fmt: skip


def write_scenes(root: Path, **splits: int) -> Path:
    """Scene folders `root/train/0000`, ... of so many scenes a split."""
    for number, (split, count) in enumerate(splits.items()):
        for place in range(count):
            folder.write(labelled_scene(100 * number + place), root / split / f"{place:04d}")
    return root
