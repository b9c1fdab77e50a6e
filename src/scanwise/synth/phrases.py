"""Forms put into words: noun phrases, requests, questions and descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from scanwise.synth import lexicon
from scanwise.synth.layout import Layout
from scanwise.synth.relations import (
    Above,
    Between,
    Closest,
    Coloured,
    Form,
    FromView,
    NextTo,
    Noun,
    On,
    Ordered,
    Placed,
    Sized,
    Under,
    View,
)  # fmt: skip

T = TypeVar("T")
ORDINALS = ("first", "second", "third", "fourth", "fifth")
_SUPERLATIVES = {
    ("size", False): ("largest", "biggest"),
    ("size", True): ("smallest",),
    ("height", False): ("tallest",),
    ("height", True): ("lowest", "shortest"),
    ("width", False): ("widest",),
    ("width", True): ("narrowest",),
}
_COMPARATIVES = {
    ("size", False): ("larger", "bigger", "big"),
    ("size", True): ("smaller", "small"),
    ("height", False): ("taller", "tall"),
    ("height", True): ("lower", "low"),
    ("width", False): ("wider", "wide"),
    ("width", True): ("narrower", "narrow"),
}
_RELATIONS: dict[type, tuple[str, ...]] = {
    NextTo: ("next to", "next to", "beside", "by"),
    Under: ("under", "below", "beneath", "underneath"),
    Above: ("above", "over"),
}
_PLACES = {
    "corner": ("in the corner", "in the corner of the room", "in a corner of the room"),
    "middle": ("in the middle of the room", "in the centre of the room", "in the middle"),
    "wall": ("against the wall", "up against the wall", "along the wall"),
    "floor": ("on the floor",),
}
_SIDES = {
    "left": ("to the left of", "left of", "on the left side of"),
    "right": ("to the right of", "right of", "on the right side of"),
    "front": ("in front of",),
    "behind": ("behind",),
}

# {the}: "the largest brown chair"; {a}: "a brown chair", "some brown shoes"; {plain}: "the chair"; {posts}: "next to
# the desk and under the window"; {is}, {it}, {this}: in the number of the noun; {one}: "one" or "ones".
_ANY = (
    "{the}{posts}", "{the}{posts}", "find {the}{posts}", "find {the}{posts}", "show me {the}{posts}.",
    "where {is} {the}{posts}?", "point to {the}{posts}.", "I am looking for {the}{posts}.",
    "can you find {the}{posts}?",
    "look at {the}{posts}.", "which {object} {is} {the}{posts}?", "select {the}{posts}.", "locate {the}{posts}",
    "I mean {the}{posts}.", "please mark {the}{posts}.", "the {object} I want {is} {the}{posts}.",
)  # fmt: skip
_INDEFINITE = (
    "{this} {is} {a}{posts}.", "there {is} {a}{posts}.", "{a}{posts}", "{it} {is} {a}{posts}.", "you see {a}{posts}.",
    "look for {a}{posts}.",
)  # fmt: skip
_CLAUSED = (
    "{the} that {is}{posts}", "find {the} which {is}{posts}.", "I mean {the}: {it} {is}{predicate}.",
    "{the} {is}{predicate}.", "the {object} {is} {the}, {the_one}{posts}.", "I want {the} that {is}{posts}.",
)  # fmt: skip
_CLAUSED_INDEFINITE = (
    "{this} {is} {a}. {it} {is}{predicate}.", "there {is} {a}. {it} {is}{predicate}.", "{a}. {it} {is}{predicate}.",
    "{a} that {stands}{posts}", "look for {a}: {it} {is}{predicate}.",
)  # fmt: skip
_FRONTED = ("{fronted} there {is} {a}.", "{fronted} {is} {a}.", "{fronted} you find {a}.")
_COLOURED = (
    "the {word} {posts_that}{is} {color}.", "{this} {is} {a_word}{posts}. {it} {is} {color}.",
    "the {word} that {is} {color}{and_predicate}", "{a_word}{posts}. {it} {is} {color}.",
)  # fmt: skip
_SEVERAL = (
    "of the {plural}, the one{posts}",
    "among the {plural}, find the one{posts}.",
    "of all {plural}, I mean the one{posts}.",
)
_SEVERAL_QUALITY = ("of the {plural}, the {quality} one{posts}", "find the {quality} one of the {plural}{posts}.")
_VIEWED = (
    "{view}, {the}{posts}", "{view}, find {the}{posts}.", "{the}{posts} {when}", "find {the}{posts} {when}.",
    "{view}, {it} {is} {the}{posts}.", "{orders}: {the}{posts}.", "{orders}, then find {the}{posts}.",
    "{view}, {the} {is}{predicate}.", "which {core} {is}{predicate} {when}?",
)  # fmt: skip
_FROM_MIDDLE = {
    "view": ("standing in the middle of the room and looking at {look}", "facing {look} from the middle of the room",
             "looking at {look} from the middle of the room", "when you look at {look} from the middle of the room"),
    "when": ("when you look at {look} from the middle of the room",
             "if you stand in the middle of the room and face {look}",
             "as you see it from the middle of the room, facing {look}"),
    "orders": ("stand in the middle of the room and look at {look}", "go to the middle of the room and face {look}"),
}  # fmt: skip
_FROM_THING = {
    "view": ("standing at {stand} and looking at {look}", "facing {look} from {stand}",
             "seen from {stand}, facing {look}",
             "when you stand by {stand} and look at {look}"),
    "when": ("when you look from {stand} towards {look}", "if you stand by {stand} and face {look}",
             "as seen from {stand}, facing {look}"),
    "orders": ("stand next to {stand} and look at {look}", "go to {stand} and face {look}"),
}  # fmt: skip
_ENTERING = {
    "view": ("coming in through {stand}", "when you enter the room through {stand}", "facing the room from {stand}"),
    "when": ("when you come in through {stand}", "as you enter through {stand}",
             "for someone facing the room from {stand}"),
    "orders": ("come in through {stand}", "stand with your back to {stand}"),
}  # fmt: skip
_VIEWED_INDEFINITE = (
    "{view}, there {is} {a}{posts}.",
    "{view}, you see {a}{posts}.",
    "{this} {is} {a}. {view}, {it} {is}{predicate}.",
)
_SPOKEN_TO = ("{view}", "{orders}")
TEMPLATES = (
    *dict.fromkeys(_ANY), *_INDEFINITE, *_CLAUSED, *_CLAUSED_INDEFINITE, *_FRONTED, *_COLOURED, *_SEVERAL,
    *_SEVERAL_QUALITY, *_VIEWED, *_VIEWED_INDEFINITE,
)  # fmt: skip


@dataclass
class Parts:
    """A form taken apart.

    Attributes:
        word: noun.
        color: "" = not said.
        before: words before the noun, such as superlatives and ordinals.
        after: what follows the noun.
        predicates: the same after "is".
        view: the stated viewpoint, if any.
        anchor: what `after` ends with, if the viewer looks at that very thing.
    """

    word: str
    color: str = ""
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    predicates: list[str] = field(default_factory=list)
    view: View | None = None
    anchor: str = ""


def pick(options: Sequence[T], generator: np.random.Generator) -> T:
    """One of them, all as likely."""
    return options[int(generator.integers(len(options)))]


def say(form: Form, layout: Layout, generator: np.random.Generator) -> tuple[str, str]:
    """A sentence for a form, and the template that it was made with."""
    parts = take_apart(form, layout, generator)
    template = pick(_fitting(parts, form, layout), generator)
    words = _words(parts) | _view_words(parts, template, layout, generator)
    return _finished(template.format_map(words)), template


def reference(form: Form, layout: Layout, generator: np.random.Generator, beside: str = "") -> str:
    """An anchor: "the brown desk", or "a desk" where there are several; "another chair" beside a chair."""
    parts = take_apart(form, layout, generator)
    core = _core(parts)
    if form.extent(layout).single >= 0 or not lexicon.is_countable(parts.word) or parts.before:
        return f"the {core}" + _spaced(parts.after)
    if parts.word == beside:
        return f"another {core}"
    return f"{lexicon.article(core)} {core}"


def take_apart(form: Form, layout: Layout, generator: np.random.Generator) -> Parts:
    """The pieces of a form in words."""
    if isinstance(form, Noun):
        return Parts(form.word)
    parts = take_apart(form.of, layout, generator)  # type: ignore[attr-defined]
    if isinstance(form, Coloured):
        parts.color = form.color
    elif isinstance(form, Sized):
        parts.before.append(pick((_COMPARATIVES if form.two else _SUPERLATIVES)[form.quality, form.least], generator))
    elif isinstance(form, Ordered):
        parts.view = form.view
        _say_order(parts, form, form.of.extent(layout).sure.bit_count(), generator)
    elif isinstance(form, Closest):
        words = (
            ("farthest from", "furthest from", "farthest away from") if form.farthest else ("closest to", "nearest to")
        )
        _add(parts, f"{pick(words, generator)} {reference(form.anchor, layout, generator)}", superlative=True)
    else:
        _add(parts, _relation(parts, form, layout, generator))
    return parts


def _relation(parts: Parts, form: Form, layout: Layout, generator: np.random.Generator) -> str:
    if isinstance(form, Placed):
        return pick(_PLACES[form.place], generator)
    if isinstance(form, Between):
        return f"{pick(('between', 'between', 'in between'), generator)} {_pair(parts, form, layout, generator)}"
    if isinstance(form, FromView):
        parts.view = form.view
        anchor = reference(form.anchor, layout, generator)
        if form.anchor == form.view.look:
            parts.anchor = anchor
        return f"{pick(_SIDES[form.side], generator)} {anchor}"
    assert isinstance(form, NextTo | On | Under | Above)
    anchor = reference(form.anchor, layout, generator, parts.word)
    if isinstance(form, On):
        words: tuple[str, ...] = ("on top of", "on") if form.top else ("on",)
    else:
        words = _RELATIONS[type(form)]
    if isinstance(form, NextTo) and _head(form.anchor).word in lexicon.OPENINGS:
        words = ("by", "next to", "beside")
    return f"{pick(words, generator)} {anchor}"


def _pair(parts: Parts, form: Between, layout: Layout, generator: np.random.Generator) -> str:
    if form.first == form.second:
        head = take_apart(form.first, layout, generator)
        count = form.first.extent(layout).possible.bit_count()
        core = " ".join(filter(None, (head.color, lexicon.plural(head.word))))
        return f"the two {core}" if count == 2 else f"two {core}"
    both = [reference(anchor, layout, generator, parts.word) for anchor in (form.first, form.second)]
    return " and ".join(both if generator.random() < 0.5 else both[::-1])


def _say_order(parts: Parts, form: Ordered, count: int, generator: np.random.Generator) -> None:
    if form.number > 1:
        parts.before.append(ORDINALS[form.number - 1])
        _add(parts, f"from the {form.side}")
        parts.predicates[-1] = f"the {parts.before[-1]} one from the {form.side}"
    elif count == 2:
        _add(parts, f"on the {form.side}")
    elif generator.random() < 0.5:
        parts.before.append(f"{form.side}most")
    else:
        _add(parts, pick((f"farthest to the {form.side}", f"on the far {form.side}"), generator))


def _add(parts: Parts, text: str, superlative: bool = False) -> None:
    parts.after.append(text)
    parts.predicates.append(f"the one {text}" if superlative and lexicon.is_countable(parts.word) else text)


def _fitting(parts: Parts, form: Form, layout: Layout) -> list[str]:
    """The templates that a form can be said with."""
    superlative = bool(parts.before) or isinstance(form, Closest)
    if parts.view is not None:
        fitting = [t for t in _VIEWED if parts.predicates or "{predicate}" not in t]
        return fitting + ([] if parts.before else list(_VIEWED_INDEFINITE) if parts.after else [])
    fitting = list(_ANY)
    if not superlative:
        fitting += _INDEFINITE
    if parts.after:
        fitting += _CLAUSED
        fitting += [] if parts.before else _CLAUSED_INDEFINITE
        fitting += [] if superlative else _FRONTED
    if parts.color and not superlative:
        fitting += _COLOURED
    if _head(form).extent(layout).sure.bit_count() < 2 or not lexicon.is_countable(parts.word):
        return fitting
    if parts.before:
        fitting += _SEVERAL_QUALITY * 2
    elif parts.color:
        fitting += _SEVERAL_QUALITY
    elif parts.after:
        fitting += _SEVERAL * 2
    return fitting


def _words(parts: Parts) -> dict[str, str]:
    many, countable = lexicon.is_plural(parts.word), lexicon.is_countable(parts.word)
    plain = " ".join(filter(None, (parts.color, parts.word)))
    posts, predicate = _spaced(parts.after), _spaced(parts.predicates)
    return {
        "the": f"the {_core(parts)}",
        "core": _core(parts),
        "a": _indefinite(plain, countable),
        "a_word": _indefinite(parts.word, countable),
        "word": parts.word,
        "plural": lexicon.plural(parts.word) if countable else "",
        "quality": " ".join(filter(None, (*parts.before, parts.color))),
        "color": parts.color,
        "posts": posts,
        "posts_that": f"{posts[1:]} " if posts else "",
        "predicate": predicate,
        "and_predicate": f" and {'are' if many else 'is'}{predicate}" if predicate else "",
        "fronted": " and ".join(parts.after),
        "object": "objects" if many else "object",
        "the_one": "the ones" if many else "the one",
        "is": "are" if many else "is",
        "it": "they" if many else "it",
        "this": "these" if many else "this",
        "stands": "are" if many else "stands" if lexicon.stands(parts.word) else "is",
    }


def _view_words(parts: Parts, template: str, layout: Layout, generator: np.random.Generator) -> dict[str, str]:
    """The stated viewpoint; what the viewer was just told to look at becomes "it"."""
    view = parts.view
    if view is None:
        return {}
    phrases = _FROM_MIDDLE if view.stand is None else _ENTERING if view.look is None else _FROM_THING
    names = {
        key: "" if form is None else reference(form, layout, generator)
        for key, form in (("stand", view.stand), ("look", view.look))
    }
    words = {key: pick(options, generator).format_map(names) for key, options in phrases.items()}
    if parts.anchor and template.startswith(_SPOKEN_TO) and "{it}" not in template and generator.random() < 0.6:
        posts = parts.after[-1].removesuffix(parts.anchor) + "it"
        words |= {"posts": _spaced([*parts.after[:-1], posts]), "predicate": _spaced([*parts.predicates[:-1], posts])}
    return words


def _core(parts: Parts) -> str:
    return " ".join(filter(None, (*parts.before, parts.color, parts.word)))


def _indefinite(phrase: str, countable: bool) -> str:
    return f"{lexicon.article(phrase)} {phrase}" if countable else f"some {phrase}"


def _spaced(texts: Sequence[str]) -> str:
    return "".join(f" {text}" if place == 0 else f" and {text}" for place, text in enumerate(texts))


def _head(form: Form) -> Noun:
    while not isinstance(form, Noun):
        form = form.of  # type: ignore[attr-defined]
    return form


def _finished(text: str) -> str:
    """Capital letters where a full sentence begins; phrases stay as one types them."""
    if text[-1] not in ".?":
        return text
    sentences = text.replace("? ", "?\n").replace(". ", ".\n").split("\n")
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
