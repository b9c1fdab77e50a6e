"""Units: said, recognised where numbers cannot be metres, and undone on the way out."""

import numpy as np
import pytest

import scanwise
from scanwise.errors import InputError
from scanwise.geometry.units import METRES, check_metres, in_metres, unit_of
from scanwise.scene import ArrayRaster, Box, Scene, View
from tests.geometry.rooms import furnished_room

SIZE = np.array([5.2, 4.1, 2.6])


@pytest.mark.parametrize("unit", METRES)
def test_inside_are_metres_and_outside_the_files_unit(unit):
    points = np.random.default_rng(0).uniform(0, SIZE, (100, 3)) / METRES[unit]
    boxes = [Box(0, "box", (1 / METRES[unit],) * 3, (2 / METRES[unit],) * 3)]
    scene = Scene(points, boxes=boxes)
    found = in_metres(scene, unit)
    np.testing.assert_allclose(found.points, points * METRES[unit], rtol=1e-5)
    np.testing.assert_array_equal(found.points_in_source(), scene.points_in_source())
    np.testing.assert_allclose(found.boxes[0].size, (2, 2, 2), rtol=1e-6)
    assert unit_of(found) == unit
    assert in_metres(found, unit) is found  # as of LAS, whose reader knows its unit


def test_a_unit_can_be_said_where_a_file_is_read(tmp_path):
    points = np.random.default_rng(0).uniform(0, 5000, (50, 3)).astype(np.float32)
    np.save(tmp_path / "hall.npy", points)
    scene = scanwise.read_scene(tmp_path / "hall.npy", unit="mm")
    np.testing.assert_allclose(scene.points, points / 1000, rtol=1e-5)
    scanwise.write_scene(scene, tmp_path / "back.npy")
    np.testing.assert_array_equal(scanwise.read_scene(tmp_path / "back.npy").points, points)


@pytest.mark.parametrize(("unit", "said"), [("mm", "millimetres"), ("cm", "centimetres"), ("in", "inches")])
def test_a_room_that_cannot_be_in_metres_is_refused_with_its_unit(unit, said):
    room = furnished_room()
    scene = Scene(room.points / np.float32(METRES[unit]), name="hall")
    with pytest.raises(InputError, match=rf"hall: .* m high: {said}\? Say so with unit {unit}$") as refused:
        check_metres(scene)
    assert refused.value.option == "unit"


def test_one_stray_makes_no_other_unit():
    check_metres(Scene(np.concatenate([furnished_room().points, [[3e6, 3e6, 3e6]]])))


def test_landscapes_are_in_metres():
    """A mountain of 1 km with a point in four square metres."""
    plan = np.random.default_rng(0).uniform(0, 2000, (20_000, 2))
    heights = 700 * np.exp(-((plan - 1000) ** 2).sum(1) / 3e5)
    check_metres(Scene(np.column_stack([plan, heights])))


def test_depth_has_a_unit_of_its_own():
    picture = ArrayRaster(np.zeros((2, 2, 3), np.uint8))
    view = View(picture, np.eye(3), np.eye(4), depth_raster=ArrayRaster(np.ones((2, 2), np.float32)))
    with pytest.raises(InputError, match="depth has a unit of its own"):
        in_metres(Scene(np.ones((1, 3)), views=[view]), "mm")
    with pytest.raises(InputError, match="choose one of m, mm"):
        in_metres(Scene(np.ones((1, 3))), "km")
