"""Parts of a scene: its surface over-segmented, so that no part belongs to two things, and what is known of each.

Shapes: M voxels of a surface, P parts, E pairs of parts that touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scanwise.data.surface import Surface
from scanwise.geometry.colors import srgb_to_lab
from scanwise.geometry.segments import segment
from scanwise.nn.pooling import hand_made_embedding

EDGES = 12  # of a voxel, to its nearest
COLOUR = 4.0  # a step of colour beside one of planes
SCALE = 0.3  # k of the rule: small, so that parts are pure; what belongs together is joined by what was learned
LEAST = 30  # voxels of a part
TOUCHING = 24  # nearest voxels, by which parts are neighbours


@dataclass(frozen=True, eq=False)
class Parts:
    """An over-segmentation.

    Attributes:
        of_voxel: (M,) int32 part of each voxel, 0..P-1.
        pairs: (E, 2) int64 parts that touch, the smaller number first.
        facts: (P, F) float32 of `part_facts`.
        steps: (E, S) float32 of `boundary_facts`.
    """

    of_voxel: np.ndarray
    pairs: np.ndarray
    facts: np.ndarray
    steps: np.ndarray

    def __len__(self) -> int:
        return len(self.facts)


def parts_of(surface: Surface) -> Parts:
    """Over-segments a surface by planes and colours, where it has them."""
    table = np.array(surface.nearest(TOUCHING))
    embedding = hand_made_embedding(surface.normals, surface.colors).numpy()
    of_voxel = over_segmented(table[:, :EDGES], embedding)
    return described(surface.centers, surface.normals, surface.colors, table, of_voxel, embedding)


def over_segmented(table: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """(M,) int32 part of each voxel.

    Args:
        table: (M, K) nearest voxels.
        embedding: (M, D) of `hand_made_embedding`.
    """
    count, across = table.shape
    edges = np.stack([np.repeat(np.arange(count), across), table.reshape(-1).astype(np.int64)], 1)
    planes, colours = differences(embedding, edges)
    steps = planes if colours is None else planes + COLOUR * colours
    return segment(count, edges, steps, scale=SCALE, least=LEAST)


def differences(embedding: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """1 - cosine of planes, and of colours where there are any, over edges (E, 2); both (E,) and at least 0."""
    planes, colours = embedding[:, :6], embedding[:, 6:]

    def apart(values: np.ndarray) -> np.ndarray:
        cosine = np.einsum("ec,ec->e", values[edges[:, 0]], values[edges[:, 1]])
        return np.maximum(1 - cosine * (2 if colours.shape[1] else 1), 0)

    return apart(planes), apart(colours) if colours.shape[1] else None


def described(
    centers: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray | None,
    table: np.ndarray,
    of_voxel: np.ndarray,
    embedding: np.ndarray,
) -> Parts:
    """Parts, and what is known of them and of the seams between them."""
    pairs, steps = boundary_facts(table, of_voxel, embedding)
    return Parts(of_voxel, pairs, part_facts(centers, normals, colors, of_voxel), steps)


FACTS = (
    "size",
    "x",
    "y",
    "z",
    "low",
    "high",
    "long",
    "wide",
    "flat",
    "upright",
    "nx",
    "ny",
    "nz",
    "L",
    "a",
    "b",
    "spread",
)


def part_facts(centers: np.ndarray, normals: np.ndarray, colors: np.ndarray | None, of_voxel: np.ndarray) -> np.ndarray:
    """(P, 17) float32 facts of parts, `FACTS`.

    Log of the number of voxels; middle; lowest and highest point, over the scene's lowest hundredth; square roots of
    the eigenvalues of its covariance, as length, width and thickness; how upright its normals are (mean of |nz|); its
    mean normal, not of length 1; mean colour in Lab over 50 and its spread, 0 without colours. Metres.

    Args:
        centers: (M, 3) metres.
        normals: (M, 3).
        colors: (M, 3) 0..255; None = not known.
        of_voxel: (M,) part of each voxel.
    """
    count = int(of_voxel.max()) + 1
    sizes = np.bincount(of_voxel, minlength=count).astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        sums = [np.bincount(of_voxel, column, minlength=count) for column in np.asarray(values, np.float64).T]
        return np.stack(sums, 1) / sizes[:, None]

    middle = mean(centers)
    off = centers - middle[of_voxel]
    six = mean(np.stack([off[:, a] * off[:, b] for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], 1))
    covariance = six[:, [0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(-1, 3, 3)
    extents = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance)[:, ::-1], 0))
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, of_voxel, centers[:, 2])
    np.maximum.at(high, of_voxel, centers[:, 2])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = normals / np.where(length > 0, length, 1)
    colour = np.zeros((count, 4))
    if colors is not None:
        lab = srgb_to_lab(colors) / 50
        colour[:, :3] = mean(lab)
        colour[:, 3] = np.sqrt(mean((lab - colour[of_voxel, :3]) ** 2).sum(1))
    flat = mean(np.abs(unit[:, 2:]))
    ground = np.quantile(centers[:, 2], 0.01)
    columns = (
        np.log(sizes)[:, None],
        middle,
        low[:, None] - ground,
        high[:, None] - ground,
        extents,
        flat,
        mean(unit),
        colour,
    )
    return np.concatenate(columns, 1).astype(np.float32)


def boundary_facts(table: np.ndarray, of_voxel: np.ndarray, embedding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (E, 2) of parts that touch, and (E, 5) float32 facts of their seams.

    Log of the number of links between their voxels; means and least of the steps of planes; means and least of those of
    colours, 0 without any.
    """
    count, across = table.shape
    first, second = np.repeat(np.arange(count), across), table.reshape(-1).astype(np.int64)
    crossing = of_voxel[first] != of_voxel[second]
    links = np.stack([first[crossing], second[crossing]], 1)
    ends = np.sort(of_voxel[links].astype(np.int64), axis=1)
    parts = int(of_voxel.max()) + 1
    keys, of_link = np.unique(ends[:, 0] * parts + ends[:, 1], return_inverse=True)
    planes, colours = differences(embedding, links)
    number = np.bincount(of_link, minlength=len(keys)).astype(np.float64)
    columns = [np.log(number)]
    for steps in (planes, np.zeros(len(links)) if colours is None else colours):
        least = np.full(len(keys), np.inf)
        np.minimum.at(least, of_link, steps)
        columns += [np.bincount(of_link, steps, minlength=len(keys)) / number, least]
    pairs = np.stack([keys // parts, keys % parts], 1)
    return pairs, np.stack(columns, 1).astype(np.float32).reshape(len(keys), 5)
