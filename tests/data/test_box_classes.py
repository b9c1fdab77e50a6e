import pytest

from scanwise.data.box_classes import DETECTED, box_class, boxes_of
from scanwise.formats import kitti, nuscenes
from scanwise.scene import Box


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vehicle.bus.rigid", "bus"), ("human.pedestrian.adult", "pedestrian"), ("movable_object.barrier", "barrier"),
        ("animal", ""), ("vehicle.emergency.police", ""), ("Van", "car"), ("Cyclist", "bicycle"), ("Tram", ""),
        ("motor scooter", "motorcycle"), ("traffic cone", "traffic_cone"), ("bus", "bus"), ("forklift", ""),
        ("person", "pedestrian"), ("motorcyclist", "motorcycle"), ("chair", ""),
    ],
)  # fmt: skip
def test_what_data_sets_call_things(name, expected):
    assert box_class(name) == expected


def test_every_thing_of_the_benchmarks_has_its_class():
    assert {box_class(name) for name in nuscenes.CHALLENGE} - {""} == set(DETECTED)
    found = {box_class(name) for name in kitti.CLASSES[:8]}
    assert found == {"car", "bicycle", "motorcycle", "truck", "pedestrian", ""}


def test_boxes_of_other_classes_stay_with_minus_one():
    boxes = [Box(k, name, (0, 0, 0), (1, 1, 1)) for k, name in enumerate(["car", "bus", "person"])]
    assert boxes_of(boxes, ["pedestrian", "car"]).classes.tolist() == [1, -1, 0]
