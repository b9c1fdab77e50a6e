"""Things that are asked for by name, and how other packages bring more of them.

    SIZES = Plugins("size", "scanwise.sizes", {"small": 1})
    SIZES.add("mine", 2)        # in your own code
    SIZES["mine"]

Another package brings one by an entry point of the group, which is found without being imported first:

    [project.entry-points."scanwise.sizes"]
    theirs = "their_package.sizes:theirs"
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import EntryPoints, entry_points
from typing import Generic, TypeVar

from scanwise.errors import InputError

T = TypeVar("T")


class Plugins(Generic[T]):
    """Things by name: our own, those that were added, and those of other packages.

    Args:
        kind: what one of them is called in an error.
        group: of the entry points of other packages.
        own: those that come with scanwise.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, T] | None = None) -> None:
        self.kind, self.group = kind, group
        self._here = dict(own or {})

    def add(self, name: str, thing: T) -> None:
        """Makes a thing known under a name.

        Raises:
            ValueError: the name is taken.
        """
        if name in self.names():
            raise ValueError(f"there is a {self.kind} {name!r} already")
        self._here[name] = thing

    def names(self) -> list[str]:
        """All names, sorted; nothing is imported for them."""
        return sorted({*self._here, *self._elsewhere.names})

    def check(self, name: str) -> str:
        """The name.

        Raises:
            InputError: nothing is called so, or two things are.
        """
        if name not in self.names():
            raise InputError(f"unknown {self.kind} {name!r}; there are {', '.join(self.names()) or 'none'}")
        packages = [point.dist.name if point.dist else point.value for point in self._elsewhere.select(name=name)]
        owners = ["scanwise"] * (name in self._here) + packages
        if len(owners) > 1:
            raise InputError(f"{self.kind} {name!r}: {' and '.join(owners)} each bring one; remove all but one package")
        return name

    def __getitem__(self, name: str) -> T:
        """The thing; another package's is imported now.

        Raises:
            InputError: nothing is called so, or two things are.
        """
        self.check(name)
        if name in self._here:
            return self._here[name]
        thing: T = self._elsewhere[name].load()
        return thing

    @cached_property
    def _elsewhere(self) -> EntryPoints:
        return entry_points(group=self.group)
