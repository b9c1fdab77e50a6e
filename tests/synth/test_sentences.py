"""Random rooms: every sentence fits what it is about and nothing else, in fair English."""

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.scene import Box, Referral
from scanwise.synth import lexicon
from scanwise.synth.classes import SYNONYMS
from scanwise.synth.colours import COLOR_WORDS
from scanwise.synth.layout import Layout
from scanwise.synth.phrases import TEMPLATES, say
from scanwise.synth.relations import (
    Closest,
    Coloured,
    FromView,
    NextTo,
    Noun,
    Ordered,
    View,
    meant,
    nobody_finds,
    solve,
)
from scanwise.synth.sentences import compose, sentences

FLOOR = {
    "chair": (0.5, 0.5, 0.9), "office chair": (0.6, 0.6, 1.0), "table": (0.9, 1.5, 0.75), "sofa": (0.9, 2.0, 0.8),
    "desk": (0.7, 1.4, 0.74), "bookshelf": (0.3, 0.9, 1.8), "wardrobe": (0.6, 1.2, 2.0),
    "potted plant": (0.4, 0.4, 0.9),
    "floor lamp": (0.4, 0.4, 1.6), "shoes": (0.3, 0.25, 0.1), "firewood": (0.4, 0.5, 0.4),
    "nightstand": (0.4, 0.5, 0.5),
    "trash can": (0.3, 0.3, 0.4), "stool": (0.4, 0.4, 0.5), "umbrella": (0.1, 0.1, 0.9), "armchair": (0.8, 0.8, 0.9),
}  # fmt: skip
SMALL = ("mug", "laptop", "table lamp", "headphones", "vase", "folded clothes", "telephone", "orchid")
PLURALS = r"(shoes|slippers|headphones|earphones|folded clothes|books)"


def random_room(seed, count=26):
    """Boxes, supports, floor plan and poses of a room with things on the floor, on tables and on the walls."""
    generator = np.random.default_rng(seed)
    width, depth = generator.uniform(3.5, 6.5, 2)
    plan = np.array([[-width, -depth], [width, -depth], [width, depth], [-width, depth]]) / 2
    boxes: list[Box] = []
    supports: dict[int, int] = {}

    def put(name, x, y, bottom, size, heading=0.0, support=-1):
        instance = 10 + 3 * len(boxes)
        color = str(generator.choice([*COLOR_WORDS, ""]))
        size = tuple(float(side) for side in size)
        boxes.append(Box(instance, name, (float(x), float(y), bottom + size[2] / 2), size, heading, color=color))
        supports[instance] = support
        return instance

    put("door", -width / 2 - 0.08, generator.uniform(-1, 1), 0.0, (0.16, 0.9, 2.05))
    put("window", generator.uniform(-1, 1), depth / 2 + 0.08, 0.9, (0.16, 1.4, 1.2), -np.pi / 2)
    put("picture", width / 2 - 0.02, generator.uniform(-1, 1), 1.3, (0.03, 0.8, 0.6), np.pi)
    put("ceiling lamp", 0, 0, 2.2, (0.4, 0.4, 0.3))
    names = list(FLOOR)
    for _ in range(100):
        name = names[int(generator.integers(len(names)))]
        size = np.array(FLOOR[name]) * generator.uniform(0.75, 1.3)
        reach = size[:2].max() / 2
        x, y = (
            generator.uniform(reach - width / 2, width / 2 - reach),
            generator.uniform(reach - depth / 2, depth / 2 - reach),
        )
        clear = (np.hypot(x - box.center[0], y - box.center[1]) > reach + max(box.size[:2]) / 2 for box in boxes[4:])
        if len(boxes) >= count or not all(clear):
            continue
        instance = put(name, x, y, 0.0, size, float(generator.integers(4) * np.pi / 2))
        if name in ("table", "desk", "nightstand"):
            for place in range(int(generator.integers(0, 4))):
                small = SMALL[int(generator.integers(len(SMALL)))]
                put(small, x, y + (place - 1) * 0.14, size[2], (0.12, 0.12, 0.2), support=instance)
    poses = []
    for turn in np.linspace(0, 6, 12):
        pose = np.eye(4)
        pose[:3, 2] = np.cos(turn), np.sin(turn), -0.2
        pose[:3, 3] = *generator.uniform(-1.5, 1.5, 2), 1.5
        poses.append(pose)
    return boxes, supports, plan, poses


