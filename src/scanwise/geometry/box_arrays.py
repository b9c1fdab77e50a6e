"""Upright 3D boxes as arrays: many at once, turned, counted into, and their corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scanwise.scene import Box

EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Pairs of `Boxes.corners` that an edge joins."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """B boxes that stand upright, true or detected.

    Attributes:
        centers: (B, 3) float64 metres, middle of each box.
        sizes: (B, 3) float64 metres: length along the heading, width, height.
        headings: (B,) float64 radians from the x axis, counter-clockwise.
        velocities: (B, 2) float64 metres per second along x and y over ground; NaN = not known.
        classes: (B,) int64 index into names that the holder keeps; -1 = none of them.
        scores: (B,) float64 confidence 0..1; 1 for true boxes.
    """

    centers: np.ndarray
    sizes: np.ndarray
    headings: np.ndarray
    velocities: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    @classmethod
    def none(cls) -> Boxes:
        """No boxes."""
        return cls.of([], [])

    @classmethod
    def of(cls, boxes: Sequence[Box], classes: Sequence[int]) -> Boxes:
        """The boxes of a scene, with scores of 1.

        Args:
            boxes: B boxes.
            classes: (B,) index of each, -1 = none.
        """
        unknown = (np.nan, np.nan)
        return cls(
            np.array([box.center for box in boxes], np.float64).reshape(-1, 3),
            np.array([box.size for box in boxes], np.float64).reshape(-1, 3),
            np.array([box.heading for box in boxes], np.float64),
            np.array([unknown if box.velocity is None else box.velocity for box in boxes], np.float64).reshape(-1, 2),
            np.asarray(classes, np.int64).reshape(-1),
            np.ones(len(boxes)),
        )

    def __len__(self) -> int:
        return len(self.centers)

    def take(self, rows: np.ndarray) -> Boxes:
        """Some of them.

        Args:
            rows: indices, or (B,) bool.
        """
        columns = (self.centers, self.sizes, self.headings, self.velocities, self.classes, self.scores)
        return Boxes(*(column[rows] for column in columns))

    def corners(self) -> np.ndarray:
        """(B, 8, 3) corners: the four of the floor counter-clockwise from front left, then those above them."""
        signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], np.float64) / 2
        local = np.concatenate([np.c_[signs, np.full(4, -0.5)], np.c_[signs, np.full(4, 0.5)]])
        placed = local[None] * self.sizes[:, None]
        cosine, sine = np.cos(self.headings)[:, None], np.sin(self.headings)[:, None]
        turned = [cosine * placed[..., 0] - sine * placed[..., 1], sine * placed[..., 0] + cosine * placed[..., 1]]
        return np.stack([*turned, placed[..., 2]], 2) + self.centers[:, None]

    def rows_inside(self, points: np.ndarray, margin: float = 0.0) -> list[np.ndarray]:
        """For each box the rows of the points in it.

        Args:
            points: (N, 3); those that are not finite are in none.
            margin: metres that each side of a box is moved outwards.
        """
        order = np.argsort(points[:, 0], kind="stable")
        sorted_x = points[order, 0]
        found = []
        for center, size, heading in zip(self.centers, self.sizes, self.headings, strict=True):
            half = size / 2 + margin
            reach = float(np.hypot(half[0], half[1]))
            low, high = np.searchsorted(sorted_x, (center[0] - reach, center[0] + reach))
            near = order[low:high]
            away = points[near] - center
            along = away[:, 0] * np.cos(heading) + away[:, 1] * np.sin(heading)
            left = away[:, 1] * np.cos(heading) - away[:, 0] * np.sin(heading)
            with np.errstate(invalid="ignore"):
                inside = (np.abs(along) <= half[0]) & (np.abs(left) <= half[1]) & (np.abs(away[:, 2]) <= half[2])
            found.append(np.sort(near[inside]))
        return found

    def linear(self, matrix: np.ndarray) -> Boxes:
        """Under a linear map that keeps the vertical upright: turned, mirrored, scaled.

        Args:
            matrix: (3, 3), `points @ matrix.T`; tilts move the middles and nothing else.
        """
        scale = float(np.cbrt(abs(np.linalg.det(matrix))))
        ahead = np.stack([np.cos(self.headings), np.sin(self.headings)], 1) @ matrix[:2, :2].T
        return replace(
            self,
            centers=self.centers @ matrix.T,
            sizes=self.sizes * scale,
            headings=np.arctan2(ahead[:, 1], ahead[:, 0]),
            velocities=self.velocities @ matrix[:2, :2].T,
        )

    def moved(self, pose: np.ndarray) -> Boxes:
        """In another frame.

        Args:
            pose: (4, 4) from this frame to the other; rotation, uniform scale and shift.
        """
        turned = self.linear(np.asarray(pose, np.float64)[:3, :3])
        return replace(turned, centers=turned.centers + pose[:3, 3])
