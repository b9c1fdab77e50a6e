"""What `label` gives, and the texts that it takes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Scene
from scanwise.understand.objects import LabelledObject
from scanwise.understand.words import check_readable, check_word, plain

LONGEST_TEXT = 500  # characters
MOST_TEXTS = 1000


@dataclass(frozen=True, eq=False)
class Labels:
    """A text for each point, and the objects that they make.

    Attributes:
        indices: (N,) int32 row of `texts`; -1 for points without finite coordinates, for strays, and for what is less
            sure than was asked for.
        scores: (N, K) float32, each row sums to 1 (0 where nothing is known of a point).
        texts: the K texts, duplicates removed, in the order given.
        object_of: (N,) int32 id of the object of each point, -1 = none.
        objects: by their ids.
        scene: that was labelled, as it was worked on.
        facts: what `labels.json` says of the work: models, seconds, memory.
    """

    indices: np.ndarray
    scores: np.ndarray
    texts: list[str]
    object_of: np.ndarray
    objects: list[LabelledObject]
    scene: Scene
    facts: Mapping[str, Any]

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32 score of the likeliest text, 0..1."""
        return self.scores.max(1)

    @property
    def counts(self) -> list[int]:
        """Points of each of the K texts."""
        return np.bincount(self.indices[self.indices >= 0], minlength=len(self.texts)).tolist()

    @property
    def object_counts(self) -> list[int]:
        """Objects of each of the K texts."""
        found = [each.text for each in self.objects]
        return [found.count(text) for text in self.texts]

    def save(self, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
        """Writes cloud, tables, picture and page into a folder; see `understand.label_files.write_labels`."""
        from scanwise.understand.label_files import write_labels

        return write_labels(self, Path(folder), **options)

    def picture(self, path: str | os.PathLike[str]) -> None:
        """Writes a PNG of the cloud in colour and by label."""
        from scanwise.understand.label_files import write_label_picture

        write_label_picture(self, Path(path))

    def page(self, path: str | os.PathLike[str]) -> None:
        """Writes a page that shows the cloud in 3D by colour, label, object and confidence; it needs no network."""
        from scanwise.understand.label_files import write_label_page

        write_label_page(self, Path(path))


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
