"""Two views of one cloud for learning without labels: crops, changed at random, of which blocks are masked.

Both views remember where their voxels were in the cloud, which says which of them show the same position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from scanwise.data.augment import Augmentation
from scanwise.data.clouds import FEATURES, Cloud, Sample, height_above_ground, sample_of
from scanwise.geometry.neighbours import nearest
from scanwise.geometry.voxels import Voxels
from scanwise.scene import Scene

VIEW_AUGMENTATIONS = {
    "none": Augmentation(),
    "rooms": Augmentation(
        turn=True, tilt=0.05, flip=True, scale=(0.9, 1.1), jitter=0.005, color_jitter=8, color_shift=25, contrast=0.3,
        drop_color=0.1, drop_normals=0.1,
    ),
    "streets": Augmentation(turn=True, tilt=0.02, flip=True, scale=(0.9, 1.1), jitter=0.02),
}  # fmt: skip
"""How each of two views is changed: more than what is trained on with labels, as the views are to differ."""


@dataclass(frozen=True, eq=False)
class MaskedView:
    """One view.

    Attributes:
        sample: all of its voxels, m of them, as a teacher sees them.
        origin: (m, 3) float32 metres, mean of each voxel's points in the cloud before it was changed.
        visible: (m,) bool, voxels that are not masked.
        student_feats: (m, C) float32, as a student has them: coordinates, where they are among the features, are
            about the middle of the visible voxels, so that nothing masked shows in them.
        student_coords: (m, 3) int32, as a student has them: those of masked voxels may be moved a little.
        match: (m,) int64, the voxel of the other view that shows the same position; -1 = none within one voxel.
    """

    sample: Sample
    origin: np.ndarray
    visible: np.ndarray
    student_feats: np.ndarray
    student_coords: np.ndarray
    match: np.ndarray

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True)
class MakeViews:
    """Scene and random numbers -> two masked views.

    Attributes:
        voxel: edge in metres.
        features: of FEATURES, inputs of each voxel.
        augment: how each view is changed.
        block: edge of the cubes that are masked, in metres.
        ratio: share of voxels that is masked, 0..1.
        crop: (least, most) share of the cloud's points in a view; the second is about a point of the first.
        points: most points of a scene that are used, drawn at random; 0 = all.
        token_jitter: metres, standard deviation by which masked voxels are moved.
    """

    voxel: float
    features: tuple[str, ...]
    augment: Augmentation
    block: float
    ratio: float
    crop: tuple[float, float] = (0.4, 0.8)
    points: int = 0
    token_jitter: float = 0.0

    def __call__(self, scene: Scene, generator: np.random.Generator) -> tuple[MaskedView, MaskedView]:
        """Two views of a scene."""
        cloud = replace(Cloud.of(scene), labels=None, instances=None)
        if 0 < self.points < len(cloud):
            cloud = cloud.take(np.sort(generator.choice(len(cloud), self.points, replace=False)))
        middle = cloud.points[int(generator.integers(len(cloud)))]
        first = self._crop(cloud, middle, generator)
        middle = first.points[int(generator.integers(len(first)))]
        second = self._crop(cloud, middle, generator)
        one, two = self._view(first, scene.name, generator), self._view(second, scene.name, generator)
        return (
            replace(one, match=nearest(one.origin, two.origin, self.voxel)),
            replace(two, match=nearest(two.origin, one.origin, self.voxel)),
        )

    def _crop(self, cloud: Cloud, middle: np.ndarray, generator: np.random.Generator) -> Cloud:
        """The points nearest, in the plan, to a middle."""
        count = max(1, round(generator.uniform(*self.crop) * len(cloud)))
        if count >= len(cloud):
            return cloud
        distance = np.square(cloud.points[:, :2] - middle[:2]).sum(1)
        return cloud.take(np.sort(np.argpartition(distance, count - 1)[:count]))

    def _view(self, cloud: Cloud, name: str, generator: np.random.Generator) -> MaskedView:
        sample = sample_of(self.augment(cloud, generator), self.voxel, self.features, name)
        visible = ~block_mask(sample.coords * self.voxel, self.block, self.ratio, generator)
        coords = sample.coords
        if self.token_jitter:
            coords = moved_voxels(coords, ~visible, self.token_jitter / self.voxel, generator)
        feats = about_the_visible(sample.feats, self.features, visible, sample.centers)
        voxels = Voxels(sample.of_point, np.bincount(sample.of_point), self.voxel)
        origin = voxels.mean(cloud.points)
        return MaskedView(sample, origin, visible, feats, coords, np.full(len(sample), -1))


def block_mask(positions: np.ndarray, block: float, ratio: float, generator: np.random.Generator) -> np.ndarray:
    """(m,) bool, True = masked: whole cubes in random order, as many as come nearest to the wanted share of voxels.

    Args:
        positions: (m, 3) of voxels, metres.
        block: edge of the cubes, metres, whose grid is shifted at random.
        ratio: share of voxels that is wanted, 0..1.
        generator: of random numbers.
    """
    cubes = np.floor((positions + generator.uniform(0, block, 3)) / block).astype(np.int64)
    _, cube, counts = np.unique(_keys(cubes), return_inverse=True, return_counts=True)
    order = generator.permutation(len(counts))
    masked_so_far = np.concatenate([[0], np.cumsum(counts[order])[:-1]])  # the last cube always stays visible
    chosen = order[: int(np.abs(masked_so_far - ratio * len(positions)).argmin())]
    return np.isin(cube.reshape(-1), chosen)


def moved_voxels(coords: np.ndarray, which: np.ndarray, spread: float, generator: np.random.Generator) -> np.ndarray:
    """Moves some voxels at random; one whose new position is taken stays.

    Args:
        coords: (m, 3) int32.
        which: (m,) bool, those that are moved.
        spread: standard deviation, voxels.
        generator: of random numbers.

    Returns:
        (m, 3) int32.
    """
    steps = np.rint(spread * np.clip(generator.standard_normal(coords.shape), -4, 4)).astype(coords.dtype)
    keys = _keys(np.concatenate([coords, coords + steps]))
    own, wanted = keys[: len(coords)], keys[len(coords) :]
    movable = np.flatnonzero(which & ~np.isin(wanted, own))
    _, first = np.unique(wanted[movable], return_index=True)
    result = coords.copy()
    result[movable[first]] += steps[movable[first]]
    return result


def about_the_visible(
    feats: np.ndarray, features: Sequence[str], visible: np.ndarray, centers: np.ndarray
) -> np.ndarray:
    """Features whose coordinates and heights, if they have any, are about the visible voxels' floor and ground.

    Args:
        feats: (m, C).
        features: what the C channels are, of FEATURES.
        visible: (m,) bool.
        centers: (m, 3) metres, of the voxels.

    Returns:
        (m, C).
    """
    if not visible.any():
        return feats
    result, start = feats.copy(), 0
    for feature in features:
        columns = slice(start, start + FEATURES[feature])
        start = columns.stop
        if feature == "coord":
            low, high = (edge(feats[visible, columns], 0) for edge in (np.min, np.max))
            result[:, columns] -= np.array([*((low + high) / 2)[:2], low[2]], np.float32)
        elif feature == "height":
            result[:, columns] = height_above_ground(centers, centers[visible])
    return result


def _keys(coords: np.ndarray) -> np.ndarray:
    """(m,) int64, one number for each different row of (m, 3) integers."""
    coords = coords.astype(np.int64) - coords.min(0)
    extent = coords.max(0) + 1
    return (coords[:, 0] * extent[1] + coords[:, 1]) * extent[2] + coords[:, 2]


@dataclass(eq=False)
class ViewBatch:
    """Views of B scenes: the first of each scene, then the second of each.

    Attributes:
        coords: (N, 3) int32, of whole views.
        feats: (N, C), of whole views.
        batch: (N,) int64 view of each voxel, 0..2B-1.
        view: (N,) int64, whether it is its scene's first (0) or second (1).
        visible: (N,) bool, as in `MaskedView`.
        student_feats: (N, C), as in `MaskedView`.
        student_coords: (N, 3) int32, as in `MaskedView`.
        match: (N,) int64 row of this batch that shows the same position in the other view; -1 = none.
        samples: one of each scene, for its name.
    """

    coords: torch.Tensor
    feats: torch.Tensor
    batch: torch.Tensor
    view: torch.Tensor
    visible: torch.Tensor
    student_feats: torch.Tensor
    student_coords: torch.Tensor
    match: torch.Tensor
    samples: list[Sample]

    def to(self, device: torch.device | str) -> ViewBatch:
        """The tensors on a device."""
        tensors: dict[str, Any] = {
            entry.name: getattr(self, entry.name).to(device, non_blocking=True)
            for entry in fields(self)
            if isinstance(getattr(self, entry.name), torch.Tensor)
        }
        return replace(self, **tensors)


def collate_views(pairs: Sequence[tuple[MaskedView, MaskedView]]) -> ViewBatch:
    """One flat batch of pairs of views."""
    views = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
    counts = np.array([len(view) for view in views])
    starts = np.cumsum(counts) - counts
    other = np.roll(starts, -len(pairs))  # where the other view of each begins
    match = [np.where(view.match < 0, -1, view.match + start) for view, start in zip(views, other, strict=True)]

    def tensor(columns: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(columns))

    cloud = torch.repeat_interleave(torch.arange(len(views)), torch.from_numpy(counts))
    return ViewBatch(
        coords=tensor([view.sample.coords for view in views]),
        feats=tensor([view.sample.feats for view in views]),
        batch=cloud,
        view=cloud // len(pairs),
        visible=tensor([view.visible for view in views]),
        student_feats=tensor([view.student_feats for view in views]),
        student_coords=tensor([view.student_coords for view in views]),
        match=tensor(match),
        samples=[pair[0].sample for pair in pairs],
    )
