"""Sweeps with boxes into training samples, and the map that boxes are found on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from scanwise.data.augment import Augmentation
from scanwise.data.box_classes import boxes_of
from scanwise.data.clouds import Batch, Cloud, Sample, channels_of, collate, sample_of
from scanwise.errors import InputError
from scanwise.formats.kitti_object import in_picture
from scanwise.geometry.box_arrays import Boxes
from scanwise.methods.detect.losses import LEAST_RADIUS, draw_gaussian, gaussian_radius
from scanwise.methods.detect.recipe import DetectRecipe
from scanwise.scene import Scene

VALUES = ("x", "y", "z", "length", "width", "height", "sine", "cosine", "vx", "vy")
"""What is regressed at a cell: the middle from the cell's own, in cells, and above the ground there, metres; logarithms
of metres; the heading; metres per second."""
GROUND_WINDOW = 3  # cells to each side
GROUND_SHARE = 0.25  # quantile of the lowest points of those cells
STREETS = Augmentation(turn=True, flip=True, scale=(0.95, 1.05), jitter=0.01)


@dataclass(frozen=True)
class Grid:
    """A square map around the sensor.

    Attributes:
        reach: metres to each side.
        cell: edge in metres.
    """

    reach: float
    cell: float

    @property
    def side(self) -> int:
        """Cells along x, and along y."""
        return max(1, round(2 * self.reach / self.cell))

    def places(self, plan: np.ndarray) -> np.ndarray:
        """(N, 2) float64 column and row of points (N, 2) in metres; the middle of cell 0 is at 0."""
        return (np.asarray(plan, np.float64) + self.reach) / self.cell - 0.5

    def inside(self, points: np.ndarray) -> np.ndarray:
        """(N,) bool: which points (N, 2 or more) lie on it."""
        cells = np.round(self.places(points[:, :2]))
        return np.all((cells >= 0) & (cells < self.side), axis=1)

    def flat(self, plan: np.ndarray) -> np.ndarray:
        """(N,) int64 number of the cell, row by row, that each of the points (N, 2) is in, or is nearest to."""
        cells = np.clip(np.round(self.places(plan)), 0, self.side - 1).astype(np.int64)
        return cells[:, 1] * self.side + cells[:, 0]


@dataclass(frozen=True, eq=False)
class BoxSample:
    """A sweep on its way into the detector.

    Attributes:
        sample: its voxels on the map; `centers` are in the sensor's frame.
        cell: (m,) int64 cell of each voxel.
        ground: (H, W) float32 height of the ground, metres.
        heat: (K, H, W) float32, 1 at the cells of boxes' middles; None = nothing to teach.
        box_cell: (M,) int64 cell of each box; None likewise.
        values: (M, 10) float32, `VALUES` of each box, NaN = not known; None likewise.
    """

    sample: Sample
    cell: np.ndarray
    ground: np.ndarray
    heat: np.ndarray | None = None
    box_cell: np.ndarray | None = None
    values: np.ndarray | None = None

    @property
    def name(self) -> str:
        """Of the scene."""
        return self.sample.name


@dataclass(eq=False)
class BoxBatch:
    """Some sweeps.

    Attributes:
        clouds: their voxels.
        cell: (N,) int64 cell of each voxel, on its own map.
        ground: (B, H, W) float32.
        samples: what it was made of.
        heat: (B, K, H, W) float32; None where a sweep has none.
        box_cell: (M,) int64 cells of all boxes.
        box_map: (M,) int64 the map of each box.
        values: (M, 10) float32.
    """

    clouds: Batch
    cell: torch.Tensor
    ground: torch.Tensor
    samples: list[BoxSample]
    heat: torch.Tensor | None = None
    box_cell: torch.Tensor | None = None
    box_map: torch.Tensor | None = None
    values: torch.Tensor | None = None

    def to(self, device: torch.device | str) -> BoxBatch:
        """The tensors on a device."""
        moved: dict[str, Any] = {"clouds": self.clouds.to(device)}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, torch.Tensor):
                moved[entry.name] = value.to(device, non_blocking=True)
        return replace(self, **moved)


def sweep_sample(cloud: Cloud, recipe: DetectRecipe, name: str = "") -> BoxSample:
    """The voxels of a sweep on the map; their "height" is that above the ground of the place, as real streets slope.

    Args:
        cloud: in the sensor's frame.
        recipe: which map, which voxels.
        name: of the scene, for errors.

    Raises:
        InputError: no point lies on the map.
    """
    grid = Grid(recipe.reach, recipe.cell)
    rows = np.flatnonzero(grid.inside(cloud.points))
    if not len(rows):
        raise InputError(f"{name}: no point within {recipe.reach:g} m of the sensor; boxes are looked for around it")
    sample = sample_of(cloud.take(rows), recipe.voxel, recipe.features, name)
    cell = grid.flat(sample.centers[:, :2])
    ground = ground_map(cell, sample.centers[:, 2], grid.side)
    if "height" in recipe.features:
        feats = sample.feats.copy()
        feats[:, _column("height", recipe.features)] = sample.centers[:, 2] - ground.reshape(-1)[cell]
        sample = replace(sample, feats=feats)
    return BoxSample(sample, cell, ground)


def _column(feature: str, features: Sequence[str]) -> int:
    """The first channel of a feature."""
    return channels_of(features[: list(features).index(feature)])


def ground_map(cell: np.ndarray, heights: np.ndarray, side: int) -> np.ndarray:
    """(side, side) float32 height of the ground: a low quantile of the lowest points of the cells around each.

    Args:
        cell: (m,) cell of each point.
        heights: (m,) metres.
        side: cells along each side.
    """
    lowest = np.full(side * side, np.inf, np.float32)
    np.minimum.at(lowest, cell, heights.astype(np.float32))
    usual = np.float32(np.quantile(lowest[np.isfinite(lowest)], GROUND_SHARE))
    padded = np.pad(lowest.reshape(side, side), GROUND_WINDOW, constant_values=np.inf)
    width = 2 * GROUND_WINDOW + 1
    around = np.lib.stride_tricks.sliding_window_view(padded, (width, width)).reshape(side * side, -1)
    ordered = np.sort(around, axis=1)
    known = np.isfinite(ordered).sum(1)
    place = np.minimum((GROUND_SHARE * known).astype(np.int64), np.maximum(known - 1, 0))
    found = np.take_along_axis(ordered, place[:, None], 1)[:, 0]
    return np.where(known > 0, found, usual).reshape(side, side).astype(np.float32)


def with_labelled_points(scene: Scene) -> Scene:
    """The scene without points where objects have no boxes: of a frame of KITTI those outside its picture."""
    shown = in_picture(scene)
    if shown is None:
        return scene
    points = np.where(shown[:, None], scene.points, np.float32(np.nan))
    return replace(scene, points=points, source_points=scene.points_in_source())


@dataclass(frozen=True)
class MakeSample:
    """Scene and random numbers -> a sample to train on.

    Attributes:
        recipe: which voxels and map, and how the scene is changed.
    """

    recipe: DetectRecipe

    def __call__(self, scene: Scene, generator: np.random.Generator) -> BoxSample:
        """The voxels and boxes of a scene, changed at random.

        Raises:
            InputError: no point lies on the map.
        """
        scene = with_labelled_points(scene)
        boxes = boxes_of(scene.boxes, self.recipe.classes)
        boxes = boxes.take(boxes.classes >= 0)
        counts = np.array([len(rows) for rows in boxes.rows_inside(scene.points)], np.int64)
        boxes, cloud = boxes.take(counts >= self.recipe.least_points), Cloud.of(scene)
        if self.recipe.augment == "streets":
            matrix = STREETS.matrix(generator)
            boxes, cloud = boxes.linear(matrix), STREETS.changed(cloud, matrix, generator)
        return with_targets(sweep_sample(cloud, self.recipe, scene.name), boxes, self.recipe)


def with_targets(sweep: BoxSample, boxes: Boxes, recipe: DetectRecipe) -> BoxSample:
    """The sample with what is to be found in it.

    Args:
        sweep: of `sweep_sample`.
        boxes: in its frame, each of a class of the recipe; those off the map are passed over.
        recipe: which map.
    """
    grid = Grid(recipe.reach, recipe.cell)
    boxes = boxes.take(grid.inside(boxes.centers))
    heat = np.zeros((len(recipe.classes), grid.side, grid.side), np.float32)
    places = grid.places(boxes.centers[:, :2])
    middle = np.round(places)
    for place, size, index in zip(middle, boxes.sizes, boxes.classes, strict=True):
        radius = max(LEAST_RADIUS, gaussian_radius(size[0] / recipe.cell, size[1] / recipe.cell))
        draw_gaussian(heat[index], place[0], place[1], radius)
    cell = grid.flat(boxes.centers[:, :2])
    values = np.concatenate(
        [
            places - middle,
            boxes.centers[:, 2:] - sweep.ground.reshape(-1)[cell][:, None],
            np.log(np.maximum(boxes.sizes, 0.01)),
            np.stack([np.sin(boxes.headings), np.cos(boxes.headings)], 1),
            boxes.velocities,
        ],
        axis=1,
    )
    return replace(sweep, heat=heat, box_cell=cell, values=values.astype(np.float32))


def collate_boxes(samples: Sequence[BoxSample]) -> BoxBatch:
    """One batch of sweeps."""
    batch = BoxBatch(
        collate([each.sample for each in samples]),
        torch.from_numpy(np.concatenate([each.cell for each in samples])),
        torch.from_numpy(np.stack([each.ground for each in samples])),
        list(samples),
    )
    heats, cells, values = ([getattr(each, key) for each in samples] for key in ("heat", "box_cell", "values"))
    if any(heat is None for heat in heats):
        return batch
    counts = torch.tensor([len(cell) for cell in cells])
    return replace(
        batch,
        heat=torch.from_numpy(np.stack(heats)),
        box_cell=torch.from_numpy(np.concatenate(cells)),
        box_map=torch.repeat_interleave(torch.arange(len(samples)), counts),
        values=torch.from_numpy(np.concatenate(values)),
    )
