"""Pairs of parts of scenes with instances, and whether both are of one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scanwise.data.datasets import Draw, SceneDataset
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.methods.things.pairs import COLOURS, GEOMETRY, Seen, pair_facts
from scanwise.methods.things.parts import parts_of
from scanwise.scene import Scene

Look = Callable[[Surface], Seen | None]
"""A 3D network: a surface -> what it makes of its voxels."""


@dataclass(frozen=True, eq=False)
class ScenePairs:
    """The pairs of a scene.

    Attributes:
        facts: (E, F) of `pair_facts`.
        same: (E,) float32, 1 = of one thing.
    """

    facts: torch.Tensor
    same: torch.Tensor


@dataclass(frozen=True, eq=False)
class PairBatch:
    """The pairs of some scenes.

    Attributes:
        facts: (E, F).
        same: (E,).
    """

    facts: torch.Tensor
    same: torch.Tensor

    def to(self, device: torch.device | str) -> PairBatch:
        """The tensors on a device."""
        return replace(self, facts=self.facts.to(device), same=self.same.to(device))


def scene_pairs(scene: Scene, look: Look, classes: int) -> ScenePairs:
    """Over-segments a scene and looks at its pairs.

    Args:
        scene: with labels and instances.
        look: the 3D network.
        classes: how many it knows.

    Raises:
        InputError: it has no labels or instances.
    """
    surface = Surface(scene)
    truth = true_things(scene)[surface.finite][surface.voxels.first]
    parts = parts_of(surface)
    facts = pair_facts(parts, look(surface), classes, coloured=surface.colors is not None)
    owner = owners(parts.of_voxel, truth)
    same = owner[parts.pairs[:, 0]] == owner[parts.pairs[:, 1]]
    return ScenePairs(torch.from_numpy(facts), torch.from_numpy(same.astype(np.float32)))


def true_things(scene: Scene) -> np.ndarray:
    """(N,) int64 thing of each point: its instance; of what has none, as walls, -2 - its class.

    Raises:
        InputError: it has no labels or instances.
    """
    if scene.labels is None or scene.instances is None:
        raise InputError(f"{scene.name}: things are learned from labels and instances, and it has not both")
    return np.where(scene.instances >= 0, scene.instances, -2 - scene.labels).astype(np.int64)


def owners(of_voxel: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(P,) the thing that most voxels of each part are of.

    Args:
        of_voxel: (M,) part of each voxel.
        truth: (M,) thing of each.
    """
    things, number = np.unique(truth, return_inverse=True)
    keys, votes = np.unique(of_voxel.astype(np.int64) * len(things) + number, return_counts=True)
    order = np.lexsort((votes, keys // len(things)))  # the last of each part's has the most votes
    owner = np.empty(int(of_voxel.max()) + 1, np.int64)
    owner[keys[order] // len(things)] = things[keys[order] % len(things)]
    return owner


class PairDataset(SceneDataset):
    """Pairs that are held in memory; sometimes a scene's colours are not shown, or what the network sees.

    Args:
        scenes: to draw from.
        blind: how often, each.
    """

    def __init__(self, scenes: Sequence[ScenePairs], blind: float) -> None:
        self.scenes, self.blind = list(scenes), blind

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, draw: Draw) -> ScenePairs:
        scene, generator = self.scenes[draw.index], draw.generator()
        hidden = generator.random(2) < self.blind
        if not hidden.any():
            return scene
        facts = scene.facts.clone()
        if hidden[0]:
            facts[:, GEOMETRY : GEOMETRY + COLOURS] = torch.nan
        if hidden[1]:
            facts[:, GEOMETRY + COLOURS :] = torch.nan
        return replace(scene, facts=facts)


def collate(scenes: Sequence[ScenePairs]) -> PairBatch:
    """One flat batch."""
    return PairBatch(torch.cat([scene.facts for scene in scenes]), torch.cat([scene.same for scene in scenes]))
