"""Scenes of which few points have labels, to learn from as little as a person would make."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from scanwise.data.datasets import Source, read_source
from scanwise.scene import Scene


@dataclass(frozen=True)
class WithFewLabels:
    """A scene, some of whose labels are kept; read when it is touched.

    Attributes:
        source: the scene.
        share: of its labelled points that keep their label, 0..1.
    """

    source: Source
    share: float

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The list that the scene's labels number, where it has been brought to one."""
        return getattr(self.source, "classes", None)

    def read(self) -> Scene:
        """The scene. Raises InputError when it is damaged."""
        scene = read_source(self.source)
        if scene.labels is None:
            return scene
        return replace(scene, labels=few_labels(scene.labels, self.share, scene.name))


def few_labels(labels: np.ndarray, share: float, name: str) -> np.ndarray:
    """(N,) labels of which some are kept, at least one, and the others are -1.

    Args:
        labels: (N,), -1 = none.
        share: of the labelled points, 0..1.
        name: of the scene: the same points are kept each time.
    """
    known = np.flatnonzero(labels >= 0)
    kept = np.random.default_rng(zlib.crc32(name.encode())).permutation(known)[: max(1, round(share * len(known)))]
    result = np.full_like(labels, -1)
    result[kept] = labels[kept]
    return result
