"""What models are called: from catalogue pieces to the words that a person would use, and to classes.

Two tables were made by looking at a picture of each of the 820 pieces, as labels hide traps ("Small lavatory" is a
washbasin, "Basin" a plastic tub, "Socket" a sock, "Skirt" a plank): `pieces.csv` gives each piece its open name, none
to those that are structure, flat, tiny, or in several parts; `names.csv` says about each name what follows here.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SUPPORTS = ("floor", "table", "desk", "counter", "shelf", "bed", "wall", "ceiling")
ROOMS = ("living room", "bedroom", "kitchen", "bathroom", "office", "corridor", "street", "garden", "garage")


@dataclass(frozen=True)
class OpenName:
    """A word for things of one sort, and where they belong.

    Attributes:
        name: "office chair".
        kind: class of SCANNET_20 or SEMANTIC_KITTI_19, "otherfurniture" where none fits.
        support: of SUPPORTS, what it stands or hangs on. Where the floor and furniture are both named, large ones (half
            a metre and more) belong on the floor.
        rooms: of ROOMS, where it is met; () = nowhere in particular.
        elevation: metres from the floor to the lower edge of what hangs on a wall; None for all else.
        synonyms: other words for the same, likeliest first.
    """

    name: str
    kind: str
    support: tuple[str, ...]
    rooms: tuple[str, ...]
    elevation: float | None
    synonyms: tuple[str, ...]


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("scanwise") / "synth" / table).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _words(cell: str) -> tuple[str, ...]:
    return tuple(cell.split(";")) if cell else ()


def _open_name(row: dict[str, str]) -> OpenName:
    elevation = float(row["elevation"]) if row["elevation"] else None
    words = (_words(row[column]) for column in ("support", "rooms", "synonyms"))
    support, rooms, synonyms = words
    return OpenName(row["name"], row["kind"], support, rooms, elevation, synonyms)


NAMES: dict[str, OpenName] = {row["name"]: _open_name(row) for row in _rows("names.csv")}
"""Every open name, in the order of the table: furniture first, then small things, then streets and gardens."""
SYNONYMS: dict[str, tuple[str, ...]] = {name: entry.synonyms for name, entry in NAMES.items()}
PIECES: dict[str, str] = {row["id"]: row["name"] for row in _rows("pieces.csv")}
"""Open name of each piece of the known catalogues by its id; "" = not used."""


@cache
def meanings(word: str) -> tuple[str, ...]:
    """Open names that a word stands for: itself, or those with such a synonym ("sink": three of them); () = none."""
    if word in NAMES:
        return (word,)
    return tuple(name for name, synonyms in SYNONYMS.items() if word in synonyms)


def guess(label: str) -> str:
    """The open name for the label of an unknown piece, by its last words.

    Args:
        label: such as "Red Office Chair".

    Returns:
        "office chair"; "" = none of ours.
    """
    words = re.findall(r"[\w'-]+", label.lower())
    for start in range(len(words)):
        found = meanings(" ".join(words[start:]))
        if found:
            return found[0]
    return ""
