"""`Mesh`: triangles with what a renderer needs to know about each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Mesh:
    """A textured triangle mesh, in metres.

    Attributes:
        vertices: (V, 3) float32.
        faces: (F, 3) int32 into `vertices`.
        normals: (F, 3, 3) float32, the unit normal at each corner of each face.
        colors: (F, 3) uint8 sRGB, used where a face has no texture.
        uv: (F, 3, 2) float32, (0, 0) = lower left corner of the picture, repeating.
        texture: (F,) int32 into `textures`, -1 = none.
        textures: uint8 (h, w, 4) sRGB and alpha; rays pass where alpha is below a half.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    textures: list[np.ndarray] = field(default_factory=list)

    @property
    def bounds(self) -> np.ndarray:
        """(2, 3): smallest and largest coordinates."""
        return np.stack([self.vertices.min(0), self.vertices.max(0)])

    def moved(self, pose: np.ndarray) -> Mesh:
        """The mesh under an affine (4, 4) `pose`."""
        linear = np.asarray(pose, np.float64)[:3, :3]
        normals = unit(self.normals.astype(np.float64) @ np.linalg.inv(linear))
        vertices = self.vertices.astype(np.float64) @ linear.T + np.asarray(pose)[:3, 3]
        return replace(self, vertices=vertices.astype(np.float32), normals=normals.astype(np.float32))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length 1; zero stays zero."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.where(length > 0, length, 1)


def dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) products of vectors (N, 3); a sum over an axis as short as theirs is slow."""
    return np.einsum("ij,ij->i", one, other)


def standing(x: float, y: float, z: float, angle: float) -> np.ndarray:
    """The (4, 4) pose of an upright thing at a point (metres), turned by an angle (radians) about the vertical."""
    pose = np.eye(4)
    cosine, sine = np.cos(angle), np.sin(angle)
    pose[:2, :2] = [[cosine, -sine], [sine, cosine]]
    pose[:3, 3] = x, y, z
    return pose


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) unit normals by the right-hand rule."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return unit(np.cross(b - a, c - a))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh with the faces of all, in order."""
    vertex_start = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    texture_start = np.cumsum([0] + [len(mesh.textures) for mesh in meshes])
    faces = [mesh.faces + start for mesh, start in zip(meshes, vertex_start, strict=False)]
    texture = [
        np.where(mesh.texture < 0, -1, mesh.texture + start) for mesh, start in zip(meshes, texture_start, strict=False)
    ]
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate(faces).astype(np.int32),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        colors=np.concatenate([mesh.colors for mesh in meshes]),
        uv=np.concatenate([mesh.uv for mesh in meshes]),
        texture=np.concatenate(texture).astype(np.int32),
        textures=[texture for mesh in meshes for texture in mesh.textures],
    )


def rectangle(
    corner: Sequence[float],
    right: Sequence[float],
    up: Sequence[float],
    *,
    color: Sequence[int] = (200, 200, 200),
    texture: np.ndarray | None = None,
    repeat: tuple[float, float] = (1.0, 1.0),
) -> Mesh:
    """A flat panel that faces `right` x `up`.

    Args:
        corner: where it starts, metres.
        right: one side.
        up: the other.
        color: sRGB, where there is no texture.
        texture: uint8 (h, w, 3 or 4), upright along `up`.
        repeat: how often the texture repeats along `right` and `up`.
    """
    start, along, upwards = (np.asarray(vector, np.float64) for vector in (corner, right, up))
    vertices = (start + np.stack([0 * along, along, along + upwards, upwards])).astype(np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * repeat
    return Mesh(
        vertices=vertices,
        faces=faces,
        normals=np.repeat(face_normals(vertices, faces)[:, None], 3, axis=1).astype(np.float32),
        colors=np.tile(np.asarray(color, np.uint8), (2, 1)),
        uv=square[faces].astype(np.float32),
        texture=np.full(2, -1 if texture is None else 0, np.int32),
        textures=[] if texture is None else [with_alpha(texture)],
    )


def box(low: Sequence[float], high: Sequence[float], color: Sequence[int] = (200, 200, 200)) -> Mesh:
    """An axis-aligned box of one colour, seen from outside."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    dx, dy, dz = (x1 - x0, 0, 0), (0, y1 - y0, 0), (0, 0, z1 - z0)
    sides = [
        ((x0, y0, z0), dx, dz),
        ((x1, y1, z0), (x0 - x1, 0, 0), dz),
        ((x0, y1, z0), (0, y0 - y1, 0), dz),
        ((x1, y0, z0), dy, dz),
        ((x0, y0, z1), dx, dy),
        ((x0, y1, z0), dx, (0, y0 - y1, 0)),
    ]
    return joined([rectangle(*side, color=color) for side in sides])


def with_alpha(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 (h, w, 3 or 4) as (h, w, 4)."""
    if picture.shape[2] == 4:
        return picture
    return np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], axis=2)
