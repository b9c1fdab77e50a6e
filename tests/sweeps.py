"""Small sweeps with boxes to train on: ground, a wall, cars and poles around a sensor."""

from pathlib import Path

import numpy as np

from scanwise.formats import folder
from scanwise.geometry.box_arrays import Boxes
from scanwise.scene import Box, Scene

CAR = (3.2, 1.6, 1.4)
HEIGHT = 1.7  # of the sensor


def boxed_sweep(seed: int, cars: int = 2, points: int = 1200) -> Scene:
    """A sweep of 8 m to each side in the sensor's frame; cars of one size, apart, and one pedestrian."""
    random = np.random.default_rng(seed)
    ground = np.column_stack([random.uniform(-8, 8, (points, 2)), random.normal(0, 0.01, points) - HEIGHT])
    places: list[np.ndarray] = []
    while len(places) < cars + 1:
        place = random.uniform(-6, 6, 2)
        if all(np.linalg.norm(place - other) > 4.5 for other in places):
            places.append(place)
    boxes, parts = [], [ground]
    for number, place in enumerate(places):
        person = number == cars
        size = (0.6, 0.6, 1.7) if person else CAR
        heading = random.uniform(-np.pi, np.pi)
        name, speed = ("person", (0.0, 0.0)) if person else ("car", (2 * np.cos(heading), 2 * np.sin(heading)))
        box = Box(number, name, (*place.tolist(), size[2] / 2 - HEIGHT), size, heading, speed)
        boxes.append(box)
        parts.append(surface(box, random, 60 if person else 250))
    return Scene(np.concatenate(parts), boxes=boxes, name=f"sweep-{seed}")


def surface(box: Box, random: np.random.Generator, count: int) -> np.ndarray:
    """Points within a box, most of them low at its front so that it shows which way it faces."""
    local = random.uniform(-0.48, 0.48, (count, 3))
    front = local[:, 0] > 0
    local[front, 2] = local[front, 2] / 2 - 0.24
    x, y, z = (local * box.size).T
    cosine, sine = np.cos(box.heading), np.sin(box.heading)
    return np.column_stack([cosine * x - sine * y, sine * x + cosine * y, z]) + box.center


def car_boxes(*rows: tuple[float, float, float], classes: int = 0) -> Boxes:
    """Cars at (x, y, heading), standing on the ground."""
    boxes = [Box(0, "car", (x, y, CAR[2] / 2 - HEIGHT), CAR, turn, (1.0, 0.5)) for x, y, turn in rows]
    return Boxes.of(boxes, [classes] * len(boxes))


def write_sweeps(root: Path, **splits: int) -> Path:
    """Scene folders `root/train/0000`, ... of so many sweeps a split."""
    for number, (split, count) in enumerate(splits.items()):
        for place in range(count):
            folder.write(boxed_sweep(100 * number + place), root / split / f"{place:04d}")
    return root