def written(seed, per_object=3, absent=6, count=26):
    boxes, supports, plan, poses = random_room(seed, count)
    layout = Layout(boxes, supports, plan, SYNONYMS)
    return layout, compose(layout, poses, np.random.default_rng(seed), per_object=per_object, absent=absent)


@cache
def many():
    return [(layout, sentence) for seed in range(24) for layout, found in (written(seed),) for sentence in found]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_every_sentence_fits_its_object_alone_or_nothing(seed, count):
    layout, found = written(seed, count=count)
    for sentence in found:
        if sentence.instance >= 0:
            assert solve(sentence.form, layout) == {sentence.instance}
            assert meant(sentence.form, layout) == sentence.instance
        else:
            assert solve(sentence.form, layout) == set()
            assert nobody_finds(sentence.form, layout)
    about = [sentence.instance for sentence in found]
    assert all(about.count(box.instance) <= 3 for box in layout.boxes)
    assert about.count(-1) <= 6


def test_most_objects_are_spoken_of_and_most_absent_ones_are_hard():
    spoken = objects = hard = absent = 0
    for seed in range(12):
        layout, found = written(seed, per_object=2, absent=4)
        objects += len(layout.boxes)
        spoken += len({sentence.instance for sentence in found} - {-1})
        nothing = [sentence for sentence in found if sentence.instance == -1]
        absent += len(nothing)
        hard += sum(bool(layout.word(_noun(sentence.form)).sure) for sentence in nothing)
    assert spoken > 0.7 * objects
    assert absent == 12 * 4
    assert hard > absent / 2


def test_things_that_cannot_be_told_apart_get_no_sentence():
    plan = np.array([[-2, -2], [2, -2], [2, 2], [-2, 2]], float)
    chairs = [Box(n, "chair", (x, 0.0, 0.45), (0.5, 0.5, 0.9)) for n, x in enumerate((-1.0, 1.0))]
    made = sentences(chairs, {}, plan, [], np.random.default_rng(0), per_object=4, absent=0, vocabulary=SYNONYMS)
    assert made == []


@pytest.mark.parametrize("boxes", [[], [Box(3, "gizmo", (0.0, 0.0, 0.5), (1.0, 1.0, 1.0))]])
def test_next_to_empty_scenes(boxes):
    made = sentences(boxes, {}, None, [], np.random.default_rng(0), per_object=2, absent=3, vocabulary=SYNONYMS)
    assert {referral.instance for referral in made} == {-1, *(box.instance for box in boxes)}
    assert all("gizmo" in referral.text for referral in made if referral.instance == 3)


def test_same_seed_same_sentences():
    boxes, supports, plan, poses = random_room(5)
    runs = [
        sentences(
            boxes, supports, plan, poses, np.random.default_rng(seed), per_object=2, absent=4, vocabulary=SYNONYMS
        )
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]
    assert all(isinstance(referral, Referral) for referral in runs[0])


def test_many_templates_and_forms_occur():
    assert len({sentence.template for _, sentence in many()}) >= 50
    assert len(TEMPLATES) >= 50
    assert {type(sentence.form).__name__ for _, sentence in many()} >= {
        "Noun", "Coloured", "Sized", "NextTo", "On", "Between", "Closest", "Placed", "FromView", "Ordered",
    }  # fmt: skip
    texts = [sentence.text for _, sentence in many()]
    assert len(set(texts)) > 0.85 * len(texts)


def test_sides_are_said_with_a_viewpoint_only():
    sided = re.compile(r"\b(left|right|leftmost|rightmost|behind|in front)\b(?! (next|by))")
    for _, sentence in many():
        seen = isinstance(sentence.form, FromView | Ordered)
        assert bool(sided.search(sentence.text)) == seen, sentence.text
        if seen:
            assert re.search(
                r"facing|looking|look |face |enter|come in|coming in|back to", sentence.text, re.IGNORECASE
            ), sentence.text


