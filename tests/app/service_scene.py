"""A small coloured corner of a room with a box on its floor, as a file that the service opens."""

from pathlib import Path

import numpy as np

from scanwise.formats.registry import write_scene
from scanwise.scene import Scene


def small_room(step: float = 0.03) -> Scene:
    """A floor of 2 m, a wall, and a red box of half a metre, in points 3 cm apart."""
    line = np.arange(step / 2, 2, step)
    floor = np.stack(np.meshgrid(line, line, [0.0]), -1).reshape(-1, 3)
    floor = floor[~((floor[:, :2] > 0.75) & (floor[:, :2] < 1.25)).all(1)]
    wall = np.stack(np.meshgrid(line, [2.0], line), -1).reshape(-1, 3)
    side, up = np.arange(0.77, 1.25, step), np.arange(step / 2, 0.5, step)
    box = np.concatenate([
        np.stack(np.meshgrid(side, side, [0.5]), -1).reshape(-1, 3),
        *(np.stack(np.meshgrid([x], side, up), -1).reshape(-1, 3) for x in (0.75, 1.25)),
        *(np.stack(np.meshgrid(side, [y], up), -1).reshape(-1, 3) for y in (0.75, 1.25)),
    ])  # fmt: skip
    points = np.concatenate([floor, wall, box]).astype(np.float32)
    counts = [len(floor), len(wall), len(box)]
    colors = np.repeat(np.array([[120, 100, 80], [220, 220, 210], [200, 30, 30]], np.uint8), counts, 0)
    return Scene(points, colors, name="room")


def box_rows(scene: Scene) -> np.ndarray:
    return np.flatnonzero(scene.colors[:, 0] == 200)


def write_room(folder: Path) -> Path:
    path = folder / "room.ply"
    write_scene(small_room(), path)
    return path
