"""What the columns of a table without names hold, told by their values.

Every way to cut the columns after x, y and z into colours, normals, an intensity, a label and an instance is scored,
and the best is taken: red, green and blue go together and share a range; normals have unit length; a label has few
values and is the same as its neighbour's. What fits none of these is called column_4, column_5, ...
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning

_RGB = ("red", "green", "blue")
_NORMAL = ("nx", "ny", "nz")
_SAMPLE = 20_000
_NEIGHBOURS = 4_000
_ENOUGH = 20
"""Rows below which there is no telling by likeness, and the usual order decides."""
_UNKNOWN = 0.2
_SKIPPED = ("", "-", "_")


def column_names(
    table: np.ndarray, given: Sequence[str] | None, where: object, form: str = "", texts: Collection[int] = ()
) -> list[str]:
    """Names of all columns of a table that has none, with a note of what was assumed.

    Args:
        table: (N, C).
        given: names that the user gives, see `given_names`; None = none.
        where: what the note begins with.
        form: suffix of the file, which has a say: .pts has the intensity first, .xyzrgb colours.
        texts: columns that are words; the first of them is the label.
    """
    if given is not None:
        return given_names(given, table.shape[1], where)
    numbers = [column for column in range(table.shape[1]) if column not in texts]
    names = dict(zip(numbers, _Readings(table[:, numbers], form, bool(texts)).names(), strict=True))
    names |= dict(zip(sorted(texts), ["label"], strict=False))
    found = [names.get(column) or f"column_{column + 1}" for column in range(table.shape[1])]
    if len(found) > 3:
        text = f"{where}: its columns have no names and are taken for {', '.join(found)}; `columns` says otherwise"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
    return found


def given_names(given: Sequence[str], width: int, where: object) -> list[str]:
    """The user's names of `width` columns; "-" is a column without one, and so are those after the last.

    Raises:
        InputError: there are more names than columns, or one twice.
    """
    names = [name.strip() for name in given]
    if len(names) > width:
        raise InputError(f"{where}: {len(names)} columns are named, it has {width}", option="columns")
    names += [""] * (width - len(names))
    names = [f"column_{number}" if name in _SKIPPED else name for number, name in enumerate(names, 1)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{where}: column {twice} is named twice", option="columns")
    return names


class _Readings:
    """The ways to read a table, and what speaks for each."""

    def __init__(self, table: np.ndarray, form: str, labelled: bool = False) -> None:
        self.width = table.shape[1]
        step = -(-len(table) // _SAMPLE) or 1
        self.rows = np.asarray(table[::step], np.float64)
        self.rows = self.rows[np.isfinite(self.rows[:, :3]).all(1)]
        self.form, self.taken = form, frozenset(["label"] if labelled else [])
        self.enough = len(self.rows) >= _ENOUGH
        self.counts = self.enough and self.width > 3 and _counts_up(table[:, 0])
        self.first = 1 if self.counts else 0

    def names(self) -> list[str]:
        """All columns' names, "" where nothing fits."""
        start = self.first + 3
        if self.width < start:
            return ["x", "y", "z"][: self.width]
        names = [*(["id"] if self.counts else []), "x", "y", "z", *self._best(start, self.taken)[1]]
        if {"label", "instance"} <= set(names):
            label, instance = names.index("label"), names.index("instance")
            if len(self._values(label)) > len(self._values(instance)):  # an object has one label, not the reverse
                names[label], names[instance] = "instance", "label"
        return names

    def _best(self, start: int, taken: frozenset[str]) -> tuple[float, list[str]]:
        """The best reading of the columns from `start` on, and its score."""
        if start >= self.width:
            return 0.0, []
        best = (-1.0, [""])
        for score, names in self._starting(start, taken):
            rest, further = self._best(start + len(names), taken | {*names} - {""})
            if score + rest > best[0]:
                best = score + rest, [*names, *further]
        return best

    def _starting(self, start: int, taken: frozenset[str]) -> list[tuple[float, tuple[str, ...]]]:
        """What may begin at a column, with a score for each column it takes."""
        ways: list[tuple[float, tuple[str, ...]]] = [(_UNKNOWN, ("",))]
        if start + 3 <= self.width:
            if "nx" not in taken and (score := self._normal(start)):
                ways.append((3 * score, _NORMAL))
            if "red" not in taken and (score := self._color(start)):
                ways.append((3 * score, _RGB))
        if "intensity" not in taken and (score := self._intensity(start, taken)):
            ways.append((score, ("intensity",)))
        same = self._same(start)
        if "label" not in taken and same and len(self._values(start)) <= 300:
            ways.append((same, ("label",)))
        if "instance" not in taken and (same or ("label" in taken and self._numbers_things(start))):
            ways.append((max(same, 0.6) - 0.05, ("instance",)))
        return ways

    def _triple(self, start: int) -> np.ndarray:
        values = self.rows[:, start : start + 3]
        return values[np.isfinite(values).all(1)]

    def _normal(self, start: int) -> float:
        values = self._triple(start)
        length = np.sqrt(np.einsum("nk,nk->n", values, values))
        some = length[length > 0]
        if len(some) == 0 or np.mean(np.abs(some - 1) < 0.02) < 0.95:
            return 0.0
        return 0.5 if self.form == "xyzrgb" else 1.2

    def _color(self, start: int) -> float:
        values = self._triple(start)
        if len(values) == 0:
            return 0.0
        low, high = values.min(), values.max()
        whole = bool((values == np.floor(values)).all())
        alike, at_its_place = self._likeness(values), start == self.first + 3
        if whole:
            fits = low >= 0 and high <= 65535
        elif low >= -0.001 and high <= 1.004:
            fits = alike > (-0.3 if at_its_place else 0.3)  # shares of a whole, such as planarity, exclude each other
        else:
            fits = self.enough and ((low >= -1.004 and high <= 1.004 and alike > 0.6) or (low >= 0 and high <= 256))
        if not fits or self._are_coordinates(start):
            return 0.0
        tops = np.quantile(values, 0.98, axis=0)
        shared = tops.min() / tops.max() if self.enough and tops.max() > 0 else 0.5
        palette = self.enough and whole and shared > 0.5 and high >= 64 and len(np.unique(values, axis=0)) <= 300
        expected = 0.0 if not at_its_place else 0.2 if self.form == "xyzrgb" else 0.03
        return float(0.3 + 0.2 * shared + 0.5 * max(alike, 0.6 if palette else 0.0) + expected)

    def _likeness(self, values: np.ndarray) -> float:
        """Least correlation of two of three columns, -1..1."""
        if not self.enough or (np.ptp(values, axis=0) == 0).any():
            return 0.0
        return float(np.corrcoef(values.T).min())

    def _are_coordinates(self, start: int) -> bool:
        """Whether three columns are x, y and z once more, such as their share of the room."""
        return all(self._follows(start + axis, self.first + axis) for axis in range(3))

    def _follows(self, column: int, axis: int) -> bool:
        """Whether a column is a coordinate again, in another unit or from another origin."""
        both = self.rows[np.isfinite(self.rows[:, column])][:, [column, axis]]
        if not self.enough or len(both) < 2 or (np.ptp(both, axis=0) == 0).any():
            return False
        return bool(abs(np.corrcoef(both.T).min()) > 0.999)

    def _intensity(self, column: int, taken: frozenset[str]) -> float:
        values = self.rows[:, column]
        values = values[np.isfinite(values)]
        at_its_place = column == self.first + 3
        alone = at_its_place and self.width == column + 1
        if len(values) == 0 or not (alone or "red" in taken or at_its_place):
            return 0.0
        low, high = values.min(), values.max()
        whole = bool((values == np.floor(values)).all())
        if self.enough and low == high:
            return _UNKNOWN / 2
        if self._same(column) and len(self._values(column)) <= 64:
            return _UNKNOWN
        if any(self._follows(column, axis) for axis in range(self.first, self.first + 3)):
            return 0.0
        fits = (low >= 0 and high <= 65535) or (whole and low >= -2048 and high <= 2047)
        if not (fits or alone):
            return 0.0
        if not self.enough and at_its_place and not alone:  # only before or after colours
            colors = max(self._color(column + 1) if column + 4 <= self.width else 0.0, 0.0)
            return 0.5 + 0.3 * (self.form == "pts") if colors else 0.0
        return 0.5 + 0.1 * at_its_place + 0.3 * (at_its_place and self.form == "pts")

    def _same(self, column: int) -> float:
        """How much more often a column of whole numbers equals its neighbour's than by chance; 0 = it is no label."""
        if column not in self._agreement:
            self._agreement[column] = self._agreement_of(column)
        return self._agreement[column]

    def _agreement_of(self, column: int) -> float:
        values = self.rows[:, column]
        values = np.where(np.isfinite(values), values, -1)
        if not self.enough or (values != np.floor(values)).any() or np.abs(values).max() > 2**31 - 1:
            return 0.0
        kinds, counts = np.unique(values, return_counts=True)
        chance = float(((counts / len(values)) ** 2).sum())
        if len(kinds) < 2 or len(kinds) > len(values) / 2:
            return 0.0
        here, there = self._pairs
        share = (float(np.mean(values[here] == values[there])) - chance) / (1 - chance)
        dense = min(1.0, len(kinds) / (float(np.ptp(kinds)) + 1))
        return share * (0.6 + 0.4 * dense) if share >= 0.6 else 0.0

    def _numbers_things(self, column: int) -> bool:
        """Whether a column has few whole numbers, without gaps: beside a label, those of objects."""
        kinds = self._values(column)
        few = 2 <= len(kinds) <= len(self.rows) / _ENOUGH
        return bool(few and kinds[0] >= -1 and (kinds == np.floor(kinds)).all() and np.ptp(kinds) <= 1.2 * len(kinds))

    def _values(self, column: int) -> np.ndarray:
        values = self.rows[:, column]
        return np.unique(values[np.isfinite(values)])

    @cached_property
    def _agreement(self) -> dict[int, float]:
        return {}

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and the nearest other row of each, of a part of the table."""
        from scipy.spatial import cKDTree

        step = -(-len(self.rows) // _NEIGHBOURS)
        here = np.arange(0, len(self.rows), step)
        tree = cKDTree(self.rows[:, self.first : self.first + 3])
        found = tree.query(self.rows[here][:, self.first : self.first + 3], k=2)[1]
        found = np.minimum(found, len(self.rows) - 1)  # of a point too far away for a distance there is no neighbour
        return here, np.where(found[:, 0] == here, found[:, 1], found[:, 0])


def _counts_up(column: np.ndarray) -> bool:
    """Whether a column numbers the rows."""
    return bool(column[0] in (0, 1) and (np.diff(column) == 1).all())
