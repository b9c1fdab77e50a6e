"""Simple solids of one colour, from which built-in pieces are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scanwise.synth.mesh import Mesh, face_normals, unit, with_alpha

Color = Sequence[int]
Point = Sequence[float]

_CORNERS = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float64)
_SIDES = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
_BLOCK = np.concatenate([_SIDES[:, [0, 1, 2]], _SIDES[:, [0, 2, 3]]])


def block(low: Point, high: Point, color: Color) -> Mesh:
    """A box along the axes."""
    return blocks(np.array([low]), np.array([high]), np.array([color]))


def blocks(low: np.ndarray, high: np.ndarray, colors: np.ndarray) -> Mesh:
    """Boxes along the axes.

    Args:
        low: (N, 3) corners.
        high: (N, 3) corners across from them.
        colors: (N, 3) or (3,) sRGB.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    vertices = low[:, None] + _CORNERS * (high - low)[:, None]
    faces = _BLOCK + 8 * np.arange(len(low))[:, None, None]
    per_face = np.repeat(np.broadcast_to(colors, (len(low), 3)), len(_BLOCK), axis=0)
    return flat(vertices.reshape(-1, 3), faces.reshape(-1, 3), per_face)


def flat(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | Color) -> Mesh:
    """Faces with hard edges; `colors` (F, 3) or one for all."""
    normals = np.repeat(face_normals(vertices, faces)[:, None], 3, axis=1)
    return _plain(vertices, faces, normals, colors)


def lathe(profile: Sequence[tuple[float, float]], color: Color, *, at: Point = (0, 0, 0), sides: int = 20) -> Mesh:
    """A solid of revolution about the vertical.

    Args:
        profile: (radius, z) from bottom to top of the outside, and, for a vessel, on down the inside.
        color: sRGB.
        at: where its axis stands.
        sides: corners of each ring.
    """
    radius, z = np.array(profile, np.float64).T
    angle = 2 * np.pi * np.arange(sides + 1) / sides
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    vertices = np.concatenate(
        [radius[:, None, None] * ring, np.broadcast_to(z[:, None, None], (len(z), sides + 1, 1))], axis=2
    )
    faces = _grid_faces(len(z), sides + 1)
    corners = vertices.reshape(-1, 3)[faces]
    level = np.diff(radius)[:, None], np.diff(z)[:, None]
    slope = np.concatenate([np.repeat(part, 2 * sides, axis=1).reshape(-1, 1) for part in level], axis=1)
    around = unit(np.where(np.abs(corners[..., :2]) > 0, corners[..., :2], 0))
    middle = unit(corners[..., :2].sum(1, keepdims=True))
    around = np.where((np.abs(around).sum(2) > 0)[..., None], around, middle)
    normals = unit(np.concatenate([around * slope[:, None, 1:], np.repeat(-slope[:, None, :1], 3, axis=1)], axis=2))
    kept = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) > 1e-12
    return _plain(vertices.reshape(-1, 3) + np.asarray(at), faces[kept], normals[kept], color)


def disc(radius: float, low: float, high: float, color: Color, *, at: Point = (0, 0, 0), sides: int = 20) -> Mesh:
    """An upright cylinder with its ends closed, between the heights `low` and `high` above `at`."""
    return lathe([(0, low), (radius, low), (radius, high), (0, high)], color, at=at, sides=sides)


