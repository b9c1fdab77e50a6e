"""The things of a scan: parts of its surface, joined at three scales; labels are their votes.

    things = things_of(surface, shapes)
    probabilities = things.votes(things.means(of_voxels))     # (P, K): of a part, and of what it belongs to

Shapes: M voxels, P parts, E pairs of parts that touch, K texts, C classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from scanwise import cache
from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.methods.things.merging import joined
from scanwise.methods.things.model import PairNet, load_things
from scanwise.methods.things.pairs import Seen, pair_facts
from scanwise.methods.things.parts import parts_of
from scanwise.nn.text import file_sha256
from scanwise.training.checkpoints import is_shipped, locate
from scanwise.understand.shapes import Shapes

SHIPPED = Path("things-rooms")
SCALES = (6.0, 4.0, 2.0)
"""Mean logits down to which parts are joined, from parts of things to whole ones; chosen on validation rooms
(docs/results/things.md)."""
WHOLE = -1.0
"""The same, of parts that have the same word: they are one object."""
_VERSION = "1"


@dataclass(frozen=True, eq=False)
class Things:
    """Parts, and how they belong together.

    Attributes:
        of_voxel: (M,) int32 part of each voxel, 0..P-1.
        pairs: (E, 2) int64 parts that touch.
        logits: (E,) float32 that both are of one thing.
        model_hashes: file -> SHA-256.
    """

    of_voxel: np.ndarray
    pairs: np.ndarray
    logits: np.ndarray
    model_hashes: dict[str, str]

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def sizes(self) -> torch.Tensor:
        """(P,) float32 voxels of each part."""
        return torch.from_numpy(np.bincount(self.of_voxel).astype(np.float32))

    @cached_property
    def scales(self) -> list[np.ndarray]:
        """Of each of `SCALES` (P,) int32 group of each part; every voxel is in one group of each scale."""
        return joined(len(self), self.pairs, self.logits, SCALES)

    def means(self, values: torch.Tensor) -> torch.Tensor:
        """(P, C) means of values (M, C) over the voxels of parts."""
        rows = torch.from_numpy(np.asarray(self.of_voxel, np.int64))
        return torch.zeros(len(self), values.shape[1]).index_add_(0, rows, values) / self.sizes[:, None]

    def votes(self, probabilities: torch.Tensor) -> torch.Tensor:
        """(P, K): the mean, over the scales, of what the voxels of a part's group say together.

        Args:
            probabilities: (P, K), rows sum to 1.
        """
        weighed, total = probabilities * self.sizes[:, None], torch.zeros_like(probabilities)
        for groups in self.scales:
            rows = torch.from_numpy(groups.astype(np.int64))
            count = int(groups.max()) + 1
            sums = torch.zeros(count, weighed.shape[1]).index_add_(0, rows, weighed)
            sizes = torch.zeros(count).index_add_(0, rows, self.sizes)
            total += (sums / sizes[:, None])[rows]
        return total / len(self.scales)

    def coarse_means(self, values: torch.Tensor) -> torch.Tensor:
        """(P, C): of each part the mean of values (M, C) over the voxels of its group at the coarsest scale."""
        groups = torch.from_numpy(self.scales[-1].astype(np.int64))
        of_voxel = groups[torch.from_numpy(self.of_voxel.astype(np.int64))]
        count = int(groups.max()) + 1
        sums = torch.zeros(count, values.shape[1]).index_add_(0, of_voxel, values)
        return (sums / torch.bincount(of_voxel, minlength=count)[:, None])[groups]

    def objects(self, labels: np.ndarray) -> np.ndarray:
        """(P,) int32 object of each part: parts of the same label that belong together; -1 where there is none.

        Args:
            labels: (P,) of the parts, -1 = none.
        """
        alike = (labels[self.pairs[:, 0]] == labels[self.pairs[:, 1]]) & (labels[self.pairs[:, 0]] >= 0)
        (groups,) = joined(len(self), self.pairs[alike], self.logits[alike], [WHOLE])
        labelled = labels >= 0
        result = np.full(len(self), -1, np.int32)
        result[labelled] = np.unique(groups[labelled], return_inverse=True)[1]
        return result


def check_things(things: str | Path | None) -> Path | None:
    """The weights that join parts; None = labels are of points alone.

    Args:
        things: "off", or weights; None = the shipped ones.

    Raises:
        InputError: there are no such weights.
    """
    if things is None:
        return SHIPPED if is_shipped(SHIPPED) else None
    if str(things) == "off":
        return None
    if not locate(Path(things)).is_file():
        raise InputError(
            f"{things}: no such weights; choose off, or the best.ckpt of a `scanwise train things` run", option="things"
        )
    return Path(things)


def things_of(surface: Surface, shapes: Shapes | None, weights: Path) -> Things:
    """The things of a surface; kept in the cache.

    Args:
        surface: of a scene.
        shapes: what a 3D network makes of it; None = none knows such scans.
        weights: of `scanwise train things`.

    Raises:
        InputError: they are of something else.
    """
    path = locate(weights)
    digest = file_sha256(path)
    model = load_things(weights)
    if shapes is not None and shapes.classes != model.classes:
        text = f"{weights}: learned beside a 3D network of other classes, so things go by shape and colour alone"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
        shapes = None
    of_shapes = "-" if shapes is None else str(sorted(shapes.model_hashes.items()))
    key = cache.key_of(_VERSION, surface.content, digest, of_shapes)
    found = cache.arrays("things", key, lambda: _found(surface, shapes, model))
    return Things(found["of_voxel"], found["pairs"], found["logits"], {path.name: digest})


def _found(surface: Surface, shapes: Shapes | None, model: PairNet) -> dict[str, np.ndarray]:
    parts = parts_of(surface)
    facts = pair_facts(parts, seen_by(shapes), len(model.classes), coloured=surface.colors is not None)
    return {"of_voxel": parts.of_voxel, "pairs": parts.pairs, "logits": model.logits(facts)}


def seen_by(shapes: Shapes | None) -> Seen | None:
    """What a 3D network sees, as things are learned and found with it."""
    return None if shapes is None else Seen(shapes.probabilities, shapes.offsets)
