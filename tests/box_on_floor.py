"""A box on a floor, whose normals and edges are known."""

import numpy as np

from scanwise.scene import Scene


def box_on_floor(normals: bool = True) -> tuple[Scene, np.ndarray]:
    """A red box of 0.5 m on a grey floor of 2 m, in points 1 cm apart, and which of them are the box."""
    steps = np.arange(0.005, 2, 0.01)
    floor = np.stack(np.meshgrid(steps, steps, [0.0]), -1).reshape(-1, 3)
    under = ((floor[:, :2] > 0.75) & (floor[:, :2] < 1.25)).all(1)
    side = np.arange(0.755, 1.25, 0.01)
    up = np.arange(0.005, 0.5, 0.01)
    sides = [
        np.stack(np.meshgrid(side, side, [0.5]), -1), np.stack(np.meshgrid([0.75], side, up), -1),
        np.stack(np.meshgrid([1.25], side, up), -1), np.stack(np.meshgrid(side, [0.75], up), -1),
        np.stack(np.meshgrid(side, [1.25], up), -1),
    ]  # fmt: skip
    ways = np.array([[0, 0, 1], [-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0]], np.float32)
    box = np.concatenate([part.reshape(-1, 3) for part in sides])
    faces = np.repeat(ways, [part.reshape(-1, 3).shape[0] for part in sides], 0)
    points = np.concatenate([floor[~under], box]).astype(np.float32)
    red = np.arange(len(points)) >= (~under).sum()
    colors = np.where(red[:, None], [200, 30, 30], [120, 120, 120]).astype(np.uint8)
    known = np.concatenate([np.tile(ways[:1], [(~under).sum(), 1]), faces]) if normals else None
    return Scene(points, colors=colors, normals=known), red
