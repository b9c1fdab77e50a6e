"""What sentences say: the parser of `ask`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanwise.understand.choosing.phrases import ALL, UNSAID, Phrase, Relation, View, parse


def phrase(noun: str, **facts: object) -> Phrase:
    return Phrase(noun, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the chair", phrase("chair")),
        ("Please mark the brown chest of drawers.", phrase("chest of drawers", colors=("brown",))),
        ("all chairs", phrase("chair", amount=ALL)),
        ("chairs", phrase("chair", amount=UNSAID)),
        ("the two lamps", phrase("lamp", amount=2)),
        ("a chair that is not red", phrase("chair", not_colors=("red",))),
        ("the tallest cabinet", phrase("cabinet", ranks=(("height", False),))),
        ("of the pictures, the smallest one", phrase("picture", ranks=(("size", True),))),
        ("the mug on the desk", phrase("mug", relations=(Relation("on", (phrase("desk"),)),))),
        ("On the desk there is a mug.", phrase("mug", relations=(Relation("on", (phrase("desk"),)),))),
        ("the closest chair to the door", phrase("chair", relations=(Relation("nearest", (phrase("door"),)),))),
        ("the lamp farthest from the sofa", phrase("lamp", relations=(Relation("farthest", (phrase("sofa"),)),))),
        (
            "the chair between the desk and the window",
            phrase("chair", relations=(Relation("between", (phrase("desk"), phrase("window"))),)),
        ),
        ("the sofa in the corner of the room", phrase("sofa", relations=(Relation("corner"),))),
        ("the second chair from the left", phrase("chair", relations=(Relation("from left", number=2),))),
        ("what is on the table?", phrase("", relations=(Relation("on", (phrase("table"),)),))),
        ("the sofa. It is green.", phrase("sofa", colors=("green",))),
    ],
)
def test_one_thing(text: str, expected: Phrase) -> None:
    query = parse(text)
    assert query.targets == (expected,)
    assert query.view is None
    assert query.unread == ()


def test_views_are_stated_and_it_is_what_is_looked_at() -> None:
    query = parse("Go to the stove and face the sink: the chair left of it.")
    assert query.view == View(phrase("stove"), phrase("sink"))
    assert query.targets == (phrase("chair", relations=(Relation("left", (phrase("sink"),)),)),)
    assert parse("coming in through the door, the lamp on the right").view == View(phrase("door"), None)


def test_several_things_and_everything_but() -> None:
    query = parse("the table and the red sofa")
    assert query.targets == (phrase("table"), phrase("sofa", colors=("red",)))
    assert query.several
    query = parse("everything but the floor")
    assert (query.targets, query.but) == ((), (phrase("floor"),))
    for text in ("not the sofa", "no sofa", "anything but the sofa"):
        assert parse(text).but == (phrase("sofa", amount=parse(text).but[0].amount),)
    assert [each.noun for each in parse("neither the sofa nor the chair").but] == ["sofa", "chair"]
    assert not parse("the chair").several


def test_what_was_not_understood_is_kept() -> None:
    query = parse("the shiny wooden chair at the table")
    assert query.unread == ("shiny", "wooden")
    assert query.nouns == ["chair", "table"]


def test_a_noun_that_nobody_knows_is_taken_as_it_is() -> None:
    assert parse("the flux capacitor next to the sofa").targets[0].noun == "flux capacitor"


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    query = parse(text)
    assert query.text == text
    assert query.targets or query.but
