"""Scenes made by hand, where one can see what each relation holds for."""

import numpy as np
import pytest

from scanwise.scene import Box
from scanwise.synth.classes import SYNONYMS
from scanwise.synth.layout import Layout
from scanwise.synth.relations import (
    Above,
    Between,
    Closest,
    Coloured,
    FromView,
    NextTo,
    Noun,
    On,
    Ordered,
    Placed,
    Sized,
    Under,
    View,
    meant,
    nobody_finds,
    solve,
)

PLAN = np.array([[-3.0, -2.0], [3.0, -2.0], [3.0, 2.0], [-3.0, 2.0]])
CHAIR = (0.5, 0.5, 0.9)


def box(instance, name, x, y, size=CHAIR, bottom=0.0, color="", heading=0.0):
    return Box(instance, name, (x, y, bottom + size[2] / 2), size, heading, color=color)


def layout(*boxes, supports=None, plan=PLAN):
    return Layout(list(boxes), supports or {}, plan, SYNONYMS)


def in_row(*places, name="chair"):
    """Things of one sort along x, numbered from 1."""
    return [box(number, name, x, 0.0) for number, x in enumerate(places, 1)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("table", {1, 2}),
        ("dining table", {1}),
        ("coffee table", {2}),
        ("lamp", {3, 4}),
        ("standing lamp", {3}),
        ("sofa", {5}),
        ("couch", {5}),
        ("armchair", {6}),
        ("easy chair", {6}),
        ("chair", {6}),
        ("cactus", set()),
    ],
)
def test_a_word_means_all_that_a_listener_could_take_for_it(word, expected):
    names = ["table", "coffee table", "floor lamp", "ceiling lamp", "sofa", "armchair"]
    scene = layout(*(box(number, name, number, 0) for number, name in enumerate(names, 1)))
    assert solve(Noun(word), scene) == expected


def test_at_a_pinch_a_stool_is_a_chair():
    scene = layout(box(1, "stool", 0, 0, color="red"), box(2, "chair", 1, 0, color="blue"))
    red_chair = Coloured(Noun("chair"), "red")
    assert solve(red_chair, scene) == set()
    assert not nobody_finds(red_chair, scene)
    assert nobody_finds(Coloured(Noun("chair"), "yellow"), scene)
    assert nobody_finds(NextTo(Noun("bed"), Noun("chair")), scene)


def test_a_part_of_another_thing_is_never_named():
    pillow = box(1, "pillow", 0, 0, (0.5, 0.3, 0.1), bottom=0.5)
    assert meant(Noun("pillow"), layout(pillow)) == 1
    scene = layout(pillow, box(2, "bed", 0, 0, (2, 1.6, 0.5)), supports={1: 2})
    assert meant(Noun("pillow"), scene) == -1
    assert meant(On(Noun("pillow"), Noun("bed")), scene) == -1


def test_colour_needs_that_no_other_is_of_a_close_one_or_of_none():
    def brown(*others):
        boxes = [box(1, "chair", 0, 0, color="brown")]
        boxes += [box(number, "chair", number, 0, color=color) for number, color in enumerate(others, 2)]
        return meant(Coloured(Noun("chair"), "brown"), layout(*boxes))

    assert brown("white", "blue") == 1
    assert brown("beige") == -1
    assert brown("") == -1
    assert brown("brown") == -1
    scene = layout(box(1, "chair", 0, 0, color="grey"), box(2, "chair", 1, 0, color="red"))
    assert solve(Coloured(Noun("chair"), "green"), scene) == set()
    assert solve(Coloured(Noun("chair"), "white"), scene) == {1}  # in doubt, so not absent either


