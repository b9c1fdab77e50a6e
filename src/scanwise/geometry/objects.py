"""Objects in a per-point score: connected parts, and their boxes as they stand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scanwise.geometry.boxes import oriented_box
from scanwise.geometry.components import connected_points

REACH = 0.06  # metres: points in touching voxels of this edge belong to one part
FEWEST = 20  # points of a part that counts
_VERTICAL = 0.9  # cosine from which an axis is taken for the vertical one


@dataclass(frozen=True)
class FoundObject:
    """An object among scored points.

    Attributes:
        rows: (n,) rows of its points.
        score: mean of their scores.
        center: (3,) middle of the box, metres.
        size: (3,) of the box along its own axes, length at least width, metres.
        heading: radians of its length from the x axis, counter-clockwise seen from above; where x is vertical, from y.
        up: (3,) unit, the axis of its height.
    """

    rows: np.ndarray
    score: float
    center: np.ndarray
    size: np.ndarray
    heading: float
    up: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))

    def facts(self) -> dict[str, Any]:
        """For JSON, in its unit and radians, rounded."""
        return {
            "points": len(self.rows), "score": round(self.score, 4), "center": np.round(self.center, 4).tolist(),
            "size": np.round(self.size, 4).tolist(), "heading": round(self.heading, 4),
            "up": np.round(self.up, 4).tolist(),
        }  # fmt: skip

    def moved(self, transform: np.ndarray) -> FoundObject:
        """The same object in another frame and unit.

        Args:
            transform: (4, 4), whose axes stay square to each other.
        """
        if np.array_equal(transform, np.eye(4)):
            return self
        length = np.array([np.cos(self.heading), np.sin(self.heading), 0.0])
        axes = np.stack([length, np.cross(self.up, length), self.up]) @ transform[:3, :3].T
        scales = np.linalg.norm(axes, axis=1)
        length, _, up = axes / scales[:, None]
        center = transform[:3, :3] @ self.center + transform[:3, 3]
        start = np.eye(3)[1 if abs(up[0]) > _VERTICAL else 0]
        start = start - (start @ up) * up
        heading = float(np.arctan2(np.cross(start, length) @ up, start @ length) % np.pi)
        return replace(self, center=center, size=self.size * scales, heading=heading, up=up)


class Placed:
    """What has a place among scored points.

    Attributes:
        place: rows, centre, oriented box.
    """

    place: FoundObject

    @property
    def center(self) -> np.ndarray:
        """(3,) middle of the box."""
        return self.place.center

    @property
    def size(self) -> np.ndarray:
        """(3,) length, width and height of the box."""
        return self.place.size

    @property
    def heading(self) -> float:
        """Radians of its length, as of `FoundObject`."""
        return self.place.heading


def object_at(points: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> FoundObject:
    """What lies at some points.

    Args:
        points: (N, 3) metres.
        scores: (N,).
        rows: (n,) of the points, at least one.
    """
    return FoundObject(rows, float(scores[rows].mean()), *oriented_box(points[rows]))


def connected_objects(points: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> list[FoundObject]:
    """The connected parts of at least 20 points, the surest first: by score times root of the number of points.

    Args:
        points: (N, 3) metres.
        scores: (N,).
        rows: (n,) of the points that are looked at.
    """
    found = [object_at(points, scores, part) for part in connected_parts(points, rows) if len(part) >= FEWEST]
    return sorted(found, key=lambda each: -each.score * len(each.rows) ** 0.5)


def connected_parts(points: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Rows (n,) of points (N, 3), connected part by connected part."""
    if not len(rows):
        return []
    labels = connected_points(points[rows], REACH)
    return np.split(rows[np.argsort(labels, kind="stable")], np.cumsum(np.bincount(labels))[:-1])


def surest_part(points: np.ndarray, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The connected part with the greatest score; parts of fewer than 20 points count only where all are so small.

    Args:
        points: (N, 3) metres.
        scores: (N,).
        rows: (n,) of the points that are looked at, at least one.

    Returns:
        Those of the rows that are of it.
    """
    parts = connected_parts(points, rows)
    large = [part for part in parts if len(part) >= FEWEST] or parts
    return max(large, key=lambda part: (scores[part].max(), len(part)))
