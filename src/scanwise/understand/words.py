"""Words and sentences as people write them: what is read in another way, what is refused, and what is a guess.

    plain("the chairs")                       # "chair": what a model is asked for
    check_word("not the sofa")                # InputError: labels say what something is
    understood("chairs at the table")         # "all chairs at the table"
    guessed(["Stuhl", "sofa"], known_words(["chair", "sofa"]))     # of "Stuhl" the nearest known word

English nouns are known by the open names of made rooms and their synonyms (`scanwise.synth.classes`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import torch

from scanwise import cache as store
from scanwise.data.referring import plural as asks_for_all
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.nn.text import SHA256
from scanwise.synth.classes import NAMES
from scanwise.synth.lexicon import is_countable
from scanwise.synth.lexicon import plural as plural_of
from scanwise.vision.rooms import text_encoder

GUESS = 0.55
"""Likeness (cosine of sentence embeddings) to all learned words below which a word is a guess.

96 of 100 words that `rooms` learned are nearer to some other of them (docs/command-line.md).
"""
_ARTICLE = re.compile(r"^(?:the|an|a) (?=\w)", re.IGNORECASE)
_REQUEST = (
    r"(?:please )?(?:(?:can|could) you )?(?:(?:find|show me|show|mark|select|highlight|point to|look for|where is|"
    r"where are|give me|i want|i mean) )?"
)
_NOT = re.compile(
    rf"^{_REQUEST}(?:not|neither|nor|nothing|except|without|no(?! [\w-]+ signs?\b)|"
    r"(?:any|every|some)thing (?:but|except|other than)|all (?:but|except))\b",
    re.IGNORECASE,
)
_NOT_INSIDE = re.compile(r"\b(?:not|nor|neither|except|without|(?:is|are|does|do|was)n[’']t)\b", re.IGNORECASE)
_JOINED = re.compile(r",(?: and)? | and | & | plus ", re.IGNORECASE)
_COUNTED = re.compile(r"^(?:the|an|a|all|both|my|one|two|three|four|five|six|some|every|each)? ?", re.IGNORECASE)
_REST = re.compile(
    r"\b(?:next|near|beside|by|in|on|under|behind|between|at|to|with|against|over|above|below|opposite|around|from|"
    r"facing|face|standing|stand|seen|looking|is|are|that|which)\b",
    re.IGNORECASE,
)
_TOLD = 3  # words in a note
_MOST_WORDS = 4  # of a name


# What is refused


def check_readable(texts: Sequence[str], what: str) -> None:
    """Refuses texts with bytes that the terminal sent in another encoding than it says.

    Args:
        texts: trimmed.
        what: they are called ("text", "sentence").

    Raises:
        InputError: one of them is not Unicode.
    """
    for place, text in enumerate(texts, 1):
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            shown = text.encode("utf-8", "backslashreplace").decode()
            raise InputError(f'{what} {place} ("{shown}") is not UTF-8; set the terminal to it, or use other letters')


def check_word(text: str) -> None:
    """Refuses what no label can be: "not the sofa", "the table and the sofa".

    Raises:
        InputError: it is one of these; with what to write instead.
    """
    if _NOT.match(text):
        raise InputError(f'"{text}": labels say what things are, not what they are not; name what else is there')
    several = _several(text)
    if several:
        each = ",".join(map(plain, several))
        raise InputError(f'"{text}": several things in one label; separate them by commas ({each})')


def check_sentence(text: str) -> None:
    """Refuses what no answer can be: "not the sofa", "the table and the sofa".

    Raises:
        InputError: it is one of these; with what is understood.
    """
    if _NOT.match(text):
        raise InputError(f'"{text}": a thing is found by what it is, not by what it is not; describe the thing itself')
    several = _several(text)
    if several:
        each = ", ".join(f'"{part}"' for part in several)
        raise InputError(f'"{text}": asks for several things at once; ask for each of them ({each})')


def _several(text: str) -> list[str]:
    """The things that a text names side by side, at least two; none where it is about something else."""
    parts = _JOINED.split(re.sub(f"^{_REQUEST}", "", text, flags=re.IGNORECASE))
    if len(parts) < 2 or not all(map(_is_noun, [*parts[:-1], _REST.split(parts[-1], maxsplit=1)[0].rstrip()])):
        return []
    return parts


# What is read in another way


def plain(text: str) -> str:
    """A word as models are asked for it: without an article, in the singular where its plural is one that we know."""
    text = _ARTICLE.sub("", text)
    words = text.split(" ")
    for count in range(min(len(words), _MOST_WORDS), 0, -1):
        singular = _singulars().get(" ".join(words[-count:]).casefold())
        if singular is not None:
            return " ".join([*words[:-count], singular])
    return text


def understood(sentence: str) -> str:
    """A sentence as models are asked it: "chairs at the table" asks for all of them."""
    if asks_for_all(sentence) or _ARTICLE.match(sentence):
        return sentence
    words = sentence.split(" ")
    for count in range(1, min(len(words), _MOST_WORDS) + 1):
        if " ".join(words[:count]).casefold() in _singulars():
            return f"all {sentence}"
    return sentence


# What is a guess


def known_words(learned: Iterable[str] | None = None) -> list[str]:
    """Words that models learned, and their synonyms; None = all open names."""
    words = list(NAMES if learned is None else learned)
    synonyms = [synonym for word in words if word in NAMES for synonym in NAMES[word].synonyms]
    return list(dict.fromkeys([*words, *synonyms]))


def tell(texts: Sequence[str], known: Sequence[str], also: Iterable[str] = (), *, stacklevel: int = 3) -> None:
    """Warns of texts that are like no known word, and of those with a "not" in them.

    Args:
        texts: words or sentences.
        known: as of `guessed`; none = it is not known what models learned.
        also: as of `guessed`.
        stacklevel: of the warning.
    """
    nearest = guessed(texts, known, also)
    if nearest:
        few = list(nearest.items())[:_TOLD]
        more = f" and {len(nearest) - len(few)} more" if len(nearest) > len(few) else ""
        words = ", ".join(f'"{text}"' for text, _ in few)
        like = ", ".join(word for _, word in few)
        text = f"{words}{more}: like no word that the models learned (the nearest: {like}), so what comes is a guess; "
        warnings.warn(text + "English nouns are understood", ScanwiseWarning, stacklevel=stacklevel)
    for text in texts:
        if _NOT_INSIDE.search(text):
            word = _NOT_INSIDE.findall(text)[0]
            note = f'"{text}": "{word}" is not understood; what follows it is looked for like the rest'
            warnings.warn(note, ScanwiseWarning, stacklevel=stacklevel)


def guessed(texts: Sequence[str], known: Sequence[str], also: Iterable[str] = ()) -> dict[str, str]:
    """The texts that are like no known word, each with the known word that is nearest.

    Args:
        texts: words or sentences.
        known: words that models learned.
        also: words that they know, though what is like them may be something else.
    """
    met = {word.casefold() for word in (*known, *also)}
    strange = [text for text in texts if known and not _names(text, met)]
    if not strange:
        return {}
    likeness = text_encoder().encode([plain(text) for text in strange]) @ _embedded(list(known)).T
    best, place = likeness.max(1)
    return {
        text: known[row]
        for text, value, row in zip(strange, best.tolist(), place.tolist(), strict=True)
        if value < GUESS
    }


def _embedded(words: list[str]) -> torch.Tensor:
    """(K, 384) of words; kept in the cache, as it takes seconds."""
    key = store.key_of(SHA256, *words)
    found = store.arrays("known-words", key, lambda: {"words": text_encoder().encode(words).numpy()})
    return torch.from_numpy(np.array(found["words"], np.float32))


# Nouns


@cache
def _nouns() -> frozenset[str]:
    return frozenset(word.casefold() for name, entry in NAMES.items() for word in (name, *entry.synonyms))


@cache
def _singulars() -> dict[str, str]:
    """Plural -> singular of the nouns that have both."""
    words = [word for name, entry in NAMES.items() for word in (name, *entry.synonyms) if is_countable(word)]
    return {many: word for word in words if (many := plural_of(word).casefold()) not in _nouns()}


def longest_noun(words: Sequence[str]) -> tuple[str, list[str]]:
    """The longest noun that words end with, in the singular, and the words before it; "" and all where they have none.

    Args:
        words: lower case, one by one.
    """
    for start in range(max(0, len(words) - _MOST_WORDS), len(words)):
        noun = " ".join(words[start:])
        name = _singulars().get(noun, noun)
        if name.casefold() in _nouns():
            return noun, list(words[:start])
    return "", list(words)


def _names(text: str, known: set[str]) -> bool:
    """Whether some of the words of a text in a row are a known one."""
    words = re.findall(r"[\w'-]+", text.casefold())
    rows = [words[at : at + count] for count in range(1, _MOST_WORDS + 1) for at in range(len(words) - count + 1)]
    return any(plain(" ".join(row)).casefold() in known or " ".join(row) in known for row in rows)


def _is_noun(text: str) -> bool:
    """Whether a text is a noun with nothing but a few words of its kind and colour before it: "the brown desk"."""
    words = plain(_COUNTED.sub("", text)).casefold().split(" ")
    if _REST.search(text) or len(words) > _MOST_WORDS:
        return False
    return any(" ".join(words[at:]) in _nouns() for at in range(len(words)))
