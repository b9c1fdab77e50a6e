"""Objects by their middles on a bird's-eye map: the head of CenterPoint (arXiv 2006.11275) on a point backbone.

The backbone's features of each voxel, with where the voxel lies in its cell and above the ground, are pooled into the
cells of a square map around the sensor; a small 2D network looks around, and at each cell says for each class whether
an object's middle is there, and for the object its offset, height, size, heading and velocity.

Where it differs from the paper: voxels of a transformer in place of its sparse convolutions, one group of heads for all
classes, heights above the ground of the place in place of the sensor's, no second stage.

Shapes: B sweeps, N voxels, K classes, H x W cells (rows along y, columns along x).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scanwise.data.clouds import channels_of
from scanwise.geometry.box_arrays import Boxes
from scanwise.methods.detect.data import VALUES, BoxBatch, Grid
from scanwise.methods.detect.losses import box_loss, focal_loss
from scanwise.methods.detect.recipe import DetectRecipe
from scanwise.nn.backbone import build_backbone
from scanwise.nn.sparse import SparseTensor
from scanwise.training.checkpoints import load_model

PRIOR = 0.02
"""Probability of an object that every cell begins with."""
APART = {
    "car": 2.0, "truck": 3.5, "bus": 3.2, "trailer": 4.0, "construction_vehicle": 3.5, "pedestrian": 0.45,
    "motorcycle": 0.9, "bicycle": 0.9, "traffic_cone": 0.45, "barrier": 1.0,
}  # fmt: skip
"""Metres within which a less sure detection of the same class is taken for the same object."""
_LOG_SIZE = (math.log(1e-2), math.log(40.0))
_PLACE = 5  # numbers that say where a voxel lies


class Detector(nn.Module):
    """Sweeps to boxes.

    Args:
        recipe: which backbone, map and classes.
    """

    def __init__(self, recipe: DetectRecipe) -> None:
        super().__init__()
        self.recipe, self.classes, self.grid = recipe, list(recipe.classes), Grid(recipe.reach, recipe.cell)
        inputs = channels_of(recipe.features)
        self.backbone = build_backbone(recipe.backbone, inputs, decoder=recipe.decoder, drop_path=recipe.drop_path)
        self.norm = nn.LayerNorm(self.backbone.channels)
        self.into_map = nn.Linear(self.backbone.channels + _PLACE, recipe.channels)
        self.map = MapNetwork(recipe.channels)
        self.heat = _head(recipe.channels, len(self.classes))
        self.values = _head(recipe.channels, len(VALUES))
        nn.init.constant_(self.heat[-1].bias, -math.log(1 / PRIOR - 1))  # type: ignore[arg-type]
        self.backbone.requires_grad_(not recipe.freeze)

    def forward(self, batch: BoxBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, K, H, W) of the classes, and `VALUES` (B, 10, H, W)."""
        seen = self.map(self.pooled(batch))
        return self.heat(seen).float(), self.values(seen).float()

    def pooled(self, batch: BoxBatch) -> torch.Tensor:
        """The map (B, C, H, W) of the highest of each channel over the voxels of a cell; 0 where there are none."""
        clouds, side = batch.clouds, self.grid.side
        voxels = SparseTensor(clouds.coords, clouds.feats, clouds.batch)
        if self.recipe.freeze:
            self.backbone.eval()
            with torch.no_grad():
                feats = self.backbone(voxels)
        else:
            feats = self.backbone(voxels)
        cell = clouds.batch * side**2 + batch.cell
        given = torch.cat([self.norm(feats), self._places(batch, cell)], 1)
        rows = functional.relu(self.into_map(given)).float()
        flat = rows.new_zeros(len(batch.ground) * side**2, rows.shape[1])
        flat = flat.scatter_reduce(0, cell[:, None].expand_as(rows), rows, "amax")
        return flat.view(len(batch.ground), side, side, -1).permute(0, 3, 1, 2)

    def _places(self, batch: BoxBatch, cell: torch.Tensor) -> torch.Tensor:
        """(N, 5): x and y from the middle of the cell, in cells; height above the ground; the middle's direction."""
        side, centers = self.grid.side, batch.clouds.centers
        middle = torch.stack([batch.cell % side, batch.cell // side], 1).to(centers.dtype)
        middle = (middle + 0.5) * self.grid.cell - self.grid.reach
        above = centers[:, 2:] - batch.ground.reshape(-1)[cell][:, None]
        inside = (centers[:, :2] - middle) / self.grid.cell
        return torch.cat([inside, above, middle / self.grid.reach], 1)

    def training_step(self, batch: BoxBatch, progress: float) -> dict[str, torch.Tensor]:
        """Focal loss of the heat maps, and L1 of the boxes, over the whole batch on all processes.

        Args:
            batch: with targets.
            progress: share of the run that is done; nothing depends on it.

        Returns:
            "loss", and its parts, for the log.
        """
        assert batch.heat is not None
        assert batch.box_cell is not None
        assert batch.box_map is not None
        assert batch.values is not None
        logits, values = self(batch)
        at_boxes = values.flatten(2)[batch.box_map, :, batch.box_cell]
        weights = values.new_ones(len(VALUES))
        weights[-2:] = self.recipe.velocity
        heat, boxes = focal_loss(logits, batch.heat), box_loss(at_boxes, batch.values, weights)
        return {"loss": heat + self.recipe.regression * boxes, "heat": heat.detach(), "boxes": boxes.detach()}

    @torch.no_grad()
    def detect(self, batch: BoxBatch, least_score: float | None = None) -> list[Boxes]:
        """The boxes of each sweep, in its frame, the surest first.

        Args:
            batch: of sweeps.
            least_score: 0..1; None = the recipe's.
        """
        logits, values = self(batch)
        least = self.recipe.least_score if least_score is None else least_score
        return [
            self._decode(heat, found, ground, least)
            for heat, found, ground in zip(logits.sigmoid(), values, batch.ground, strict=True)
        ]

    def _decode(self, heat: torch.Tensor, values: torch.Tensor, ground: torch.Tensor, least: float) -> Boxes:
        """Boxes at the peaks (K, H, W) of a map."""
        side, reach, size = self.grid.side, self.grid.reach, self.grid.cell
        peaks = heat * (functional.max_pool2d(heat[None], 3, 1, 1)[0] == heat)
        scores, places = peaks.flatten().topk(min(3 * self.recipe.most_boxes, peaks.numel()))
        kept = scores >= max(least, 1e-6)
        scores, places = scores[kept], places[kept]
        classes, cell = places // side**2, places % side**2
        found = values.flatten(1)[:, cell].T.double().cpu().numpy()
        height = ground.reshape(-1)[cell].double().cpu().numpy()
        column, row = (cell % side).cpu().numpy(), (cell // side).cpu().numpy()
        boxes = Boxes(
            np.stack(
                [
                    (column + 0.5 + found[:, 0]) * size - reach,
                    (row + 0.5 + found[:, 1]) * size - reach,
                    height + found[:, 2],
                ],
                1,
            ),
            np.exp(np.clip(found[:, 3:6], *_LOG_SIZE)),
            np.arctan2(found[:, 6], found[:, 7]),
            found[:, 8:10],
            classes.cpu().numpy(),
            scores.double().cpu().numpy(),
        )
        return boxes.take(apart(boxes, [APART[name] for name in self.classes])[: self.recipe.most_boxes])


def apart(boxes: Boxes, distances: list[float]) -> np.ndarray:
    """Rows, the surest first, of the boxes that no surer one of their class is too near to (circle NMS).

    Args:
        boxes: with scores.
        distances: (K,) metres in the plan for each class.
    """
    order = np.argsort(-boxes.scores, kind="stable")
    keep = np.zeros(len(boxes), bool)
    for index, distance in enumerate(distances):
        rows = order[boxes.classes[order] == index]
        plan = boxes.centers[rows, :2]
        near = np.linalg.norm(plan[:, None] - plan[None], axis=2) < distance
        free = np.ones(len(rows), bool)
        for place, row in enumerate(rows.tolist()):
            if free[place]:
                keep[row] = True
                free &= ~near[place]
    return order[keep[order]]


class MapNetwork(nn.Module):
    """A map (B, C, H, W) seen at its own and at half its resolution, and put together again.

    Args:
        channels: C, a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Sequential(_layer(channels, channels), _layer(channels, channels))
        self.wide = nn.Sequential(
            _layer(channels, 2 * channels, stride=2), *(_layer(2 * channels, 2 * channels) for _ in range(3))
        )
        self.both = _layer(3 * channels, channels)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W)."""
        near = self.near(seen)
        wide = functional.interpolate(self.wide(near), size=near.shape[2:], mode="nearest")
        return self.both(torch.cat([near, wide], 1))


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(8, outputs), nn.ReLU())


def _head(channels: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_layer(channels, channels), nn.Conv2d(channels, outputs, 1))


def load_detector(path: Path) -> Detector:
    """A trained detector.

    Args:
        path: a checkpoint, a run's folder, or shipped weights by name.

    Raises:
        InputError: no such file, damaged, or of something else.
    """
    return load_model(
        path, "detect", lambda found: Detector(DetectRecipe.model_validate(found.facts["recipe"])),
        made_by="train detect", called="detector",
    )  # fmt: skip
