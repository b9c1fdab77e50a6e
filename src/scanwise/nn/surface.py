"""A scene's surface in fine voxels: normals where a scan has none, and sharper edges for coarse masks.

LESS's weak side is the mask's edge (arXiv 2410.13294: Acc@0.5 below the two-stage methods); a network of 8 cm voxels
cannot do better. So a second pass pools the scores, as in GeoPurify (arXiv 2510.02186, section 3.3), over the surface
around the mask: each fine voxel takes the mean of its neighbours', weighted by how alike normals and colours are.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array

from scanwise import cache
from scanwise.errors import InputError
from scanwise.geometry.normals import estimate_normals, inwards
from scanwise.geometry.voxels import voxel_size_for, voxelize
from scanwise.nn.pooling import affinity, hand_made_embedding, neighbour_table
from scanwise.scene import Scene, array_digest

VOXEL = 0.02  # metres
NEIGHBOURS = 24
APPLICATIONS = 24  # with the other numbers here chosen on six validation rooms of Rooms-1, see docs/results/less.md
_MOST_VOXELS = 500_000
_VERSION = "1"
_SUREST = 3.0  # logit, so that no voxel outweighs all others
_STEPS = np.stack(np.meshgrid(*3 * [[-1, 0, 1]]), -1).reshape(-1, 3)


class Surface:
    """The fine voxels of a scene, and what lies next to what. Raises InputError where no point is finite."""

    def __init__(self, scene: Scene) -> None:
        if not scene.finite.any():
            raise InputError(f"{scene.name}: has no point with finite coordinates")
        self.scene = scene
        self.finite = np.flatnonzero(scene.finite)
        points = scene.points[self.finite]
        self.voxels = voxelize(points, voxel_size_for(points, VOXEL, _MOST_VOXELS))
        self.centers = self.voxels.mean(points)
        self._cells: dict[float, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}  # of the edges that were asked for

    @cached_property
    def neighbours(self) -> np.ndarray:
        """(M, K) rows of a voxel's nearest others."""
        return neighbour_table(self.centers, NEIGHBOURS)

    @cached_property
    def normals(self) -> np.ndarray:
        """(M, 3) of the voxels; estimated where the scan has none, turned to the middle of the scene, and kept in the
        cache."""
        if self.scene.normals is not None:
            return self.voxels.mean(self.scene.normals[self.finite])
        key = cache.key_of(_VERSION, str(NEIGHBOURS), array_digest(self.scene.points))
        return cache.arrays("normals", key, lambda: {"normals": self._estimated()})["normals"]

    def _estimated(self) -> np.ndarray:
        return inwards(self.centers, estimate_normals(self.centers, self.neighbours))

    @cached_property
    def weights(self) -> np.ndarray:
        """(M, K) of a voxel's nearest others; rows sum to 1."""
        colors = None if self.scene.colors is None else self.voxels.mean(self.scene.colors[self.finite])
        return affinity(hand_made_embedding(self.normals, colors), self.neighbours).numpy()

    def with_normals(self) -> Scene:
        """The scene, with the normals of its voxels where it has none."""
        if self.scene.normals is not None:
            return self.scene
        normals = np.zeros((len(self.scene), 3), np.float32)
        normals[self.finite] = self.normals[self.voxels.of_point]
        return replace(self.scene, normals=normals)

    def sharpened(self, scores: np.ndarray, reach: float) -> np.ndarray:
        """Probabilities (N,) float32 of the scene's points, pooled on and around the mask (above 0.5), which keeps its
        size in voxels: pooling alone would eat up what is small.

        Args:
            reach: metres around the mask in which it may change: the voxel of the network that gave the scores.
        """
        chances = self.voxels.mean(scores[self.finite])[:, 0]
        around = self._around(chances > 0.5, reach)
        logits = torch.from_numpy(chances).logit().clamp(-_SUREST, _SUREST).numpy()
        table, weights = self.neighbours[around], self.weights[around]
        ends = np.arange(0, table.size + 1, table.shape[1])
        matrix = csr_array((weights.ravel(), table.ravel(), ends), shape=(len(around), len(logits)))
        for _ in range(APPLICATIONS):
            logits[around] = matrix @ logits
        if len(around):
            size = min(int((chances > 0.5).sum()), len(around) - 1)
            logits[around] -= np.partition(logits[around], len(around) - 1 - size)[len(around) - 1 - size]
        changed = np.zeros(len(chances), bool)
        changed[around] = True
        rows = changed[self.voxels.of_point]
        sharp = scores.copy()
        sharp[self.finite[rows]] = torch.from_numpy(logits).sigmoid().numpy()[self.voxels.of_point[rows]]
        return sharp

    def _around(self, mask: np.ndarray, reach: float) -> np.ndarray:
        """Rows of the voxels in the cells of a mask (M,) and in the cells that touch them."""
        if reach not in self._cells:
            self._cells[reach] = self._in_cells(reach)
        occupied, of_voxel, steps = self._cells[reach]
        touched = np.unique(occupied[np.unique(of_voxel[mask])][:, None] + steps)
        return np.flatnonzero(np.isin(occupied, touched)[of_voxel])

    def _in_cells(self, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of the occupied cells of this edge, the place of each voxel's among them, and what leads to the
        27 cells that touch one."""
        cells = np.floor((self.centers - self.centers.min(0)) / reach).astype(np.int64) + 1
        across = cells.max(0) + 2
        one = np.array([across[1] * across[2], across[2], 1])
        return *np.unique(cells @ one, return_inverse=True), _STEPS @ one
