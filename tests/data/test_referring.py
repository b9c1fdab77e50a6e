"""What a sentence asks for."""

from __future__ import annotations

import numpy as np

from scanwise.data.referring import draw_sentences, names_many, plural, view_dependent
from scanwise.scene import Referral
from tests.rooms_with_sentences import room


def test_view_words_stop_mirroring() -> None:
    assert view_dependent("the chair left of the table")
    assert not view_dependent("the leftover box next to the table")
    scene = room()
    scene.sentences = [Referral("the block on the right", 1)]
    _, free = draw_sentences(scene, 1, np.random.default_rng(0))
    assert not free


def test_what_asks_for_several_things() -> None:
    for text in (
        "all chairs at the table",
        "Find both lamps.",
        "the two chairs",
        "every white chair",
        "show me all cups",
    ):
        assert plural(text)
    for text in ("the chair", "Of all windows, I mean the one nearest to the door.", "the second of three chairs",
                 "find the one of the two lamps", "the tall lamp", "overall", "These are shoes."):  # fmt: skip
        assert not plural(text)


def test_names_in_the_plural() -> None:
    for text in ("the red kitchen cabinets", "Please mark the bookshelves.", "look for the shoes by the door"):
        assert names_many(text)
    for text in (
        "the chair nearest to the red cabinets", "the chest of drawers", "the glass", "the canvas on the wall", "a bus",
        "Among the windows, find the one next to the table.", "this is a pair of shoes", "the mattress", "",
    ):  # fmt: skip
        assert not names_many(text)
