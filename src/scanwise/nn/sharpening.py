"""Sharper edges for coarse masks: their scores pooled over the fine surface around them.

LESS's weak side is the mask's edge (arXiv 2410.13294: Acc@0.5 below the two-stage methods); a network of 8 cm voxels
cannot do better. So a second pass pools the scores as in GeoPurify (arXiv 2510.02186, section 3.3): each fine voxel
takes the mean of its neighbours', weighted by how alike normals and colours are.
"""

from __future__ import annotations

import numpy as np
import torch

from scanwise.data.surface import Surface
from scanwise.nn.pooling import affinity, hand_made_embedding

NEIGHBOURS = 24
APPLICATIONS = 24  # with the other numbers here chosen on six validation rooms of Rooms-1, see docs/results/less.md
_SUREST = 3.0  # logit, so that no voxel outweighs all others
_STEPS = np.stack(np.meshgrid(*3 * [[-1, 0, 1]]), -1).reshape(-1, 3)


class Sharpener:
    """Sharpens any number of masks of one scene.

    Args:
        surface: of the scene.
        reach: metres around a mask in which it may change: the voxel of the network that gave the scores.
        neighbours: of a voxel, that its logit becomes the mean of.
        applications: how often.
    """

    def __init__(
        self, surface: Surface, reach: float, *, neighbours: int = NEIGHBOURS, applications: int = APPLICATIONS
    ) -> None:
        self.surface, self._applications = surface, applications
        self._table = surface.nearest(neighbours)
        self._weights = affinity(hand_made_embedding(surface.normals, surface.colors), self._table).numpy()
        cells = np.floor((surface.centers - surface.centers.min(0)) / reach).astype(np.int64) + 1
        across = cells.max(0) + 2
        one = np.array([across[1] * across[2], across[2], 1])
        self._occupied, self._of_voxel = np.unique(cells @ one, return_inverse=True)
        self._steps = _STEPS @ one  # from a cell's number to those of the 27 cells that touch it

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Pools scores on and around their mask (above 0.5), which keeps its size in voxels.

        Pooling alone would eat up what is small.

        Args:
            scores: (N,) float32 probabilities of the scene's points.

        Returns:
            (N,) float32, as they were away from the mask.
        """
        from scipy.sparse import csr_array  # here, as labels do not need it

        voxels, finite = self.surface.voxels, self.surface.finite
        probabilities = voxels.mean(scores[finite])[:, 0]
        around = self._around(probabilities > 0.5)
        logits = torch.from_numpy(probabilities).logit().clamp(-_SUREST, _SUREST).numpy()
        table, weights = self._table[around], self._weights[around]
        ends = np.arange(0, table.size + 1, table.shape[1])
        matrix = csr_array((weights.ravel(), table.ravel(), ends), shape=(len(around), len(logits)))
        for _ in range(self._applications):
            logits[around] = matrix @ logits
        if len(around):
            size = min(int((probabilities > 0.5).sum()), len(around) - 1)
            logits[around] -= np.partition(logits[around], len(around) - 1 - size)[len(around) - 1 - size]
        changed = np.zeros(len(probabilities), bool)
        changed[around] = True
        rows = changed[voxels.of_point]
        sharp = scores.copy()
        sharp[finite[rows]] = torch.from_numpy(logits).sigmoid().numpy()[voxels.of_point[rows]]
        return sharp

    def _around(self, mask: np.ndarray) -> np.ndarray:
        """Rows of the voxels in the cells of a mask (M,) and in the cells that touch them."""
        touched = np.unique(self._occupied[np.unique(self._of_voxel[mask])][:, None] + self._steps)
        return np.flatnonzero(np.isin(self._occupied, touched)[self._of_voxel])