def test_size_needs_a_margin():
    def cabinets(*heights):
        return layout(*(box(n, "cabinet", n, 0, (0.4, 0.8, height)) for n, height in enumerate(heights, 1)))

    tallest = Sized(Noun("cabinet"), "height")
    assert meant(tallest, cabinets(1.0, 1.5, 0.9)) == 2
    assert meant(tallest, cabinets(1.4, 1.5, 0.9)) == -1
    assert solve(tallest, cabinets(1.4, 1.5, 0.9)) == {1, 2}
    assert meant(Sized(Noun("cabinet"), "height", least=True), cabinets(1.0, 1.5, 0.5)) == 3
    assert meant(Sized(Noun("cabinet"), "height", two=True), cabinets(1.0, 1.5)) == 2
    assert meant(Sized(Noun("cabinet"), "height", two=True), cabinets(1.0, 1.5, 0.5)) == -1
    assert meant(Sized(Noun("cabinet"), "width"), cabinets(1.0, 1.5)) == -1


def test_next_to_is_close_on_the_same_level():
    desk = box(9, "desk", 0, 0, (0.7, 1.4, 0.74))
    form = NextTo(Noun("chair"), Noun("desk"))
    assert meant(form, layout(desk, box(1, "chair", 0.9, 0), box(2, "chair", 2.5, 0))) == 1
    assert meant(form, layout(desk, box(1, "chair", 0.9, 0), box(2, "chair", 1.3, 0.2))) == -1  # 0.7 m: who knows
    assert solve(form, layout(desk, box(2, "chair", 1.3, 0.2))) == {2}
    assert solve(form, layout(desk, box(2, "chair", 2.0, 0))) == set()
    mug = box(3, "mug", 0, 0.3, (0.1, 0.1, 0.1), bottom=0.74)
    assert meant(NextTo(Noun("mug"), Noun("desk")), layout(desk, mug, supports={3: 9})) == -1


def test_next_to_any_of_several():
    scene = layout(*in_row(-2.5, 0, 2.5), *(box(9 + n, "desk", x, 1.0, (0.7, 1, 0.7)) for n, x in enumerate((0, 2.5))))
    assert solve(NextTo(Noun("chair"), Noun("desk")), scene) == {2, 3}
    assert solve(NextTo(Noun("desk"), Noun("chair")), scene) == {9, 10}


def test_on_follows_what_stands_on_what():
    table, tray = box(1, "table", 0, 0, (1, 1, 0.7)), box(2, "tray", 0, 0, (0.3, 0.4, 0.03), bottom=0.7)
    cup, other = box(3, "cup", 0, 0, (0.1, 0.1, 0.1), bottom=0.73), box(4, "cup", 2, 0, (0.1, 0.1, 0.1))
    scene = layout(table, tray, cup, other, supports={2: 1, 3: 2})
    assert meant(On(Noun("cup"), Noun("tray"), top=True), scene) == -1  # the tray may have cups of its own
    assert meant(On(Noun("tray"), Noun("table"), top=True), scene) == 2
    vase = box(5, "vase", 0.3, 0.3, (0.1, 0.1, 0.2), bottom=0.7)
    standing = box(6, "vase", 2, 1, (0.1, 0.1, 0.2))
    assert meant(On(Noun("vase"), Noun("table")), layout(table, vase, standing, supports={5: 1, 6: -1})) == 5
    assert solve(On(Noun("vase"), Noun("table")), layout(table, standing)) == set()


def test_what_is_inside_a_cabinet_is_not_on_it():
    cabinet, inside = box(1, "cabinet", 0, 0, (0.4, 1, 1.2)), box(2, "vase", 0, 0, (0.1, 0.1, 0.2), bottom=0.5)
    on_top = box(3, "vase", 0, 0.3, (0.1, 0.1, 0.2), bottom=1.2)
    form = On(Noun("vase"), Noun("cabinet"))
    assert meant(form, layout(cabinet, inside, supports={2: 1})) == -1
    assert meant(form, layout(cabinet, on_top, supports={3: 1})) == 3


def test_a_support_without_a_box_is_no_anchor():
    mug = box(3, "mug", 0, 0, (0.1, 0.1, 0.1), bottom=0.74)
    assert solve(On(Noun("mug"), Noun("table")), layout(mug, supports={3: 77})) == set()


