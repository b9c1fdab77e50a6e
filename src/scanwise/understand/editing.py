"""Masks of points edited on a scan's surface: grown, shrunk, split; painted with a brush.

Shapes: N points of a scan, M voxels of its surface, P parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.geometry.objects import connected_parts
from scanwise.scene import Scene
from scanwise.understand.corrections import Correction
from scanwise.understand.labels import Labels
from scanwise.understand.things import Things

if TYPE_CHECKING:
    from scanwise.understand.prepared import Prepared

_AROUND = 12  # nearest voxels that a step reaches
_FAR = 1.8  # voxels: diagonals; what lies further is two steps away, or another surface
_CRUMB = 20  # points; smaller pieces stay with the piece beside them


def grow(surface: Surface, mask: np.ndarray, steps: int = 1) -> np.ndarray:
    """(N,) bool: the mask, and what lies around it on the surface.

    Args:
        surface: of the scan.
        mask: (N,) bool.
        steps: each reaches a voxel further, 2 cm in most scans.
    """
    voxels = _inside(surface, mask) > 0
    for _ in range(steps):
        voxels |= _next_to(surface, voxels)
    return _of_points(surface, voxels) | mask


def shrink(surface: Surface, mask: np.ndarray, steps: int = 1) -> np.ndarray:
    """(N,) bool: the mask without its border to the rest of the surface.

    Args:
        surface: of the scan.
        mask: (N,) bool.
        steps: as of `grow`.
    """
    outside = 2 * _inside(surface, mask) < surface.voxels.counts
    for _ in range(steps):
        outside |= _next_to(surface, outside)
    return mask & ~_of_points(surface, outside)


def shrink_corrections(
    labels: Labels, surface: Surface, mask: np.ndarray, steps: int = 1, *, author: str = ""
) -> list[Correction]:
    """The corrections that shrink a thing: what is left of it, and its border, which goes to what lies beside.

    Args:
        labels: of the scan.
        surface: of the scan.
        mask: (N,) bool, the thing.
        steps: as of `grow`.
        author: of the corrections.

    Raises:
        InputError: the thing has no word, or nothing would be left of it.
    """
    words = labels.indices[mask & (labels.indices >= 0)]
    if not len(words):
        raise InputError("these points have no word; give them one first")
    kept = shrink(surface, mask, steps)
    if not kept.any():
        raise InputError("nothing would be left of it; take its word away instead")
    word = labels.texts[int(np.bincount(words).argmax())]
    result = [Correction("word", kept, word, how="shrink", whole=True, author=author)]
    border = mask & ~kept
    around = grow(surface, mask) & ~mask
    others = labels.indices[around]
    if not border.any() or not (others >= 0).any():
        return result
    for other, part in _nearest_words(labels, np.flatnonzero(around & (labels.indices >= 0)), border):
        result.append(Correction("word", part, labels.texts[other], how="shrink", author=author))
    return result


def thing_at(labels: Labels, row: int) -> np.ndarray:
    """(N,) bool: the object that a point is of; that point alone where it is of none.

    Args:
        labels: of the scan.
        row: of the point.

    Raises:
        InputError: there is no such point.
    """
    if not 0 <= row < len(labels.object_of):
        raise InputError(f"point {row}: the scan has points 0 to {len(labels.object_of) - 1}")
    if labels.object_of[row] < 0:
        return np.arange(len(labels.object_of)) == row
    return np.asarray(labels.object_of == labels.object_of[row])


def split_thing(prepared: Prepared, mask: np.ndarray) -> list[np.ndarray]:
    """What a thing falls into: at the coarsest scale at which it is more than one thing, down to its parts.

    Args:
        prepared: the scan.
        mask: (N,) bool, the thing.

    Returns:
        Masks (N,) bool that make up the thing, the largest first; one where it cannot be split.
    """
    scene, surface, things = prepared.scene, prepared.surface, prepared.things
    rows = np.flatnonzero(mask & scene.finite)
    part_of = np.full(len(scene), -1, np.int64)
    if isinstance(things, Things):
        part_of[surface.finite] = things.of_voxel[surface.voxels.of_point]
        for groups in [*reversed(things.scales), np.arange(len(things))]:
            pieces = _pieces(scene.points, rows, np.asarray(groups)[part_of[rows]])
            if len(pieces) > 1:
                return [_mask(len(scene), piece) for piece in pieces]
    names = np.zeros(len(rows), np.int64)
    place = np.full(len(scene), -1, np.int64)
    place[rows] = np.arange(len(rows))
    for number, part in enumerate(connected_parts(scene.points, rows)):
        names[place[part]] = number
    return [_mask(len(scene), piece) for piece in _pieces(scene.points, rows, names)]


def brush(scene: Scene, centers: np.ndarray, radius: float, visible: np.ndarray | None = None) -> np.ndarray:
    """(N,) bool: the points within a brush that is drawn over a scan.

    Args:
        scene: the scan.
        centers: (k, 3) of the brush along its way, in the frame of the scan's own file.
        radius: of the brush, metres.
        visible: (N,) bool, points that it may take, such as those that are not hidden; None = all.

    Raises:
        InputError: no point is in it.
    """
    from scipy.spatial import cKDTree

    centers = np.asarray(centers, np.float64).reshape(-1, 3)
    if not len(centers) or not np.isfinite(centers).all() or not radius > 0:
        raise InputError("a brush has at least one place, and a radius above 0")
    points = np.asarray(scene.points_in_source(), np.float64)
    reach = radius * float(np.linalg.norm(scene.to_source[:3, 0]))
    near = scene.finite & ((points >= centers.min(0) - reach) & (points <= centers.max(0) + reach)).all(1)
    rows = np.flatnonzero(near if visible is None else near & visible)
    distance = cKDTree(centers).query(points[rows], distance_upper_bound=reach)[0] if len(rows) else np.zeros(0)
    mask = _mask(len(scene), rows[distance <= reach])
    if not mask.any():
        raise InputError("no point is under the brush; coordinates are those of the scan's own file")
    return mask


def _inside(surface: Surface, mask: np.ndarray) -> np.ndarray:
    """(M,) points of each voxel that are in a mask (N,) bool."""
    return np.bincount(surface.voxels.of_point, mask[surface.finite], minlength=len(surface))


def _next_to(surface: Surface, voxels: np.ndarray) -> np.ndarray:
    """(M,) bool: voxels a step away from some (M,) bool, in either direction of the table of neighbours."""
    table = np.asarray(surface.nearest(_AROUND))
    reach = _FAR * surface.voxels.size
    result = np.zeros(len(voxels), bool)
    for column in table.T:
        close = np.linalg.norm(surface.centers - surface.centers[column], axis=1) <= reach
        result |= close & voxels[column]
        result[column[close & voxels]] = True
    return result


def _of_points(surface: Surface, voxels: np.ndarray) -> np.ndarray:
    result = np.zeros(len(surface.scene), bool)
    result[surface.finite] = voxels[surface.voxels.of_point]
    return result


def _mask(count: int, rows: np.ndarray) -> np.ndarray:
    result = np.zeros(count, bool)
    result[rows] = True
    return result


def _pieces(points: np.ndarray, rows: np.ndarray, names: np.ndarray) -> list[np.ndarray]:
    """Rows (n,) by their names (n,), the largest first; crumbs go to the piece whose points are nearest."""
    from scipy.spatial import cKDTree

    order = np.argsort(names, kind="stable")
    pieces = np.split(rows[order], np.cumsum(np.unique(names, return_counts=True)[1])[:-1])
    large = sorted((piece for piece in pieces if len(piece) >= _CRUMB), key=lambda piece: -len(piece))
    crumbs = [piece for piece in pieces if len(piece) < _CRUMB]
    if not large or not crumbs:
        return large or [rows]
    owner = np.repeat(np.arange(len(large)), [len(piece) for piece in large])
    loose = np.concatenate(crumbs)
    nearest = owner[cKDTree(points[np.concatenate(large)]).query(points[loose])[1]]
    return [np.concatenate([piece, loose[nearest == number]]) for number, piece in enumerate(large)]


def _nearest_words(labels: Labels, around: np.ndarray, border: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The words of the points around, each with the points of a border (N,) bool that lie nearest to it."""
    from scipy.spatial import cKDTree

    points = labels.scene.points
    rows = np.flatnonzero(border & labels.scene.finite)
    words = labels.indices[around][cKDTree(points[around]).query(points[rows])[1]] if len(rows) else rows
    return [(word, _mask(len(border), rows[words == word])) for word in np.unique(words).tolist()]
