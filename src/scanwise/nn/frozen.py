"""A backbone as it is, for whoever wants its features of a scene."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from scanwise.data.clouds import Cloud, Sample, sample_of
from scanwise.errors import ScanwiseWarning
from scanwise.nn.backbone import Backbone
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.tiles import sum_over_tiles
from scanwise.scene import Scene


@dataclass(frozen=True, eq=False)
class Frozen:
    """A backbone as it is, and how scenes become its inputs.

        sample, feats = Frozen(backbone, 0.08, ("color", "normal")).encode(scene)
        of_points = feats[sample.of_point]

    Attributes:
        backbone: the network.
        voxel: edge in metres.
        features: inputs of each voxel, of `data.clouds.FEATURES`.
        most_voxels: larger scenes are taken in overlapping tiles, whose features are averaged.
    """

    backbone: Backbone
    voxel: float
    features: tuple[str, ...]
    most_voxels: int = 120_000

    def encode(self, scene: Scene) -> tuple[Sample, np.ndarray]:
        """The scene's voxels, and (m, C) float32 features of them."""
        sample = sample_of(Cloud.of(scene), self.voxel, self.features, scene.name)
        total, times = sum_over_tiles(
            self.backbone, sample, self.most_voxels,
            lambda batch: self.backbone(SparseTensor(batch.coords, batch.feats, batch.batch)),
        )  # fmt: skip
        return sample, total / times

    def warn_of_missing(self, scene: Scene) -> None:
        """Warns of each input that the scene does not have and the backbone was trained with."""
        columns = {"color": scene.colors, "normal": scene.normals, "intensity": scene.intensity}
        for name in self.features:
            if name in columns and columns[name] is None:
                text = f"{scene.name}: has no {name}, which the model was trained with; its features will be weaker"
                warnings.warn(text, ScanwiseWarning, stacklevel=2)