def test_under_and_above():
    desk = box(1, "desk", 0, 0, (0.8, 1.4, 0.74))
    below, aside = box(2, "trash can", 0, 0.3, (0.3, 0.3, 0.4)), box(3, "trash can", 2, 0, (0.3, 0.3, 0.4))
    picture = box(4, "picture", -0.38, 0, (0.03, 0.8, 0.6), bottom=1.2)
    other = box(5, "picture", 2, 1.98, (0.03, 0.8, 0.6), bottom=1.2, heading=-np.pi / 2)
    scene = layout(desk, below, aside, picture, other)
    assert solve(Under(Noun("trash can"), Noun("desk")), scene) == {2}
    assert meant(Under(Noun("trash can"), Noun("desk")), scene) == 2
    assert meant(Above(Noun("picture"), Noun("desk")), scene) == 4
    assert meant(Under(Noun("desk"), Noun("picture")), scene) == 1
    assert solve(Above(Noun("picture"), Noun("chair")), scene) == set()


def test_between_two_things():
    sofa, desk = box(8, "sofa", -1.7, 0, (0.9, 1.8, 0.8)), box(9, "desk", 1.7, 0, (0.7, 1.4, 0.74))
    form = Between(Noun("chair"), Noun("sofa"), Noun("desk"))
    assert meant(form, layout(sofa, desk, box(1, "chair", 0.1, 0.1), box(2, "chair", 0, -1.9))) == 1
    assert meant(form, layout(sofa, desk, box(1, "chair", 0.1, 0.6))) == -1
    assert solve(form, layout(sofa, desk, box(2, "chair", 0, -1.9))) == set()
    cup = box(3, "cup", 0, 0, (0.1, 0.1, 0.1), bottom=0.7)
    carried = layout(sofa, desk, cup, box(4, "table", 0, 0, (0.5, 0.5, 0.7)), supports={3: 4})
    assert meant(Between(Noun("cup"), Noun("sofa"), Noun("desk")), carried) == -1
    desks = box(7, "desk", -1.7, 0, (0.7, 1.4, 0.74)), desk
    assert meant(Between(Noun("chair"), Noun("desk"), Noun("desk")), layout(*desks, box(1, "chair", 0, 0))) == 1


def test_closest_and_farthest_by_a_margin():
    lamp = box(9, "floor lamp", -2.5, 0, (0.4, 0.4, 1.6))
    assert meant(Closest(Noun("chair"), Noun("lamp")), layout(lamp, *in_row(0, 1.5))) == 1
    assert meant(Closest(Noun("chair"), Noun("lamp"), farthest=True), layout(lamp, *in_row(0, 1.5))) == 2
    nearly = layout(lamp, box(1, "chair", 0, 0), box(2, "chair", 0, 0.7))
    assert meant(Closest(Noun("chair"), Noun("lamp")), nearly) == -1
    assert solve(Closest(Noun("chair"), Noun("lamp")), nearly) == {1, 2}
    lamps = box(8, "floor lamp", 2.5, 0, (0.4, 0.4, 1.6))
    assert meant(Closest(Noun("chair"), Noun("lamp")), layout(lamp, lamps, *in_row(0, 1.5))) == -1


def test_places_in_the_room():
    scene = layout(
        box(1, "chair", -2.7, -1.7), box(2, "chair", 0.1, 0.1), box(3, "chair", 0.5, 1.74), box(4, "chair", 2.2, 0.0)
    )
    assert solve(Placed(Noun("chair"), "corner"), scene) == {1}
    assert meant(Placed(Noun("chair"), "middle"), scene) == 2
    assert meant(Placed(Coloured(Noun("chair"), "red"), "corner"), scene) == -1
    assert solve(Placed(Noun("chair"), "wall"), scene) == {1, 3}
    assert meant(Placed(Noun("chair"), "corner"), layout(box(1, "chair", -2.7, -1.7), plan=None)) == -1


def test_the_inner_corner_of_an_l_is_no_corner():
    plan = np.array([[-3, -2], [3, -2], [3, 0], [0, 0], [0, 2], [-3, 2]], float)
    by_bend = box(1, "chair", -0.3, -0.3)
    assert solve(Placed(Noun("chair"), "corner"), layout(by_bend, plan=plan)) == set()
    assert meant(Placed(Noun("chair"), "corner"), layout(box(1, "chair", 2.7, -0.3), plan=plan)) == 1


