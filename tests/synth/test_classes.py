"""The tables of names and pieces: every entry stands for something, and words lead to it."""

import re
from collections import Counter

import pytest

from scanwise.synth.classes import NAMES, PIECES, ROOMS, SUPPORTS, guess, meanings
from scanwise.synth.procedural import built_in_models
from scanwise.synth.world import SCANNET_20, SEMANTIC_KITTI_19


def test_every_piece_has_an_open_name_or_none():
    assert len(PIECES) == 820
    assert set(PIECES.values()) <= {*NAMES, ""}
    assert all(re.fullmatch(r"[^#]+#.+", id) for id in PIECES)
    assert sum(name != "" for name in PIECES.values()) > 600


def test_every_model_has_one_of_the_names():
    assert {model.name for model in built_in_models()} <= set(NAMES)


@pytest.mark.parametrize("entry", NAMES.values(), ids=lambda entry: entry.name)
def test_an_entry_says_what_a_thing_is_and_where_it_belongs(entry):
    assert entry.kind in (*SCANNET_20, *SEMANTIC_KITTI_19)
    assert entry.support
    assert set(entry.support) <= set(SUPPORTS)
    assert set(entry.rooms) <= set(ROOMS)
    assert entry.name not in entry.synonyms
    assert len(set(entry.synonyms)) == len(entry.synonyms)
    assert all(word == word.strip() != "" for word in (entry.name, *entry.synonyms))


@pytest.mark.parametrize("entry", NAMES.values(), ids=lambda entry: entry.name)
def test_only_what_hangs_on_a_wall_has_an_elevation(entry):
    if entry.elevation is not None:
        assert "wall" in entry.support
        assert 0 <= entry.elevation < 2.6


def test_traffic_stands_in_the_street_and_furniture_does_not():
    outdoors = {name for name, entry in NAMES.items() if entry.kind in SEMANTIC_KITTI_19}
    assert {"car", "bus"} <= outdoors
    assert all(set(NAMES[name].rooms) <= {"street", "garden", "garage"} for name in outdoors)


def test_a_synonym_is_no_name_of_something_else():
    clash = {(name, word) for name, entry in NAMES.items() for word in entry.synonyms if word in NAMES}
    assert not clash


def test_meanings_of_names_synonyms_and_other_words():
    counts = Counter(word for entry in NAMES.values() for word in set(entry.synonyms))
    word, several = counts.most_common(1)[0]
    assert len(meanings(word)) == several > 1
    assert all(word in NAMES[name].synonyms for name in meanings(word))
    assert meanings("office chair") == ("office chair",)
    assert meanings("flux capacitor") == ()


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Red Office Chair", "office chair"),
        ("OFFICE CHAIR", "office chair"),
        ("Chair, office chair", "office chair"),
        ("office chair part 2", ""),
        ("Flux capacitor", ""),
        ("", ""),
    ],
)
def test_a_guess_goes_by_the_last_words(label, name):
    assert guess(label) == name


def test_a_guess_knows_synonyms():
    name, word = next((name, entry.synonyms[0]) for name, entry in NAMES.items() if entry.synonyms)
    assert guess(f"Old {word.title()}") == meanings(word)[0]
    assert name in meanings(word)