def test_english():
    for _, sentence in many():
        text = sentence.text
        assert "{" not in text, text
        assert "  " not in text, text
        assert not re.search(r"[ ,;:]$|^ | [.,;?]", text), text
        assert not re.search(rf"\ban? (\w+ )?({PLURALS}|firewood|footwear)\b", text), text
        assert not re.search(r"\b(the the|a the|is are|are is|the a|an? some)\b", text), text
        for article, word in re.findall(r"\b([Aa]n?) ([\w-]+)", text):
            vowel = word[0].lower() in "aeiou" and word not in ("urinal", "utensil", "used", "unit", "uniform")
            assert (article.lower() == "an") == (vowel or word == "L-shaped"), text
        if text.endswith((".", "?")):
            assert text[0].isupper(), text


@pytest.mark.parametrize("seed", range(40))
def test_plural_words_take_are(seed):
    shoes = Box(1, "shoes", (0.0, 0.0, 0.1), (0.3, 0.3, 0.1), color="red")
    layout = Layout([shoes], {}, None, SYNONYMS)
    text, _ = say(Coloured(Noun("shoes"), "red"), layout, np.random.default_rng(seed))
    assert not re.search(r"\b([Tt]his|is|it|It|stands|one|a)\b", text), text


def test_words_of_a_sentence():
    chair = Box(1, "chair", (0.0, 0.0, 0.45), (0.5, 0.5, 0.9), color="orange")
    desk = Box(2, "desk", (0.8, 0.0, 0.37), (0.7, 1.4, 0.74))
    layout = Layout([chair, desk], {}, None, SYNONYMS)
    form = NextTo(Coloured(Noun("chair"), "orange"), Noun("desk"))
    texts = {say(form, layout, np.random.default_rng(seed))[0] for seed in range(400)}
    assert {
        "the orange chair next to the desk",
        "Find the orange chair which is beside the desk.",
        "This is an orange chair. It is next to the desk.",
        "Beside the desk there is an orange chair.",
        "an orange chair that stands next to the desk",
    } <= texts


def test_what_one_was_told_to_look_at_becomes_it():
    boxes = [Box(n, name, (x, y, 0.4), (0.6, 0.6, 0.8)) for n, name, x, y in ((1, "sofa", 0, 2), (2, "stool", -1, 2))]
    layout = Layout(boxes, {}, np.array([[-2, -2], [2, -2], [2, 2], [-2, 2]], float), SYNONYMS)
    form = FromView(Noun("stool"), View(None, Noun("sofa")), "left", Noun("sofa"))
    assert meant(form, layout) == 2
    texts = {say(form, layout, np.random.default_rng(seed))[0] for seed in range(600)}
    assert "Facing the sofa from the middle of the room, find the stool to the left of it." in texts
    assert "facing the sofa from the middle of the room, the stool left of the sofa" in texts


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("chair", "chairs"), ("bookshelf", "bookshelves"), ("box", "boxes"), ("chest of drawers", "chests of drawers"),
        ("potty", "potties"), ("TV stand", "TV stands"), ("toy train", "toy trains"), ("couch", "couches"),
    ],
)  # fmt: skip
def test_plurals(word, expected):
    assert lexicon.plural(word) == expected


def test_articles():
    for phrase in ("umbrella", "orange chair", "L-shaped couch", "upper cabinet", "armchair", "exit sign", "AC"):
        assert lexicon.article(phrase) == "an", phrase
    for phrase in ("chair", "TV", "utensil rack", "urinal", "hob", "PC", "white armchair", "WC", "yellow urn"):
        assert lexicon.article(phrase) == "a", phrase


def test_superlatives_stay_superlative():
    chairs = [Box(n, "chair", (x, 0.0, 0.45), (0.5, 0.5, 0.9)) for n, x in ((1, 0.0), (2, 2.0))]
    layout = Layout([*chairs, Box(3, "desk", (-1.2, 0.0, 0.4), (0.7, 1.4, 0.74))], {}, None, SYNONYMS)
    for seed in range(60):
        text, _ = say(Closest(Noun("chair"), Noun("desk")), layout, np.random.default_rng(seed))
        assert re.search(
            r"the (one |chair |chairs, the one )?(that is |which is )?(closest|nearest)|stands (closest|nearest)", text
        ), text


def _noun(form):
    while not isinstance(form, Noun):
        form = form.of
    return form.word