@pytest.mark.parametrize(
    ("looking", "side", "expected"),
    [("north", "left", 1), ("north", "right", 2), ("south", "left", 2), ("south", "right", 1)],
)
def test_left_and_right_turn_with_the_viewer(looking, side, expected):
    y = 1.98 if looking == "north" else -1.98
    table, window = box(8, "table", 0, 0, (0.8, 0.8, 0.7)), box(9, "window", 0, y, (0.1, 1, 1), bottom=0.9)
    door = box(7, "door", 0, -y, (0.1, 0.9, 2))
    scene = layout(table, window, door, box(1, "chair", -1, 0), box(2, "chair", 1, 0))
    view = View(Noun("door"), Noun("window"))
    assert meant(FromView(Noun("chair"), view, side, Noun("table")), scene) == expected
    assert meant(Ordered(Noun("chair"), view, side, 1), scene) == expected


def test_in_front_is_the_viewers_side():
    table, door = box(8, "table", 0, 0, (0.8, 0.8, 0.7)), box(7, "door", -3, 0, (0.1, 0.9, 2))
    scene = layout(table, door, box(1, "stool", -1, 0, (0.4, 0.4, 0.5)), box(2, "stool", 1, 0, (0.4, 0.4, 0.5)))
    view = View(Noun("door"), None)  # coming in, one looks into the room
    assert meant(FromView(Noun("stool"), view, "front", Noun("table")), scene) == 1
    assert meant(FromView(Noun("stool"), view, "behind", Noun("table")), scene) == 2
    assert meant(FromView(Noun("stool"), View(Noun("bed"), None), "behind", Noun("table")), scene) == -1


def test_what_is_out_of_sight_has_no_side():
    table, door = box(8, "table", 2.4, 0, (0.8, 0.8, 0.7)), box(7, "door", 0, -2, (0.1, 0.9, 2))
    window = box(9, "window", 0, 1.98, (0.1, 1, 1), bottom=0.9)
    scene = layout(table, door, window, box(1, "stool", 2.4, -1.2, (0.4, 0.4, 0.5)))
    view = View(Noun("door"), Noun("window"))
    form = FromView(Noun("stool"), view, "front", Noun("table"))
    assert meant(form, scene) == -1
    assert solve(form, scene) == {1}


def test_counting_from_a_side():
    door = box(7, "door", 0, -3, (0.1, 0.9, 2), heading=np.pi / 2)
    view = View(Noun("door"), None)
    scene = layout(door, *in_row(2, -2, 0))
    assert [meant(Ordered(Noun("chair"), view, "left", number), scene) for number in (1, 2, 3)] == [2, 3, 1]
    assert [meant(Ordered(Noun("chair"), view, "right", number), scene) for number in (1, 2, 3)] == [1, 3, 2]
    assert meant(Ordered(Noun("chair"), view, "left", 4), scene) == -1
    crowded = layout(door, *in_row(0.1, 0.0, 1.0))
    assert meant(Ordered(Noun("chair"), view, "left", 3), crowded) == -1


def test_the_rightmost_is_on_the_right():
    door = box(7, "door", 0, -3, (0.1, 0.9, 2), heading=np.pi / 2)
    scene = layout(door, *in_row(-1.8, -0.6))
    assert meant(Ordered(Noun("chair"), View(Noun("door"), None), "left", 1), scene) == 1
    assert meant(Ordered(Noun("chair"), View(Noun("door"), None), "right", 1), scene) == -1


def test_turned_boxes_keep_their_distance():
    long = box(1, "bench", 0, 0, (2.0, 0.4, 0.5), heading=np.pi / 2)
    assert layout(long, box(2, "stool", 0, 1.5, (0.4, 0.4, 0.5))).gap[0, 1] == pytest.approx(0.3, abs=1e-3)
    assert layout(long, box(2, "stool", 1.5, 0, (0.4, 0.4, 0.5))).gap[0, 1] == pytest.approx(1.1, abs=1e-3)
