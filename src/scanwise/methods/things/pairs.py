"""What is known of two parts that touch; of what there is nothing, as colours of a scan without, NaN.

Shapes: M voxels, P parts, E pairs, K classes of the 3D network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scanwise.methods.things.parts import FACTS, Parts

COLOURS, NETWORK = 8, 7  # columns
GEOMETRY = 29
_OWN = [FACTS.index(name) for name in ("size", "low", "high", "long", "wide", "flat", "upright")]
_MIDDLE = slice(FACTS.index("x"), FACTS.index("z") + 1)
_NORMAL = slice(FACTS.index("nx"), FACTS.index("nz") + 1)
_LAB = slice(FACTS.index("L"), FACTS.index("b") + 1)
_SIZE, _LOW, _HIGH, _SPREAD = (FACTS.index(name) for name in ("size", "low", "high", "spread"))


@dataclass(frozen=True, eq=False)
class Seen:
    """What a 3D network makes of each voxel.

    Attributes:
        probabilities: (M, K) of its classes, rows sum to 1.
        offsets: (M, 3) metres to the middle of the voxel's thing; None = it was not taught them.
    """

    probabilities: np.ndarray
    offsets: np.ndarray | None = None


def pair_facts(parts: Parts, seen: Seen | None, classes: int, *, coloured: bool = True) -> np.ndarray:
    """(E, 29 + 8 + 7 + 2 K) float32: geometry, colours, and what the 3D network sees; NaN where that is not known.

    The larger part of each pair comes first.

    Args:
        parts: of a surface.
        seen: of its voxels; None = no network knows such scans.
        classes: K.
        coloured: whether the surface has colours.
    """
    facts, (one, other) = parts.facts, parts.pairs.T
    large = np.where(facts[one, _SIZE] >= facts[other, _SIZE], one, other)
    small = one + other - large
    colours = _colours(parts, large, small) if coloured else np.full((len(large), COLOURS), np.nan)
    network = np.full((len(large), NETWORK + 2 * classes), np.nan)
    if seen is not None:
        network = _network(parts, seen, large, small)
    return np.concatenate([_geometry(parts, large, small), colours, network], 1).astype(np.float32)


def _geometry(parts: Parts, large: np.ndarray, small: np.ndarray) -> np.ndarray:
    first, second, seam = parts.facts[large], parts.facts[small], parts.steps
    between = _unit(second[:, _MIDDLE] - first[:, _MIDDLE])
    one, other = _unit(first[:, _NORMAL]), _unit(second[:, _NORMAL])
    apart = np.linalg.norm(first[:, _MIDDLE][:, :2] - second[:, _MIDDLE][:, :2], axis=1)
    columns = [
        apart,
        second[:, _MIDDLE.stop - 1] - first[:, _MIDDLE.stop - 1],
        np.abs(_dot(one, other)),
        _dot(other - one, between),  # above 0 where they bulge, where normals know their side
        np.abs(_dot(one, between)),
        np.abs(_dot(other, between)),
        second[:, _LOW] - first[:, _HIGH],
        second[:, _HIGH] - first[:, _HIGH],
        second[:, _LOW] - first[:, _LOW],
        first[:, _SIZE] - second[:, _SIZE],
        *seam[:, :3].T,
        seam[:, 0] - second[:, _SIZE] / 2,  # a seam's length, over a side of the part
        seam[:, 0] - first[:, _SIZE] / 2,
    ]
    return np.concatenate([first[:, _OWN], second[:, _OWN], np.stack(columns, 1)], 1)


def _colours(parts: Parts, large: np.ndarray, small: np.ndarray) -> np.ndarray:
    first, second = parts.facts[large], parts.facts[small]
    lab = first[:, _LAB] - second[:, _LAB]
    columns = [
        first[:, _LAB.start], first[:, _SPREAD], second[:, _LAB.start], second[:, _SPREAD],
        np.linalg.norm(lab, axis=1), lab[:, 0], parts.steps[:, 3], parts.steps[:, 4],
    ]  # fmt: skip
    return np.stack(columns, 1)


def _network(parts: Parts, seen: Seen, large: np.ndarray, small: np.ndarray) -> np.ndarray:
    words = part_means(seen.probabilities, parts.of_voxel)
    words /= np.maximum(words.sum(1, keepdims=True), 1e-6)
    first, second = words[large], words[small]
    meaning = [np.sqrt(first * second).sum(1), np.log((first * second).sum(1) + 1e-4)]
    away = np.full((len(large), NETWORK - 2), np.nan)
    if seen.offsets is not None:
        step = part_means(seen.offsets, parts.of_voxel)
        middle = parts.facts[:, _MIDDLE] + step
        apart = middle[small] - middle[large]
        straight = np.linalg.norm(parts.facts[small, _MIDDLE] - parts.facts[large, _MIDDLE], axis=1)
        length = np.linalg.norm(apart, axis=1)
        columns = [
            length, np.linalg.norm(apart[:, :2], axis=1), length / (straight + 0.1),
            np.linalg.norm(step[large], axis=1), np.linalg.norm(step[small], axis=1),
        ]  # fmt: skip
        away = np.stack(columns, 1)
    return np.concatenate([np.stack(meaning, 1), away, first, second], 1)


def part_means(values: np.ndarray, of_voxel: np.ndarray) -> np.ndarray:
    """(P, C) float64 means of values (M, C) over the parts of voxels (M,)."""
    count = int(of_voxel.max()) + 1
    sums = [np.bincount(of_voxel, column, minlength=count) for column in np.asarray(values, np.float64).T]
    return np.stack(sums, 1) / np.bincount(of_voxel, minlength=count)[:, None]


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.einsum("ec,ec->e", one, other)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
