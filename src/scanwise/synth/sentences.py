"""Sentences that refer to one object of a scene, or to none, each checked by the solver of `relations`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scanwise.scene import Box, Referral
from scanwise.synth import lexicon
from scanwise.synth.classes import NAMES
from scanwise.synth.colours import COLOR_WORDS
from scanwise.synth.describe import Describer
from scanwise.synth.layout import Layout
from scanwise.synth.phrases import pick, say
from scanwise.synth.relations import (
    Between,
    Closest,
    Coloured,
    Form,
    FromView,
    NextTo,
    Noun,
    On,
    Placed,
    Under,
    nobody_finds,
)

CARRIERS = lexicon.names_in(
    "table,desk,coffee table,bar table,kitchen counter,kitchen island,cabinet,chest of drawers,nightstand,bookshelf,"
    "TV stand,wall shelf,workbench,dressing table,bed,sofa,bench,kitchen cabinet,bathroom vanity"
)
"""What small things are put on."""
_TRIES = 9


@dataclass(frozen=True)
class Sentence:
    """A sentence.

    Attributes:
        text: the sentence.
        form: what it says.
        instance: that it means, -1 = none.
        template: that it was made with.
    """

    text: str
    form: Form
    instance: int
    template: str


def sentences(
    boxes: list[Box],
    supports: dict[int, int],
    floor_plan: np.ndarray | None,
    poses: list[np.ndarray],
    generator: np.random.Generator,
    *,
    per_object: int,
    absent: int,
    vocabulary: dict[str, tuple[str, ...]],
) -> list[Referral]:
    """Sentences about the objects of a scene, and about things that are not there.

    Args:
        boxes: the objects that can be seen; the floor is at z = 0.
        supports: instance -> instance that it stands or hangs on, -1 = the structure; those need not have boxes.
        floor_plan: (P, 2) corners of the room, counter-clockwise; None = no places in the room.
        poses: (4, 4) OpenCV camera to world, of which some become stated viewpoints.
        generator: of random numbers.
        per_object: sentences for each object that can be told apart by words.
        absent: sentences that fit nothing, more than half of them about a sort of thing that is there, of another
            colour or in another place.
        vocabulary: open name -> synonyms.

    Returns:
        Those of the objects, in the order of `boxes`, then the ones that fit nothing (instance -1). Left, right, in
        front and behind are only said with a viewpoint.
    """
    layout = Layout(boxes, supports, floor_plan, vocabulary)
    found = compose(layout, poses, generator, per_object=per_object, absent=absent)
    return [Referral(sentence.text, sentence.instance) for sentence in found]


def compose(
    layout: Layout, poses: Sequence[np.ndarray], generator: np.random.Generator, *, per_object: int, absent: int
) -> list[Sentence]:
    """The sentences with the forms that they say."""
    writer = Describer(layout, poses, generator)
    found = [
        sentence for target in range(len(layout.boxes)) for sentence in _about(target, writer, per_object, generator)
    ]
    return found + _about_nothing(writer, absent, generator)


def _about(target: int, writer: Describer, count: int, generator: np.random.Generator) -> list[Sentence]:
    """Up to `count` sentences about one object, of different kinds where there are enough."""
    layout, found = writer.layout, list[Sentence]()
    kinds: dict[str, int] = {}
    if not any(layout.word(word).sure >> target & 1 for word in writer.words[target]):
        return found
    for _ in range(_TRIES * count):
        if len(found) == count:
            break
        described = writer.describe(target)
        if described is None or kinds.get(described[0], 0) > len(found) // 3:
            continue
        text, template = say(described[1], layout, generator)
        if all(text != other.text for other in found):
            kinds[described[0]] = kinds.get(described[0], 0) + 1
            found.append(Sentence(text, described[1], layout.boxes[target].instance, template))
    return found


def _about_nothing(writer: Describer, count: int, generator: np.random.Generator) -> list[Sentence]:
    """Sentences that fit nothing: the larger half about sorts of things that are there, the rest about others."""
    layout = writer.layout
    missing = _missing_names(layout)
    hard: list[Callable[[], Form | None]] = [
        lambda: _other_color(writer, generator),
        lambda: _other_relation(writer, generator),
    ]
    easy: list[Callable[[], Form | None]] = [lambda: _missing_thing(writer, missing, generator)]
    found: list[Sentence] = []
    for number in range(count):
        makers = hard if number <= count // 2 else easy
        for attempt in range(4 * _TRIES):
            if attempt == 3 * _TRIES:
                makers = easy if makers is hard else hard
            form = pick(makers, generator)()
            if form is None or not nobody_finds(form, layout):
                continue
            text, template = say(form, layout, generator)
            if all(text != other.text for other in found):
                found.append(Sentence(text, form, -1, template))
                break
    return found


def _missing_names(layout: Layout) -> list[str]:
    """Open names of indoor things that nobody could find here: no such thing, none of its class, none alike."""
    kinds = {NAMES[box.name].kind for box in layout.boxes if box.name in NAMES} - {"otherfurniture"}
    return [
        name
        for name in sorted(layout.vocabulary)
        if name in NAMES
        and NAMES[name].kind not in kinds | {"door", "window"}
        and not set(NAMES[name].rooms) <= {"street", "garden", "garage"}
        and not any(
            layout.word(word, at_a_pinch=True).possible for word in lexicon.words_for(name, layout.vocabulary[name])
        )
    ]


def _missing_thing(writer: Describer, names: list[str], generator: np.random.Generator) -> Form | None:
    if not names:
        return None
    name = pick(names, generator)
    noun = Noun(pick(lexicon.words_for(name, writer.layout.vocabulary[name]), generator))
    form: Form = Coloured(noun, _color(writer, generator)) if generator.random() < 0.35 else noun
    if generator.random() < 0.2:
        return _at_landmark(form, noun, writer, generator)
    if generator.random() < 0.5:
        support = NAMES[name].support
        if "floor" in support and generator.random() < 0.3:
            return Placed(form, pick(("corner", "middle", "wall"), generator))
        anchor = writer.anchor(
            _carriers(writer) if "floor" not in support and "wall" not in support else writer.landmarks
        )
        if anchor is not None:
            return NextTo(form, anchor) if {"floor", "wall"} & set(support) else On(form, anchor)
    return form


def _at_landmark(form: Form, noun: Noun, writer: Describer, generator: np.random.Generator) -> Form:
    """Closest to, farthest from or to a side of something large: said of what is there, so of what is not as well."""
    anchor = writer.anchor(writer.landmarks)
    if anchor is None or anchor.extent(writer.layout).single < 0:
        return form
    views = [view for view in writer.views if not writer.is_part_of(view, noun)]
    if views and generator.random() < 0.5:
        return FromView(form, pick(views, generator), pick(("left", "right"), generator), anchor)
    return Closest(form, anchor, farthest=bool(generator.random() < 0.3))


def _color(writer: Describer, generator: np.random.Generator) -> str:
    """A colour, most often one that something in the room has."""
    there = [box.color for box in writer.layout.boxes if box.color]
    return pick(there, generator) if there and generator.random() < 0.6 else pick(COLOR_WORDS, generator)


def _other_color(writer: Describer, generator: np.random.Generator) -> Form | None:
    """A thing that is there, in a colour that no such thing has, perhaps where it is."""
    target = _any(writer, generator)
    if target < 0:
        return None
    noun = Noun(writer.word(target))
    form: Form = Coloured(noun, _color(writer, generator))
    if generator.random() < 0.3:
        return _at_landmark(form, noun, writer, generator)
    if generator.random() < 0.5:
        return writer.narrowed(form, pick(("next", "on", "under", "above", "place"), generator), target) or form
    return form


def _other_relation(writer: Describer, generator: np.random.Generator) -> Form | None:
    """A thing that is there, where no such thing is."""
    layout, target = writer.layout, _any(writer, generator)
    if target < 0:
        return None
    of: Form = Noun(writer.word(target))
    color = layout.boxes[target].color
    if color and generator.random() < 0.4:
        of = Coloured(of, color)
    kind = pick(("next", "next", "on", "under", "place", "between", "side", "side", "side"), generator)
    if kind == "side":
        tries = (writer.seen(target) for _ in range(6 if writer.views else 0))
        seen = next((form for form in tries if form is not None), None)
        flipped = {"left": "right", "right": "left", "front": "behind", "behind": "front"}
        if seen is None or (seen.side == "front" and layout.opening[seen.anchor.extent(layout).single]):
            return None  # behind a door is the next room
        return FromView(of, seen.view, flipped[seen.side], seen.anchor)
    if kind == "place":
        return Placed(of, pick(("corner", "middle", "wall"), generator)) if layout.loose[target] else None
    if kind == "between":
        others = [place for place in writer.landmarks if not of.extent(layout).possible >> place & 1]
        one, other = writer.anchor(others), writer.anchor(others)
        if one is None or other is None or one.extent(layout) == other.extent(layout):
            return None
        return Between(of, one, other)
    if kind == "on":
        anchor = writer.anchor(_carriers(writer)) if layout.support[target] >= 0 else None
        return None if anchor is None else On(of, anchor, generator.random() < 0.4)
    if kind == "under":
        low = layout.loose[target] and layout.top[target] < 0.7
        hollow = [place for place in writer.landmarks if layout.boxes[place].name in lexicon.HOLLOW]
        anchor = writer.anchor(hollow) if low else None
        return None if anchor is None else Under(of, anchor)
    anchor = writer.anchor([place for place in writer.landmarks if place != target])
    return None if anchor is None else NextTo(of, anchor)


def _any(writer: Describer, generator: np.random.Generator) -> int:
    """Something that has a name of its own; -1 where nothing has."""
    layout = writer.layout
    named = [place for place in range(len(layout.boxes)) if layout.word(layout.boxes[place].name).sure]
    return pick(named, generator) if named else -1


def _carriers(writer: Describer) -> list[int]:
    return [place for place in writer.landmarks if writer.layout.boxes[place].name in CARRIERS]
