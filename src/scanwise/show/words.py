"""The colour of a word: the same in every run, whatever other words there are, as far as twenty colours go."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Sequence

import numpy as np

_HAND_PICKED = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 72, 58), (148, 103, 189),
    (86, 180, 233), (240, 215, 66), (136, 34, 85), (140, 108, 60), (232, 124, 178),
    (27, 79, 60), (178, 223, 138), (51, 34, 136), (255, 178, 140), (68, 170, 153),
    (101, 60, 30), (190, 174, 212), (128, 128, 0), (214, 39, 110), (64, 224, 208),
)  # fmt: skip
_USUAL = (
    *("wall", "floor", "table", "chair", "cabinet", "window", "lamp", "sofa", "door", "bed"),
    *("plant", "picture", "television", "curtain", "sink", "bookshelf", "ceiling", "refrigerator", "rug", "book"),
)  # one each, so that what is often together differs
_HUES = 64  # further colours


def word_colors(texts: Sequence[str]) -> np.ndarray:
    """(K, 3) uint8 colours of words, no two alike.

    The first twenty are picked by hand to differ in lightness as well as hue, so that most pairs can be told apart with
    colour-blind eyes. Usual words have one of their own; others take one by their letters, the next where it is taken,
    and beyond twenty words hues by the golden angle.
    """
    taken = dict[int, str]()
    slots = dict[str, int]()
    for word in sorted(dict.fromkeys(texts), key=lambda each: (each.casefold() not in _USUAL, each)):
        slot = _wanted(word)
        limit = len(_HAND_PICKED) if len(taken) < len(_HAND_PICKED) else len(_HAND_PICKED) + max(_HUES, len(texts))
        slot %= limit
        while slot in taken:
            slot = (slot + 1) % limit
        taken[slot], slots[word] = word, slot
    return np.array([_color(slots[text]) for text in texts], np.uint8).reshape(len(texts), 3)


def _wanted(word: str) -> int:
    if word.casefold() in _USUAL:
        return _USUAL.index(word.casefold())
    return int.from_bytes(hashlib.sha256(word.casefold().encode()).digest()[:4], "little")


def _color(slot: int) -> tuple[int, int, int]:
    if slot < len(_HAND_PICKED):
        return _HAND_PICKED[slot]
    hue = (0.11 + (slot - len(_HAND_PICKED)) * 0.618034) % 1
    saturation, value = ((0.75, 0.85), (0.45, 0.95), (0.8, 0.55))[slot % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
