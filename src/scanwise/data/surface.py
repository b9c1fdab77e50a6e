"""A scene's surface: its fine voxels, which of them are neighbours and which way they face, made once for everything.

    surface = Surface(scene)
    surface.centers, surface.neighbours, surface.normals
    scores[surface.finite] = scores_of_voxels[surface.voxels.of_point]

Tables are made when they are first asked for, and kept in the cache under the content that they depend on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from scanwise import cache
from scanwise.errors import InputError
from scanwise.geometry.neighbours import neighbour_table
from scanwise.geometry.normals import estimate_normals, inwards
from scanwise.geometry.voxels import Voxels, voxel_size_for, voxelize
from scanwise.scene import Scene, array_digest

VOXEL = 0.02  # metres
MOST_VOXELS = 400_000
NEIGHBOURS = 96  # of a voxel, for pooling
NORMAL_NEIGHBOURS = 24  # that a plane is laid through
_VERSION = "1"


class Surface:
    """The fine voxels of a scene's finite points.

    Attributes:
        scene: what it was made of.
        finite: (n,) int64 rows of the scene's finite points.
        voxels: of those points; twice as large, or four times, where there would be more than 400 000.
        centers: (M, 3) float32 metres, means of the points.
        colors: (M, 3) float32 0..255; None without colours.

    Raises:
        InputError: no point is finite.
    """

    def __init__(self, scene: Scene) -> None:
        if not scene.finite.any():
            raise InputError(f"{scene.name}: no point with finite coordinates in it")
        self.scene = scene
        self.finite = np.flatnonzero(scene.finite)
        self._points = scene.points[self.finite]
        self.voxels: Voxels = voxelize(self._points, voxel_size_for(self._points, VOXEL, MOST_VOXELS))
        self.centers = self.voxels.mean(self._points)
        self.colors = None if scene.colors is None else self.voxels.mean(scene.colors[self.finite])

    def __len__(self) -> int:
        return len(self.voxels)

    @cached_property
    def coords(self) -> np.ndarray:
        """(M, 3) int32 of the voxels, from 0."""
        return self.voxels.coords(self._points)

    @cached_property
    def content(self) -> str:
        """Hex digest of the columns that networks see: part of the key of whatever is cached for this surface."""
        scene = self.scene
        columns = (scene.points, scene.colors, scene.normals, scene.intensity)
        return cache.key_of(*("-" if column is None else array_digest(column) for column in columns))

    @cached_property
    def neighbours(self) -> np.ndarray:
        """(M, 96) int32 nearest other voxels of each, nearest first; (M, M) where there are no more than 96."""
        key = cache.key_of(_VERSION, array_digest(self.scene.points))
        return cache.arrays("neighbours", key, lambda: {"table": neighbour_table(self.centers, NEIGHBOURS)})["table"]

    def nearest(self, count: int) -> np.ndarray:
        """(M, count) int32 nearest other voxels: the first columns of `neighbours`, for whoever needs no more."""
        if "neighbours" in vars(self):
            return self.neighbours[:, :count]
        if count not in self._nearest:
            self._nearest[count] = neighbour_table(self.centers, count)
        return self._nearest[count]

    @cached_property
    def _nearest(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def normals(self) -> np.ndarray:
        """(M, 3) float32: means of the scene's; where it has none unit ones, estimated, whose sign means nothing."""
        if self.scene.normals is not None:
            return self.voxels.mean(self.scene.normals[self.finite])
        key = cache.key_of(_VERSION, array_digest(self.scene.points))
        return cache.arrays("normals", key, lambda: {"normals": self._estimated()})["normals"]

    def _estimated(self) -> np.ndarray:
        return estimate_normals(self.centers, self.nearest(NORMAL_NEIGHBOURS))

    def with_normals(self) -> Scene:
        """The scene, with the normals of its voxels where it has none, turned to the middle of the scene."""
        if self.scene.normals is not None:
            return self.scene
        normals = np.zeros((len(self.scene), 3), np.float32)
        normals[self.finite] = inwards(self.centers, self.normals)[self.voxels.of_point]
        return replace(self.scene, normals=normals)