def ball(radii: Point, color: Color, *, at: Point = (0, 0, 0), sides: int = 12) -> Mesh:
    """An ellipsoid with these half axes about `at`."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    mesh = lathe([(float(np.cos(a)), float(np.sin(a))) for a in angle], color, sides=sides)
    pose = np.diag([*radii, 1.0])
    pose[:3, 3] = at
    smooth = replace(mesh, normals=unit(mesh.vertices.astype(np.float64))[mesh.faces].astype(np.float32))
    return smooth.moved(pose)


def rod(start: Point, end: Point, radius: float, color: Color, *, sides: int = 8, tip: float | None = None) -> Mesh:
    """A round bar between two points; `tip` is the radius at its end, if another."""
    along = np.subtract(end, start, dtype=np.float64)
    length = float(np.linalg.norm(along))
    forward = along / length
    aside = unit(np.cross(forward, [0, 0, 1.0] if abs(forward[2]) < 0.9 else [1.0, 0, 0]))
    pose = np.eye(4)
    pose[:3, :3] = np.stack([aside, np.cross(forward, aside), forward], axis=1)
    pose[:3, 3] = start
    last = radius if tip is None else tip
    return lathe([(0, 0), (radius, 0), (last, length), (0, length)], color, sides=sides).moved(pose)


def sheet(grid: np.ndarray, color: Color) -> Mesh:
    """A smooth surface through a grid of points (h, w, 3)."""
    height, width = grid.shape[:2]
    faces = _grid_faces(height, width)
    vertices = np.asarray(grid, np.float64).reshape(-1, 3)
    own = face_normals(vertices, faces)
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, faces[:, corner], own)
    return _plain(vertices, faces, unit(total)[faces], color)


def prism(outline: Sequence[tuple[float, float]], low: float, high: float, color: Color, *, axis: str = "x") -> Mesh:
    """An outline swept along an axis from `low` to `high`: (y, z) for x, (x, z) for y, (x, y) for z.

    Its ends are fans from its mean, which must see all of it.
    """
    points = np.array(outline, np.float64)
    count = len(points)
    column = "xyz".index(axis)
    ends = [np.insert(np.concatenate([points, points.mean(0)[None]]), column, value, axis=1) for value in (low, high)]
    here = np.arange(count)
    after = (here + 1) % count
    sides = np.concatenate(
        [
            np.stack([here, after, after + count + 1], axis=1),
            np.stack([here, after + count + 1, here + count + 1], axis=1),
            np.stack([np.full(count, count), after, here], axis=1),
            np.stack([np.full(count, 2 * count + 1), here + count + 1, after + count + 1], axis=1),
        ]
    )
    return flat(np.concatenate(ends), sides, color)


def textured(mesh: Mesh, texture: np.ndarray, metres: float, *, grain: str = "z") -> Mesh:
    """The mesh with one texture all over, laid on from the axis that each face looks along most.

    `metres` is the texture's width in the world; its upright direction follows the axis `grain` where it can.
    """
    own = np.abs(face_normals(mesh.vertices, mesh.faces)).argmax(1)
    upright = "xyz".index(grain)
    axes = np.array([[(a, b) if b == upright else (b, a) for a, b in [[k for k in range(3) if k != axis]]]
                     for axis in range(3)])[:, 0]  # fmt: skip
    corners = mesh.vertices[mesh.faces]
    aspect = texture.shape[0] / texture.shape[1]
    uv = np.take_along_axis(corners, np.repeat(axes[own][:, None], 3, axis=1), axis=2) / (metres, metres * aspect)
    return replace(
        mesh, uv=uv.astype(np.float32), texture=np.zeros(len(mesh.faces), np.int32), textures=[with_alpha(texture)]
    )


def fitted(mesh: Mesh, size: Point) -> Mesh:
    """The mesh scaled along each axis to fill (x, y, z) metres, standing on z = 0 at x = y = 0."""
    low, high = mesh.bounds.astype(np.float64)
    scale = np.asarray(size, np.float64) / np.maximum(high - low, 1e-9)
    pose = np.diag([*scale, 1.0])
    pose[:3, 3] = -scale * [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
    return mesh.moved(pose)


def _grid_faces(height: int, width: int) -> np.ndarray:
    """Two triangles for each cell of a grid of vertices, row by row."""
    row, column = np.mgrid[: height - 1, : width - 1]
    start = (row * width + column).reshape(-1)
    lower = np.stack([start, start + 1, start + width + 1], axis=1)
    upper = np.stack([start, start + width + 1, start + width], axis=1)
    return np.stack([lower, upper], axis=1).reshape(-1, 3)


def _plain(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray, colors: np.ndarray | Color) -> Mesh:
    count = len(faces)
    return Mesh(
        vertices=vertices.astype(np.float32),
        faces=faces.astype(np.int32),
        normals=normals.astype(np.float32),
        colors=np.ascontiguousarray(np.broadcast_to(np.asarray(colors, np.uint8), (count, 3))),
        uv=np.zeros((count, 3, 2), np.float32),
        texture=np.full(count, -1, np.int32),
    )
