"""The classes of detected objects: nuScenes' ten, and what other data sets call the same things."""

from __future__ import annotations

from collections.abc import Sequence

from scanwise.formats.nuscenes import CHALLENGE
from scanwise.geometry.box_arrays import Boxes
from scanwise.scene import Box
from scanwise.synth.classes import NAMES

DETECTED = (
    *("car", "truck", "bus", "trailer", "construction_vehicle"),
    *("pedestrian", "motorcycle", "bicycle", "traffic_cone", "barrier"),
)
"""The classes of nuScenes' detection task, in its order. Who rides something belongs to it, as there."""

_OTHER_NAMES = {
    "person": "pedestrian", "cyclist": "bicycle", "bicyclist": "bicycle", "motorcyclist": "motorcycle",
    "traffic cone": "traffic_cone", "cone": "traffic_cone", "van": "car", "person_sitting": "pedestrian",
}  # fmt: skip


def box_class(name: str) -> str:
    """The class of a thing; "" = none of `DETECTED`.

    Args:
        name: of a `Box`: a category of nuScenes ("vehicle.bus.rigid"), a type of KITTI ("Van") or Waymo, a class of
            SemanticKITTI, or an open name of a made street ("motor scooter").
    """
    if "." in name:
        name = CHALLENGE.get(name, "")
    word = name.casefold().strip()
    word = _OTHER_NAMES.get(word, word)
    if word not in DETECTED and word in NAMES:
        word = _OTHER_NAMES.get(NAMES[word].kind, NAMES[word].kind)
    return word if word in DETECTED else ""


def boxes_of(boxes: Sequence[Box], classes: Sequence[str]) -> Boxes:
    """Boxes of a scene with their classes.

    Args:
        boxes: of the scene.
        classes: names of the classes that count, of `DETECTED`.

    Returns:
        The boxes in their order; class -1 where a box is of none of the classes.
    """
    places = {name: place for place, name in enumerate(classes)}
    return Boxes.of(boxes, [places.get(box_class(box.name), -1) for box in boxes])
