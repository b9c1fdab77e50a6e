"""Built-in pieces: furniture, things and traffic drawn by numbers, for whoever has no catalogues."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from scanwise.synth import pieces_fittings, pieces_furniture, pieces_household, pieces_street, pieces_things
from scanwise.synth.classes import NAMES
from scanwise.synth.drawing import Draw, shared_pictures
from scanwise.synth.mesh import Mesh, joined
from scanwise.synth.shapes import fitted

STYLES = 4
Size = tuple[float, float, float]
Maker = Callable[[Draw], list[Mesh]]


@dataclass(frozen=True, eq=False)
class BuiltIn:
    """A drawn piece as a `Model`: its size and way of building are fixed, `load` draws the rest.

    Attributes:
        name: open name.
        variant: 0, 1, ... of its name; every fourth is held out, and it is the only one built in its way.
        size: (x, y, z) metres.
        maker: draws its parts.
    """

    name: str
    variant: int
    size: Size
    maker: Maker

    @property
    def id(self) -> str:
        """Its name and variant."""
        return f"built-in#{self.name}-{self.variant}"

    @property
    def kind(self) -> str:
        """Its class."""
        return NAMES[self.name].kind

    @property
    def held_out(self) -> bool:
        """Whether it is kept from training worlds."""
        return self.variant % STYLES == STYLES - 1

    def load(self, generator: np.random.Generator) -> Mesh:
        """The piece in colours, materials and proportions that the generator chooses, filling `size`."""
        parts = self.maker(Draw(self.size, self.variant % STYLES, generator))
        return fitted(shared_pictures(joined(parts)), self.size)


@cache
def built_in_models() -> list[BuiltIn]:
    """Every built-in model, by name and variant."""
    kinds = (pieces_furniture, pieces_household, pieces_fittings, pieces_things, pieces_street)
    return [model for kind in kinds for name, entry in kind.PIECES.items() for model in _variants(name, *entry)]


def _variants(name: str, maker: Maker, sizes: Iterable[Size]) -> list[BuiltIn]:
    return [BuiltIn(name, variant, size, maker) for variant, size in enumerate(sizes)]
