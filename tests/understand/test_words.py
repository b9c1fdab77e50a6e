"""What people write: read in another way, refused in one line, or told to be a guess."""

import numpy as np
import pytest
import torch

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.understand import words
from scanwise.understand.answer import check_plain, check_sentences
from scanwise.understand.labels import check_texts
from scanwise.understand.prepared import Prepared
from tests.worlds import COLOURS, ColourVision, corner_scene

KNOWN = words.known_words(["chair", "sofa", "table", "lamp", "window", "wall", "floor", "bookshelf", "refrigerator"])


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("chairs", "chair"), ("the chairs", "chair"), ("a Sofa", "Sofa"), ("red office chairs", "red office chair"),
        ("bookshelves", "bookshelf"), ("books", "books"), ("clothes", "clothes"),
        ("chests of drawers", "chest of drawers"), ("glass", "glass"), ("stairs", "stairs"),
        ("the", "the"), ("flanges", "flanges"),
    ],
)  # fmt: skip
def test_articles_and_plurals_mean_the_thing_itself(said, meant):
    assert words.plain(said) == meant


def test_the_words_that_are_known_stay_as_they_are():
    changed = [word for word in words.known_words() if words.plain(word) != word]
    assert changed == ["paper towels", "French doors"]
    for word in words.known_words():
        words.check_word(word)
        words.check_sentence(word)
        assert words.understood(word) in (word, f"all {word}")


@pytest.mark.parametrize("text", ["not the sofa", "no sofa", "anything but the sofa", "everything except chairs"])
def test_what_a_thing_is_not_is_refused(text):
    for check in (check_texts, check_plain):
        with pytest.raises(InputError, match=f'"{text}".* not what|"{text}".* by what it is not'):
            check([text, "wall"])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("the table and the sofa", ["the table", "the sofa"]),
        ("table, chairs and lamp", ["table", "chairs", "lamp"]),
        ("show me the brown sofa and the two chairs", ["the brown sofa", "the two chairs"]),
    ],
)
def test_several_things_at_once_are_refused_with_each_of_them(text, parts):
    with pytest.raises(InputError, match="several things at once") as caught:
        check_plain([text])
    assert str(caught.value).endswith("(" + ", ".join(f'"{part}"' for part in parts) + ")")
    with pytest.raises(InputError, match="separate them by commas"):
        check_texts([text, "wall"])


@pytest.mark.parametrize(
    "text",
    [
        "the chair between the table and the window", "the black and white picture", "no smoking sign",
        "standing at the bed and facing the door, the lamp on the left", "the chair is brown and near the table",
        "next to the door and along the wall is a desk", "salt and pepper", "facing the bed, the lamp",
        "the lamp that is on the table and next to the window", "non-slip mat", "knotted rope",
    ],
)  # fmt: skip
def test_other_sentences_with_such_words_are_asked_as_they_are(text):
    assert check_sentences([text]) == [text]
    check_plain([text])
    assert check_texts([text, "floor"]) == [text, "floor"]
    assert words.understood(text) == text


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("chairs", "all chairs"), ("office chairs at the desk", "all office chairs at the desk"),
        ("all chairs", "all chairs"), ("the chairs", "the chairs"), ("books", "books"), ("chair", "chair"),
        ("two chairs", "two chairs"),
    ],
)  # fmt: skip
def test_a_bare_plural_asks_for_all_of_them(said, asked):
    assert words.understood(said) == asked


def test_words_that_mean_the_same_are_given_once():
    with pytest.warns(ScanwiseWarning, match="given more than once, used once: chairs, the Chair"):
        assert check_texts(["chair", "wall", "chairs", "the Chair"]) == ["chair", "wall"]


@pytest.mark.parametrize(("check", "what"), [(check_texts, "text 2"), (check_sentences, "sentence 2")])
def test_bytes_that_are_no_text_are_refused(check, what):
    with pytest.raises(InputError, match=what + r' \("caf\\udce9"\) is not UTF-8'):
        check(["wall", "caf\udce9"])


@pytest.mark.parametrize("text", ["Stuhl", "Tisch", "fenêtre", "silla", "krzesło", "椅子", "стул", "asdfgh", "!!!"])
def test_what_is_like_no_known_word_is_a_guess(text):
    assert list(words.guessed(["wall", text, "floor"], KNOWN)) == [text]


@pytest.mark.parametrize("text", ["the brown chair", "Sofas", "fridge", "couch", "bookcase", "floor lamp", "shelving"])
def test_what_is_like_a_known_word_is_none(text):
    assert words.guessed([text], KNOWN) == {}


def test_words_of_other_models_are_known_where_they_are_met():
    assert list(words.guessed(["forklift", "robot"], KNOWN, ["forklift"])) == ["robot"]


def test_where_nothing_is_known_of_the_models_nothing_is_a_guess():
    assert words.guessed(["Stuhl"], []) == {}


def test_guesses_are_told_in_one_line():
    with pytest.warns(ScanwiseWarning) as told:
        words.tell(["Stuhl", "wall", "Tisch", "silla", "mesa"], KNOWN)
    (line,) = {str(each.message) for each in told}
    assert line.startswith('"Stuhl", "Tisch", "silla" and 1 more: like no word')
    assert "\n" not in line


def test_a_word_for_not_is_told():
    with pytest.warns(ScanwiseWarning, match='"not" is not understood'):
        words.tell(["the chair that is not by the window"], KNOWN)


class Taught(ColourVision):
    """A 2D model that says which words it knows; of others it thinks of red."""

    words = ("red", "green", "blue", "chair")

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        return super().encode_texts([text if text in COLOURS else "red" for text in texts])


class Untold(Taught):
    words = None


def test_labels_are_told_to_be_guesses():
    prepared = Prepared(corner_scene(), vision=Taught(), shapes="off", purify="off")
    with pytest.warns(ScanwiseWarning, match='"Stuhl": like no word'):
        prepared.label(["green", "Stuhl"])


def test_models_that_do_not_say_what_they_know_are_taken_at_their_word():
    Prepared(corner_scene(), vision=Untold(), shapes="off", purify="off").label(["green", "Stuhl"])


def test_an_article_changes_nothing():
    prepared = Prepared(corner_scene(), vision=ColourVision(), shapes="off", purify="off")
    one, other = prepared.label(["red", "green"]), prepared.label(["the red", "green"])
    np.testing.assert_array_equal(one.scores, other.scores)
    assert other.texts == ["the red", "green"]
