"""A labelled room with pictures: a floor, a wall and two boxes on the floor, seen straight from above."""

from pathlib import Path

import numpy as np

from scanwise.formats import folder
from scanwise.scene import ArrayRaster, Box, Scene, View

SIZE = (48, 64)
HEIGHT = 2.4  # of the camera above the floor, metres
COLORS = {-1: (128, 128, 128), 0: (200, 60, 50), 1: (40, 90, 210)}  # of the floor, and of the two objects
CLASSES = ["wall", "floor", "chair", "otherfurniture"]


def framed_scene(seed: int, views: int = 2) -> Scene:
    """Depth is exact, so that what each pixel shows is known: the floor, a chair (instance 0), a mug (instance 1)."""
    random = np.random.default_rng(seed)
    corners = random.uniform(-0.5, 0.3, (2, 2)) + np.array([[-0.4, 0], [0.4, 0]])
    flat = np.stack(np.meshgrid(np.arange(-1.6, 1.6, 0.02), np.arange(-1.2, 1.2, 0.02)), -1).reshape(-1, 2)
    shown = object_at(flat, corners)
    points = np.column_stack([flat, np.zeros(len(flat))])
    labels = np.array([1, 2, 3])[shown + 1]
    kinds = ("chair", "mug")
    boxes = [Box(k, kinds[k], (*corners[k] + 0.15, 0.0), (0.3, 0.3, 0.01)) for k in range(2)]
    return Scene(
        points, np.array([COLORS[k] for k in shown], np.uint8), np.tile([0, 0, 1.0], (len(points), 1)), labels=labels,
        instances=shown, classes=CLASSES, boxes=boxes, views=[_view(k, corners) for k in range(views)],
        name=f"framed-{seed}",
    )  # fmt: skip


def object_at(places: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(n,) instance at places (n, 2) of the floor, -1 = none; each is a square of 30 cm."""
    result = np.full(len(places), -1, np.int32)
    for number, corner in enumerate(corners):
        result[((places >= corner) & (places < corner + 0.3)).all(1)] = number
    return result


def _view(number: int, corners: np.ndarray) -> View:
    """A camera above the floor that looks down, moved a little from view to view."""
    height, width = SIZE
    intrinsics = np.array([[60.0, 0, width / 2 - 0.5], [0, 60.0, height / 2 - 0.5], [0, 0, 1]])
    pose = np.array([[1.0, 0, 0, 0.1 * number], [0, -1, 0, 0], [0, 0, -1, HEIGHT], [0, 0, 0, 1]])
    y, x = np.mgrid[:height, :width]
    rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(intrinsics).T
    places = (rays * HEIGHT) @ pose[:3, :3].T + pose[:3, 3]
    shown = object_at(places[..., :2].reshape(-1, 2), corners).reshape(SIZE)
    image = np.array([COLORS[k] for k in (-1, 0, 1)], np.uint8)[shown + 1]
    depth = np.full(SIZE, HEIGHT, np.float32)
    return View(ArrayRaster(image), intrinsics, pose, ArrayRaster(depth), name=f"{number:06d}")


def write_framed(root: Path, **splits: int) -> Path:
    """Scene folders `root/train/0000`, ... of so many scenes a split."""
    for number, (split, count) in enumerate(splits.items()):
        for place in range(count):
            folder.write(framed_scene(100 * number + place), root / split / f"{place:04d}")
    return root
