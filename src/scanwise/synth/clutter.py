"""The small things of a room: on tables, in shelves, about the floor."""

from __future__ import annotations

import numpy as np

from scanwise.synth.classes import NAMES
from scanwise.synth.mesh import Mesh
from scanwise.synth.placing import Room, Thing
from scanwise.synth.shapes import blocks

CARRIERS = {
    "table": "table", "coffee table": "table", "bar table": "table", "children's table": "table", "TV stand": "shelf",
    "desk": "desk", "workbench": "table", "dressing table": "table", "nightstand": "table", "chest of drawers": "shelf",
    "cabinet": "shelf", "bookshelf": "shelf", "wall shelf": "shelf", "wall unit": "shelf", "filing cabinet": "shelf",
    "kitchen counter": "counter", "kitchen island": "counter", "kitchen cabinet": "counter",
    "bathroom vanity": "counter", "bed": "bed", "day bed": "bed", "sofa": "bed", "wardrobe": "shelf",
}  # fmt: skip
"""Names that carry small things, and the support of `classes.SUPPORTS` that each of them is."""
LARGEST_ON_TABLE = 0.6


def on_furniture(room: Room) -> None:
    """Small things on tables, desks, counters, shelves and beds, and rows of books in shelves."""
    budget = int(room.generator.integers(3, 16))
    carriers = [thing for thing in room.things if thing.name in CARRIERS]
    for place in room.generator.permutation(len(carriers)):
        thing = carriers[place]
        kind = CARRIERS[thing.name]
        if thing.name == "bookshelf":
            for _ in range(int(room.generator.integers(0, 5))):
                row_of_books(room, thing)
        names = [
            name
            for name, entry in NAMES.items()
            if kind in entry.support and (room.kind in entry.rooms or room.kind == "corridor") and name != "books"
        ]
        few = {"bed": 2, "shelf": 4, "table": 6, "desk": 6, "counter": 6}[kind]
        for _ in range(int(room.generator.integers(0, few + 1))):
            if budget <= 0:
                return
            name = names[int(room.generator.integers(len(names)))]
            model = room.model(name, largest=(LARGEST_ON_TABLE, LARGEST_ON_TABLE, 0.7))
            if model is not None and room.put_on(thing, name) is not None:
                budget -= 1


def row_of_books(room: Room, shelf: Thing) -> None:
    """Books side by side in a shelf, backs to the front."""
    mesh = books(room.generator, int(room.generator.integers(4, 18)))
    room.put_mesh_on(shelf, "books", mesh)


def books(generator: np.random.Generator, count: int) -> Mesh:
    """Upright books of one row, front -y, on z = 0."""
    widths, heights = generator.uniform(0.012, 0.045, count), generator.uniform(0.17, 0.27, count)
    depth = generator.uniform(0.12, 0.17, count)
    right = np.cumsum(widths)
    left = right - widths
    middle = right[-1] / 2
    low = np.column_stack([left - middle, np.full(count, -0.085), np.zeros(count)])
    high = np.column_stack([right - middle - 0.001, -0.085 + depth, heights])
    return blocks(low, high, generator.integers(20, 236, (count, 3)))


def about_the_floor(room: Room) -> None:
    """Plants, bags, toys and the like on the floor, until there are at least eight objects."""
    names = [
        name
        for name, entry in NAMES.items()
        if "floor" in entry.support and room.kind in entry.rooms and entry.kind == "otherfurniture"
    ]
    small = [name for name in names if room.model(name, largest=(0.9, 0.9, 1.8)) is not None]
    wanted = int(room.generator.integers(0, 5))
    for _ in range(24):
        if not small or (wanted <= 0 and len(room.things) >= 8) or len(room.things) >= 40:
            return
        name = small[int(room.generator.integers(len(small)))]
        place = room.at_wall if room.chance(0.6) else room.somewhere
        if place(name, largest=(0.9, 0.9, 1.8)) is not None:
            wanted -= 1
