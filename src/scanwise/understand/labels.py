"""What `label` gives, and the texts that it takes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.understand.words import check_readable, check_word, plain

LONGEST_TEXT = 500  # characters
MOST_TEXTS = 1000


@dataclass(frozen=True)
class Labels:
    """A text for each point.

    Attributes:
        indices: (N,) int32 row of `texts`; -1 for points without finite coordinates, and for strays.
        scores: (N, K) float32, each row sums to 1 (0 where there is no label).
        texts: the K texts, duplicates removed, in the order given.
    """

    indices: np.ndarray
    scores: np.ndarray
    texts: list[str]

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32 score of the chosen text, 0..1."""
        return self.scores.max(1)

    @property
    def counts(self) -> list[int]:
        """Points of each of the K texts."""
        return np.bincount(self.indices[self.indices >= 0], minlength=len(self.texts)).tolist()


def check_texts(texts: Sequence[str]) -> list[str]:
    """The texts, trimmed and without duplicates.

    Raises:
        InputError: no text, more than 1000, an empty one, one longer than 500 characters, or one that says what
            something is not, or names several things.
    """
    if isinstance(texts, str):
        raise InputError(f'texts must be a list such as ["chair", "table"], not one string ({texts[:40]!r})')
    trimmed = [" ".join(text.split()) for text in texts]
    if not trimmed or len(trimmed) > MOST_TEXTS:
        raise InputError(f"give 1 to {MOST_TEXTS} texts, not {len(trimmed)}")
    check_lengths(trimmed, "text")
    for text in trimmed:
        check_word(text)
    meanings: dict[str, str] = {}
    repeated = [text for text in trimmed if meanings.setdefault(plain(text).casefold(), text) != text]
    repeated += {text for text in trimmed if trimmed.count(text) > 1}
    unique = list(meanings.values())
    if repeated:
        text = f"given more than once, used once: {', '.join(sorted(set(repeated)))}"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
    if len(unique) == 1:
        warnings.warn(
            f'with "{unique[0]}" as the only text, every point gets it; add what else is there, such as wall,floor',
            ScanwiseWarning,
            stacklevel=3,
        )
    return unique


def check_lengths(texts: Sequence[str], what: str) -> None:
    """Refuses texts that are empty, too long or no text.

    Args:
        texts: trimmed.
        what: they are called ("text", "sentence").

    Raises:
        InputError: an empty one, one of more than 500 characters, or one that is not Unicode.
    """
    check_readable(texts, what)
    for place, text in enumerate(texts, 1):
        if not text:
            raise InputError(f"{what} {place} of {len(texts)} is empty")
        if len(text) > LONGEST_TEXT:
            raise InputError(
                f'{what} {place} ("{text[:30]}...") has {len(text)} characters; at most {LONGEST_TEXT} are read'
            )
