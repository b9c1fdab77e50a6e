"""What a sentence says, as phrases: nouns, colours, sizes, and how things stand to each other.

    query = parse("facing the window, the red chair left of the desk")
    query.targets[0].noun, query.targets[0].relations[0].kind         # "chair", "left"
    query.view.look.noun                                              # "window"

The grammar is a list of words: relations split a sentence, what stands before the first is the thing itself, and what
follows each of them is what the thing is compared with. What it cannot place is named in `Query.unread`, and left to
LESS, which reads the whole sentence.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scanwise.errors import ScanwiseWarning
from scanwise.synth.colours import COLOR_WORDS
from scanwise.understand.words import longest_noun, plain

NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "both": 2, "pair": 2}
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
ALL = 0
"""Amount of a phrase that asks for all of its kind."""
UNSAID = -1
"""Amount of a phrase without an article, or with "some": as many as there are."""

_QUALITIES = {
    "size": ("large larger largest big bigger biggest huge", "small smaller smallest little tiny"),
    "height": ("tall taller tallest high higher highest", "low lower lowest short shorter shortest"),
    "width": ("wide wider widest broad long longer longest", "narrow narrower narrowest"),
}
QUALITIES = {
    word: (quality, bool(least))
    for quality, both in _QUALITIES.items()
    for least, words in enumerate(both)
    for word in words.split()
}
_COLORS = {**{color: color for color in COLOR_WORDS}, "gray": "grey", "violet": "purple", "golden": "yellow"}
_BETWEEN, _VIEWED = "between", ("left", "right", "front", "behind")
PLACES = ("corner", "middle", "wall", "floor")
RELATIONS: dict[str, str] = {
    "nearest": r"(?:closest|nearest) to",
    "farthest": r"(?:farthest|furthest)(?: away)? from",
    "corner": r"(?:in|at) (?:the|a) corner(?: of the room)?",
    "middle": r"in the (?:middle|centre|center)(?: of the room)?",
    "wall": r"(?:up )?(?:against|along|at|by) (?:the|a) wall",
    "floor": r"on the (?:floor|ground)",
    "first left": r"(?:on|to|farthest to|at) the (?:far )?left(?! of| side of)(?: side)?",
    "first right": r"(?:on|to|farthest to|at) the (?:far )?right(?! of| side of)(?: side)?",
    "from left": r"from the left",
    "from right": r"from the right",
    "left": r"(?:(?:to|on) the )?left(?: side|[- ]hand side)? of",
    "right": r"(?:(?:to|on) the )?right(?: side|[- ]hand side)? of",
    "front": r"in front of|before",
    "behind": r"behind|at the back of",
    _BETWEEN: r"(?:in )?between",
    "on": r"on top of|on to|onto|upon|inside of|inside|within|attached to|on|in",
    "under": r"underneath|beneath|below|under",
    "above": r"above|over",
    "near": r"next to|adjacent to|close to|nearby|near to|near|besides?|alongside|around|opposite|by|at|facing|with",
}
"""Kind of relation -> what it is called, those that begin alike the longest first."""
_RELATION = re.compile(
    r"\b(?:(?P<no>not|n't|isn't|aren't) )?(?:standing |stands |sitting |sits |lying |lies |hanging |hangs |"
    r"placed |located |mounted )?(?:"
    + "|".join(f"(?P<{kind.replace(' ', '_')}>{words})" for kind, words in RELATIONS.items())
    + r")(?![\w-])"
)
_REQUEST = re.compile(
    r"^(?:please )?(?:(?:can|could) you (?:please )?)?(?:find|show me|show|mark|select|highlight|point to|look for|"
    r"look at|locate|give me|where is|where are|where's|i am looking for|i'm looking for|i want|i mean|"
    r"(?:which|what) (?:object|objects|thing|things) (?:is|are)|the (?:object|objects|thing|things) i want (?:is|are)|"
    r"(?:this|these|that|those|it|they|there) (?:is|are)|you (?:can )?(?:see|find)|which|then)\b[ :,]*"
)
_VIEW = re.compile(
    r"(?:^|(?<=[.,:;] )|(?<= ))(?:and )?(?:for someone |as you |when you |if you |when |if |as )?"
    r"(?:(?<=you )(?:look|enter|come|face)\b|stand(?:ing)? (?:at|by|in|next to|near|with|in front of)|"
    r"facing|looking (?:at|from|towards?)|"
    r"look(?:s)? (?:at|from|towards)(?= [^.]*[,:.] )|"
    r"seen? (?:it )?from|see it from|com(?:e|ing) in|enter(?:ing)?|go to|looked at from)\b[^.,:;]*"
    r"(?:, facing [^.,:;]*)?"
)
_STAND = re.compile(
    r"(?:stand(?:ing)? (?:at|by|in front of|in|next to|near)|from|through|your back to|go to)\s+"
    r"(?P<what>.+?)(?=,? and (?:look|fac)|,? (?:towards|looking|facing)\b|$)"
)
_LOOK = re.compile(
    r"(?:looking (?:at|towards?)|look (?:at|towards?)|facing|face|towards?)\s+(?P<what>.+?)(?= from\b|,|$)"
)
_AMONG = re.compile(
    r"^(?:of|among|amongst|out of) (?:all )?(?:the )?(?P<noun>.+?),(?: find| i mean)? (?:the )?(?P<what>.*?)"
    r"\bones?\b(?P<rest>.*)$"
)
_ONE_OF = re.compile(r"^(?:the )?(?P<what>.*?)\bones? of (?:all )?(?:the )?(?P<rest>.+)$")
_BUT = re.compile(
    r"^(?:everything|anything|all|all things)(?: else)? (?:but|except(?: for)?|other than|apart from)\s+(?P<what>.+)$"
)
_NOT = re.compile(r"^(?:not|without|neither|no(?! [\w-]+ signs?\b)) (?P<what>.+)$")
_CLAUSE = re.compile(
    r"(?:[.:;,] ?)?\b(?:that|which|it|they|who|the one|the ones) (?:is|are|stands?|hangs?|lies)(?: the ones?)?\b|"
    r"[.:;,] ?(?:it|they) |, ?the ones?\b| \b(?:is|are)(?: the ones?)?\b"
)
_BEFORE = re.compile(r"\b(?P<which>closest|nearest|farthest|furthest) (?P<noun>[^,.:;]+?) (?P<to>to|from)\b")
_THERE = re.compile(r"(?: there)? (?:is|are|stands?|lies|hangs?)\b| you (?:can )?(?:find|see)\b|,")
_ARTICLE = re.compile(
    r"^(?P<which>the|an|a|some|my|our|this|that|these|those|any|another|all|every|each|both) (?:of (?:the|my) )?"
)
_TWO = re.compile(r"^(?:the )?two ")
_FILLING = {
    "other",
    "another",
    "the",
    "a",
    "an",
    "very",
    "one",
    "ones",
    "same",
    "and",
    "is",
    "are",
    "rather",
    "that",
    "which",
    "who",
}
_NOBODY = {
    "",
    "what",
    "which",
    "thing",
    "object",
    "it",
    "something",
    "they",
    "one",
    "ones",
    "room",
    "that",
    "this",
    "there",
}
_JOINT = re.compile(r",(?: and)? | and | & | plus | nor ")


@dataclass(frozen=True)
class Relation:
    """How a thing stands to others.

    Attributes:
        kind: a key of `RELATIONS`; "from left" and "first left" (and right) are orders, of which `number` counts.
        anchors: what it is compared with; of "between" two, of places and orders none.
        negated: it is said not to stand so.
        number: of orders, from 1.
    """

    kind: str
    anchors: tuple[Phrase, ...] = ()
    negated: bool = False
    number: int = 1


@dataclass(frozen=True)
class Phrase:
    """A thing, or things, as they are described.

    Attributes:
        noun: in the singular; "" where none is said ("the thing on the table").
        colors: words of `COLOR_WORDS` that it has.
        not_colors: and that it has not.
        ranks: (quality of "size", "height", "width"; whether the least is meant), as in "the smallest".
        relations: how it stands to others.
        amount: how many are meant: 1, a number, `ALL`, or `UNSAID`.
    """

    noun: str
    colors: tuple[str, ...] = ()
    not_colors: tuple[str, ...] = ()
    ranks: tuple[tuple[str, bool], ...] = ()
    relations: tuple[Relation, ...] = ()
    amount: int = 1

    @property
    def nouns(self) -> list[str]:
        """Its noun and those of what it is compared with, each once."""
        found = [self.noun] if self.noun else []
        for relation in self.relations:
            found += [noun for anchor in relation.anchors for noun in anchor.nouns]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class View:
    """Where one stands (None = in the middle) and what one looks at (None = into the room)."""

    stand: Phrase | None
    look: Phrase | None


@dataclass(frozen=True)
class Query:
    """What a sentence asks for.

    Attributes:
        text: the sentence.
        targets: each is meant: "the table and the sofa" has two.
        but: everything but these is meant.
        view: that it states.
        unread: words that say more than was understood, in order.
    """

    text: str
    targets: tuple[Phrase, ...]
    but: tuple[Phrase, ...] = ()
    view: View | None = None
    unread: tuple[str, ...] = ()

    @property
    def nouns(self) -> list[str]:
        """All nouns in it, each once."""
        phrases = [*self.targets, *self.but]
        if self.view is not None:
            phrases += [each for each in (self.view.stand, self.view.look) if each is not None]
        return list(dict.fromkeys(noun for phrase in phrases for noun in phrase.nouns))

    @property
    def several(self) -> bool:
        """Whether it asks for more than one thing."""
        return bool(self.but) or len(self.targets) > 1 or any(each.amount != 1 for each in self.targets)


def parse(text: str) -> Query:
    """What a sentence says; of what is no sentence, a phrase whose noun is all of it."""
    reader = _Reader()
    rest = " ".join(text.casefold().replace("’", "'").split()).strip(" .?!")
    view, rest = reader.view(rest)
    for _ in range(3):
        rest = _REQUEST.sub("", rest, count=1).strip(" ,:;.")
    but = _BUT.match(rest) or _NOT.match(rest)
    if but is not None:
        return Query(text, (), reader.several(but["what"]), view, tuple(reader.unread))
    targets = reader.several(rest)
    if view is not None and view.look is not None:
        targets = tuple(_with_it(each, view.look) for each in targets)
    return Query(text, targets, (), view, tuple(reader.unread))


def tell_of_unread(queries: Sequence[Query]) -> None:
    """Says which words of sentences were not understood, in one line."""
    words = list(dict.fromkeys(word for query in queries for word in query.unread))
    if words:
        text = f"not understood, and left to LESS: {', '.join(words[:8])}{' ...' if len(words) > 8 else ''}"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)


def _with_it(phrase: Phrase, it: Phrase) -> Phrase:
    """The phrase with "it" meaning what the viewer looks at."""
    relations = [
        replace(each, anchors=tuple(it if not anchor.noun else anchor for anchor in each.anchors))
        for each in phrase.relations
    ]
    return replace(phrase, relations=tuple(relations))


class _Reader:
    """Reads phrases and keeps the words that it could not place."""

    def __init__(self) -> None:
        self.unread: list[str] = []

    def view(self, text: str) -> tuple[View | None, str]:
        """The viewpoint that is stated, and the text without it."""
        for match in _VIEW.finditer(text):
            stand, look = _STAND.search(match.group()), _LOOK.search(match.group())
            if stand is None and look is None:
                continue
            rest = f"{text[: match.start()]} {text[match.end() :]}"
            rest = re.sub(r"\s*[,:;]\s*(?=[,:;.]|$)|^\s*[,:;.]\s*|(?<=\.)\s*[,:;]", " ", rest)
            return View(self._spot(stand), self._spot(look)), " ".join(rest.split()).strip(" ,:;.")
        return None, text

    def _spot(self, match: re.Match[str] | None) -> Phrase | None:
        if (
            match is None
            or "middle of the room" in match["what"]
            or match["what"].strip() in ("the room", "the middle")
        ):
            return None
        return self.phrase(match["what"])

    def several(self, text: str) -> tuple[Phrase, ...]:
        """The phrases side by side: "the table and the sofa"."""
        first = _RELATION.search(text)
        head = text if first is None else text[: first.start()]
        parts = [part.strip() for part in _JOINT.split(head)]
        if len(parts) < 2 or _CLAUSE.search(head) or not all(_is_noun_phrase(part) for part in parts):
            return (self.phrase(text),)
        last = parts[-1] if first is None else f"{parts[-1]} {text[first.start() :]}"
        return tuple(self.phrase(part) for part in [*parts[:-1], last])

    def phrase(self, text: str) -> Phrase:
        """A thing as it is described."""
        text = text.strip(" ,.:;")
        among = _AMONG.match(text)
        if among is not None:
            text = f"the {among['what']}{among['noun']} {among['rest']}"
            return replace(self.phrase(text), amount=1)
        one_of = _ONE_OF.match(text)
        if one_of is not None:
            return replace(self.phrase(f"the {one_of['what']}{one_of['rest']}"), amount=1)
        text = _BEFORE.sub(r"\g<noun> \g<which> \g<to>", self._unfronted(text))
        matches = list(_RELATION.finditer(text))
        head = text[: matches[0].start()] if matches else text
        found = self._head(head)
        for match, following in zip(matches, [*matches[1:], None], strict=False):
            argument = text[match.end() : None if following is None else following.start()]
            found = self._related(found, match, argument)
        return found

    def _unfronted(self, text: str) -> str:
        """Says "on the desk there is a mug" as "a mug on the desk"."""
        first = _RELATION.match(text)
        there = None if first is None else _THERE.search(text, first.end())
        if first is None or there is None or not text[there.end() :].strip():
            return text
        return f"{text[there.end() :].strip(' ,')} {text[: there.start()]}"

    def _related(self, of: Phrase, match: re.Match[str], argument: str) -> Phrase:
        kind = (match.lastgroup if match.lastgroup != "no" else "near") or "near"
        kind = kind.replace("_", " ")
        negated = match["no"] is not None
        said, *clauses = _CLAUSE.split(argument)
        for clause in clauses:
            of = self._more(of, clause)
        said = re.sub(r"[ ,.:;]+(?:and|but)?[ ,.:;]*$|^ *(?:and|but) ", "", f" {said.strip()}").strip(" ,.:;")
        if kind in PLACES or kind.startswith(("first", "from")):
            number = 1
            if kind.startswith("from"):
                number = next((ORDINALS[word] for word in self._ordinals), 1)
                self._ordinals = []
            if said:
                of = self._more(of, said)
            return replace(of, relations=(*of.relations, Relation(kind, negated=negated, number=number)))
        return replace(of, relations=(*of.relations, Relation(kind, self._anchors(kind, said, of), negated)))

    _ordinals: Sequence[str] = ()

    def _anchors(self, kind: str, said: str, of: Phrase) -> tuple[Phrase, ...]:
        """What a relation compares with; "another chair" and "the two lamps" are kinds."""
        if kind == _BETWEEN and _TWO.match(said):
            pair = replace(self.phrase(_TWO.sub("the ", said)), amount=1)
            return pair, pair
        kept, ordinals = list(self.unread), self._ordinals
        parts = [part for part in _JOINT.split(said) if part.strip()]
        anchors = tuple(replace(self.phrase(part), amount=1) for part in parts)
        self._ordinals = ordinals
        if kind != _BETWEEN and len(anchors) > 1 and not all(anchor.noun for anchor in anchors):
            self.unread = kept
            anchors = (replace(self.phrase(said), amount=1),)
        if not anchors:
            return ()
        return anchors[:2] if kind == _BETWEEN else anchors

    def _more(self, of: Phrase, clause: str) -> Phrase:
        """What a clause adds: "it is brown", "is the largest"."""
        more = self._head(clause.strip(" ,.:;"))
        return replace(
            of, noun=of.noun or more.noun, colors=(*of.colors, *more.colors),
            not_colors=(*of.not_colors, *more.not_colors), ranks=(*of.ranks, *more.ranks),
        )  # fmt: skip

    def _head(self, text: str) -> Phrase:
        """A noun with the words before it, and what clauses without a relation say of it."""
        text, *clauses = _CLAUSE.split(f" {text.strip(' ,.:;')} ", maxsplit=1)
        text = text.strip(" ,.:;")
        article = _ARTICLE.match(f"{text} ")
        which = "" if article is None else article["which"]
        words = text[0 if article is None else article.end() :].split()
        amount = {"all": ALL, "every": ALL, "each": ALL, "both": 2, "some": UNSAID, "any": UNSAID}.get(which, 1)
        if words and words[0] in NUMBERS:
            amount = NUMBERS[words.pop(0)]
        found = self._qualities(words)
        name = plain(found.noun)
        if amount == 1 and name != found.noun and which in ("", "these", "those", "the"):
            amount = UNSAID
        found = replace(found, noun=name, amount=amount)
        for clause in clauses:
            found = self._more(found, clause)
        return found

    def _qualities(self, words: list[str]) -> Phrase:
        """Colours, sizes and orders taken from before a noun."""
        colors, denied, ranks, relations = list[str](), list[str](), list[tuple[str, bool]](), list[Relation]()
        kept, negated = list[str](), False
        ordinals = list[str]()
        for word in words:
            if word in ("not", "isn't", "aren't", "no"):
                negated = True
            elif word in _COLORS:
                (denied if negated else colors).append(_COLORS[word])
            elif word in QUALITIES:
                ranks.append(QUALITIES[word])
            elif word in ORDINALS:
                ordinals.append(word)
            elif word in ("leftmost", "rightmost"):
                relations.append(Relation(f"first {word.removesuffix('most')}"))
            elif word in ("left", "right") and word == words[0]:
                relations.append(Relation(f"first {word}"))
            elif word not in _FILLING:
                kept.append(word)
        if ordinals:
            self._ordinals = ordinals
        noun, more = longest_noun(kept)
        if noun:
            self.unread += more
        else:
            noun = " ".join(kept)
        if noun in _NOBODY:
            noun = ""
        return Phrase(noun, tuple(colors), tuple(denied), tuple(ranks), tuple(relations))


def _is_noun_phrase(text: str) -> bool:
    """Whether a text is a noun with nothing but a few words before it."""
    words = _ARTICLE.sub("", f"{text} ").split()
    while words and (words[0] in _COLORS or words[0] in QUALITIES or words[0] in NUMBERS or words[0] in _FILLING):
        words = words[1:]
    return 1 <= len(words) <= 4 and bool(longest_noun(words)[0])
