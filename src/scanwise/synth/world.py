"""What the makers of rooms and streets share: models to choose from, and things that stand in a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from scanwise.formats import kitti, scannet_labels
from scanwise.scene import Box
from scanwise.synth.mesh import Mesh
from scanwise.synth.render import AreaLight

SCANNET_20 = scannet_labels.SCANNET_20
"""Classes of rooms."""
SEMANTIC_KITTI_19 = kitti.CLASSES
"""Classes of streets."""


class Model(Protocol):
    """A shape that can be put into a world, again and again.

    Attributes:
        id: unique, stable.
        name: open name ("office chair").
        kind: class name of SCANNET_20 or SEMANTIC_KITTI_19.
        size: (x, y, z) metres as loaded: front towards -y, standing on z = 0, centred at x = y = 0.
        held_out: kept from training worlds.
    """

    @property
    def id(self) -> str:
        """Unlike that of any other model, and always the same."""
        ...

    @property
    def name(self) -> str:
        """Its open name."""
        ...

    @property
    def kind(self) -> str:
        """Its class, of SCANNET_20 or SEMANTIC_KITTI_19."""
        ...

    @property
    def size(self) -> tuple[float, float, float]:
        """Width, depth and height as loaded, metres."""
        ...

    @property
    def held_out(self) -> bool:
        """Whether it is kept from training worlds."""
        ...

    def load(self, generator: np.random.Generator) -> Mesh:
        """The mesh in metres; what the generator decides (colours, proportions of a procedural piece) is small."""
        ...


class Supply(Protocol):
    """Where models come from: the furniture catalogues, or the built-in procedural pieces."""

    def names(self) -> list[str]:
        """Every open name there is a model for, sorted."""
        ...

    def models(self, name: str, *, held_out: bool) -> Sequence[Model]:
        """Models of an open name, in a stable order; empty when there are none.

        Args:
            name: an open name.
            held_out: the held-out ones too, beside those for training.
        """
        ...


@dataclass(eq=False)
class Body:
    """Something that stands in a world.

    Attributes:
        name: open name.
        kind: its class (SCANNET_20 or SEMANTIC_KITTI_19).
        mesh: in world coordinates.
        box: upright box, with instance id, colour word, model; None for structure (wall, floor, road, ...), which is
            no instance.
        support: instance that it stands or hangs on; -1 = the structure.
    """

    name: str
    kind: str
    mesh: Mesh
    box: Box | None = None
    support: int = -1


@dataclass(eq=False)
class World:
    """A made room or a place along a street, before any sensor looked at it.

    Attributes:
        name: of the scene.
        kind: "kitchen", "office", ..., "street".
        bodies: what stands in it.
        lights: for pictures.
        floor_plan: (P, 2) corners of the room's floor polygon, counter-clockwise; None outdoors.
    """

    name: str
    kind: str
    bodies: list[Body]
    lights: list[AreaLight] = field(default_factory=list)
    floor_plan: np.ndarray | None = None
