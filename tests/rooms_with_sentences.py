"""Small rooms with sentences: a floor with a red and a blue block, whose positions change."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanwise.formats import folder
from scanwise.scene import Box, Referral, Scene

TEXTS = ["the red block", "the blue block next to the red one", "the green lamp", "a block"]


def room(seed: int = 0) -> Scene:
    """1500 points of floor, 400 of each block; "the green lamp" means nothing in it."""
    generator = np.random.default_rng(seed)
    red_at, blue_at = ((0.4, 0.4), (1.9, 1.9)) if seed % 2 == 0 else ((1.9, 0.4), (0.4, 1.9))
    floor = generator.uniform((0, 0, 0), (3, 3, 0.05), (1500, 3))
    blocks = [generator.uniform((*at, 0.1), (at[0] + 0.5, at[1] + 0.5, 0.6), (400, 3)) for at in (red_at, blue_at)]
    kinds = np.repeat([0, 1, 2], (1500, 400, 400))
    colors = np.array([[120, 120, 120], [220, 20, 20], [20, 20, 220]], np.uint8)[kinds]
    boxes = [
        Box(number, "block", (at[0] + 0.25, at[1] + 0.25, 0.35), (0.5, 0.5, 0.5), color=color)
        for number, (at, color) in enumerate(((red_at, "red"), (blue_at, "blue")))
    ]
    return Scene(
        np.concatenate([floor, *blocks]), colors, labels=np.minimum(kinds, 1), instances=kinds - 1,
        classes=["floor", "block"], boxes=boxes, name=f"room-{seed}",
        sentences=[Referral(TEXTS[0], 0), Referral(TEXTS[1], 1), Referral(TEXTS[2], -1)],
    )  # fmt: skip


def write_rooms(root: Path, **splits: int) -> Path:
    """Scene folders `root/train/0000`, ... of so many rooms a split."""
    for split, count in splits.items():
        for place in range(count):
            folder.write(room(place), root / split / f"{place:04d}")
    return root
