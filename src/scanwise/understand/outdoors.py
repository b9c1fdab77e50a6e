"""Outdoors: which scans are streets, and what people call the classes of streets."""

from __future__ import annotations

import warnings
from pathlib import Path

from scanwise.errors import ScanwiseWarning
from scanwise.geometry.extents import main_box
from scanwise.geometry.vertical import WIDEST_ROOM
from scanwise.scene import Scene

WORDS: dict[str, tuple[str, ...]] = {
    "car": ("car", "automobile"),
    "bicycle": ("bicycle", "bike"),
    "motorcycle": ("motorcycle", "motorbike", "scooter"),
    "truck": ("truck", "lorry"),
    "other-vehicle": ("other vehicle", "bus", "van", "trailer"),
    "person": ("person", "pedestrian", "people"),
    "bicyclist": ("bicyclist", "cyclist"),
    "motorcyclist": ("motorcyclist", "biker"),
    "road": ("road", "street", "asphalt"),
    "parking": ("parking", "parking lot", "road surface"),
    "sidewalk": ("sidewalk", "pavement", "footpath"),
    "other-ground": ("other ground", "ground", "traffic island"),
    "building": ("building", "house", "facade", "wall"),
    "fence": ("fence", "railing", "garden wall"),
    "vegetation": ("vegetation", "tree", "bush", "hedge", "plant", "leaves"),
    "trunk": ("tree trunk", "trunk", "tree", "vegetation"),
    "terrain": ("terrain", "grass", "lawn", "soil", "ground"),
    "pole": ("pole", "lamp post", "street lamp", "post"),
    "traffic-sign": ("traffic sign", "road sign", "sign", "pole"),
}
"""What people call the classes of streets; the first is the class's own name."""


def is_outdoors(scene: Scene) -> bool:
    """Whether it is wider than any room, strays apart, and has no colours: a sweep of a LiDAR, or several."""
    low, high = main_box(scene.points)
    return scene.colors is None and bool((high - low)[:2].max() > WIDEST_ROOM)


def words_of(name: str) -> tuple[str, ...]:
    """What people call a class of a network."""
    return WORDS.get(name, (name,))


def tell_of_streets(segmenter: Path | None, *, pictures: bool) -> None:
    """Says that a scan is taken for a street.

    Args:
        segmenter: weights that it is labelled by.
        pictures: it has some, and no 2D model was asked for.
    """
    text = f"taken for outdoors: labelled by {segmenter}, which knows streets as a LiDAR sees them"
    if pictures:
        text += "; pictures are left out, as our 2D model knows rooms (--vision hf:... brings another)"
    warnings.warn(text, ScanwiseWarning, stacklevel=4)
