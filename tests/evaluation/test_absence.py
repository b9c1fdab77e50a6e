"""What sentences name, and in which way it is not here."""

import numpy as np
import pytest

from scanwise.evaluation.absence import absence_of, is_here, name_in, names_here, object_names
from scanwise.scene import Box, Scene
from tests.rooms_with_sentences import room

HERE = {"kitchen wall cabinet", "range hood", "desk lamp", "cabinet", "gizmo", "office chair", "chair", "wall"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("the red gizmo", "gizmo"),
        ("Find the gizmos next to the desk.", "gizmo"),
        ("a kitchen wall cabinet beside the wall", "kitchen wall cabinet"),
        ("the table lamp on the desk", "table lamp"),
        ("the gizmo lamp", "lamp"),  # side by side, the last is meant
        ("the white one of the kitchen cabinets in between the sink and the stove", "kitchen cabinet"),
        ("Facing the bed from the door, you see a window right of the desk.", "window"),
        ("Seen from the door, facing the bed, it is the towel behind the desk.", "towel"),
        ("When you look at the bed from the middle of the room, the stove is to the right of the desk.", "stove"),
        ("Stand at the sofa and look at the bed, then find the chair on the right side of the rug.", "chair"),
        ("Find the rug to the left of the bookshelf when you look from the table towards the bed.", "rug"),
        ("Next to the white window you find a picture.", "picture"),
        ("Under the desk and beside the bed there is a box.", "box"),
        ("the thingamajig next to the desk", ""),
        ("the one left of the desk", ""),
        ("nothing of the sort", ""),
    ],
)
def test_the_name_of_what_is_asked_for(text: str, name: str) -> None:
    words = {*HERE, "lamp"}
    assert name_in(text, words) == name
    assert name_in(text.upper(), words) == name


def test_a_word_may_be_general_a_synonym_or_of_the_class() -> None:
    assert is_here("lamp", ["desk lamp"])
    assert is_here("wall lamp", ["wall lamp"])
    assert is_here("couch", ["sofa"])
    assert is_here("folding chair", ["chair"])  # of that class, if not of that name
    assert not is_here("desk", ["desk lamp"])
    assert not is_here("vase", ["otherfurniture"])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("the blue gizmo", "attribute"),
        ("the hood over the desk lamp", "attribute"),
        ("the piano next to the range hood", "kind"),
        ("the thingamajig next to the range hood", "kind"),
        ("On the cabinet there is a vase.", "kind"),
        ("Facing the range hood from the cabinet, there is a desk lamp on the left.", "attribute"),
    ],
)
def test_absent_by_kind_or_by_attribute(text: str, kind: str) -> None:
    assert absence_of(text, HERE) == kind


def test_names_are_those_of_boxes_else_of_most_points() -> None:
    scene = Scene(
        np.zeros((7, 3)), labels=np.array([0, 1, 1, 2, 2, -1, 0]), instances=np.array([0, 0, 0, 1, 1, 2, -1]),
        classes=["floor", "chair", "otherfurniture"], boxes=[Box(1, "vase", (0, 0, 0), (1, 1, 1))],
    )  # fmt: skip
    assert object_names(scene) == {0: "chair", 1: "vase"}
    assert names_here(scene) == {"vase", "floor", "chair"}
    assert object_names(Scene(np.zeros((1, 3)))) == {}
    assert names_here(room()) == {"block"}
    assert absence_of("the green lamp", names_here(room())) == "kind"
    assert absence_of("the green block", names_here(room())) == "attribute"
