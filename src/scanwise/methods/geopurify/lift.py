"""2D features onto 3D points, as GeoPurify lifts them (arXiv 2510.02186, section 3.1; `docs/geopurify.md`).

Each point is projected into each view and tested against the view's depth. The class scores of its views
are averaged, their arg-max is the point's consensus class, and the three views that score that class highest
give the point's feature, averaged with softmax weights of those scores. Points that no view sees take the
feature of the nearest seen point.

Points are taken in chunks and views one at a time, so memory grows neither with the number of views nor,
but for the result, with the number of points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from scanwise.errors import InputError
from scanwise.geometry.cameras import nearest_pixels, project, visible
from scanwise.scene import View, scale_intrinsics

TOP_VIEWS = 3
PAIRS = 8_000_000  # of a point and a view that are held at once
SCORES_HELD = 256e6  # bytes of class scores of views, which each chunk of points asks for twice

FeatureMap = Callable[[int], torch.Tensor]


@dataclass(frozen=True)
class Lifted:
    """What points are given.

    Attributes:
        features: (N, C) float16.
        seen: (N,) bool: a view saw the point itself.
    """

    features: np.ndarray
    seen: np.ndarray


def lift(
    points: np.ndarray,
    views: Sequence[View],
    feature_map: FeatureMap,
    class_scores: Callable[[torch.Tensor], torch.Tensor],
    *,
    device: str | torch.device = "cpu",
    progress: Callable[[float], None] = lambda done: None,
) -> Lifted:
    """Lifts the views' features onto points.

    Args:
        points: (N, 3) finite, metres, in scene coordinates.
        views: posed pictures, with depth or without.
        feature_map: view number -> (C, h, w) features of its image.
        class_scores: (n, C) features -> (n, V) logits of a fixed vocabulary, for the consensus.
        device: where the work is done.
        progress: told the share of the work that is done, 0..1.

    Raises:
        InputError: no view sees any point.
    """
    where = torch.device(device)
    if where.type == "mps":  # which has no float64
        where = torch.device("cpu")
    cameras = [_Camera(view, points) for view in views]
    scores_of = _Scores(feature_map, class_scores, where)
    features: np.ndarray | None = None
    seen = np.zeros(len(points), bool)
    size = int(np.clip(PAIRS // max(len(views), 1), 1 << 12, 1 << 16))
    for start in range(0, len(points), size):
        rows = slice(start, min(start + size, len(points)))
        chunk = torch.as_tensor(points[rows], dtype=torch.float64, device=where)
        fused, chunk_seen = _lift_chunk(chunk, cameras, feature_map, scores_of)
        if features is None:
            features = np.zeros((len(points), fused.shape[1]), np.float16)
        features[rows] = fused.half().cpu().numpy()
        seen[rows] = chunk_seen.cpu().numpy()
        progress(rows.stop / len(points))
    if features is None or not seen.any():
        raise InputError(
            "no picture sees any point of the cloud: do the poses and the cloud belong together, "
            "and is depth in the unit that the recording says?"
        )
    fill_unseen(points, features, seen)
    return Lifted(features, seen)


def fuse_views(features: torch.Tensor, scores: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The fusion rule on views that are all at hand.

    Args:
        features: (P, V, C) of P points in V views.
        scores: (P, V, K) of K classes.
        valid: (P, V) bool: the view sees the point.

    Returns:
        (P, C) fused features (not normalised) and (P,) int64 consensus classes. Every point needs a valid view.
    """
    consensus, agreement = consensus_of(scores, valid)
    best, index = agreement.topk(min(TOP_VIEWS, agreement.shape[1]), dim=1)
    chosen = features.gather(1, index[:, :, None].expand(-1, -1, features.shape[2]))
    return (chosen * best.softmax(1)[:, :, None]).sum(1), consensus


def consensus_of(scores: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The class with the highest mean score over valid views.

    Args:
        scores: (P, V, K) of P points in V views.
        valid: (P, V) bool.

    Returns:
        (P,) int64 class, and (P, V) each view's score of it, -inf where it is not valid.
    """
    mean = (scores * valid[:, :, None]).sum(1) / valid.sum(1, keepdim=True)
    consensus = mean.argmax(1)
    agreement = scores.gather(2, consensus[:, None, None].expand(-1, scores.shape[1], 1))[:, :, 0]
    return consensus, agreement.masked_fill(~valid, -torch.inf)


def lift_masks(
    points: torch.Tensor, seen: torch.Tensor, pixels: tuple[torch.Tensor, torch.Tensor], masks: MaskFeatures
) -> torch.Tensor:
    """Features of one view whose 2D model gives masks with an embedding each, as X-Decoder does.

    A pixel belongs to the mask with the highest score times probability, if its probability is a half or more there.
    A visible point takes the embedding of the mask that its pixel belongs to; one whose pixel belongs to none takes
    that of the nearest visible point that has one.

    Args:
        points: (N, 3) metres.
        seen: (N,) bool, those that are visible in the view.
        pixels: rows and columns (n,) of the visible points, in order.
        masks: of the view.

    Returns:
        (N, C) of length 1; zero for points that are not visible, and for all where no pixel belongs to a mask.
    """
    result = masks.embedding.new_zeros(len(points), masks.embedding.shape[1])
    owner = masks.owners()[pixels[0].long(), pixels[1].long()]
    covered = owner >= 0
    if not covered.any():
        return result
    rows = torch.nonzero(seen)[:, 0]
    found = masks.embedding[owner.clamp(min=0)]
    nearest = torch.cdist(points[rows[~covered]], points[rows[covered]]).argmin(1)
    found[~covered] = found[covered][nearest]
    result[rows] = torch.nn.functional.normalize(found, dim=1)
    return result


@dataclass(frozen=True)
class MaskFeatures:
    """Masks of a picture with an embedding each.

    Attributes:
        scores: (Q,) how sure the model is of each.
        logits: (Q, h, w) of the masks.
        embedding: (Q, C).
        size: (H, W) of the picture, to which the masks are enlarged.
    """

    scores: torch.Tensor
    logits: torch.Tensor
    embedding: torch.Tensor
    size: tuple[int, int]

    def owners(self) -> torch.Tensor:
        """(H, W) int64 mask of each pixel, -1 = none."""
        large = torch.nn.functional.interpolate(
            self.logits[None], self.size, mode="bicubic", align_corners=False, antialias=True
        )
        probability = large[0].sigmoid()
        best = (self.scores[:, None, None] * probability).argmax(0)
        sure = probability.gather(0, best[None])[0] >= 0.5
        return torch.where(sure, best, -1)


def fill_unseen(points: np.ndarray, features: np.ndarray, seen: np.ndarray) -> None:
    """Gives every unseen point the feature of the nearest seen one, in place.

    Args:
        points: (N, 3).
        features: (N, C), changed.
        seen: (N,) bool, at least one True.
    """
    from scipy.spatial import cKDTree

    if seen.all():
        return
    _, nearest = cKDTree(points[seen]).query(points[~seen], workers=-1)
    features[~seen] = features[np.flatnonzero(seen)[nearest]]


@torch.inference_mode()
def _lift_chunk(
    points: torch.Tensor,
    cameras: list[_Camera],
    feature_map: FeatureMap,
    scores_of: _Scores,
) -> tuple[torch.Tensor, torch.Tensor]:
    sights = [camera.sight(points) for camera in cameras]
    consensus, seen = _consensus(len(points), sights, scores_of)
    best, chosen = _best_views(len(points), sights, scores_of, consensus)
    weights = best.softmax(1).nan_to_num()
    fused: torch.Tensor | None = None
    for number, sight in enumerate(sights):
        picked = chosen == number
        rows = picked.any(1).nonzero()[:, 0]
        if fused is not None and len(rows) == 0:
            continue
        grid = feature_map(number).to(points.device, torch.float32)
        if fused is None:
            fused = points.new_zeros((len(points), grid.shape[0]), dtype=torch.float32)
        if len(rows):
            share = (weights[rows] * picked[rows]).sum(1, keepdim=True)
            fused[rows] += sight.sample(grid, rows, share)
    assert fused is not None
    return fused, seen


def _consensus(count: int, sights: list[_Sight], scores_of: _Scores) -> tuple[torch.Tensor, torch.Tensor]:
    """(n,) arg-max over classes of the mean class score of a point's views, and (n,) whether it has any."""
    total: torch.Tensor | None = None
    views = torch.zeros(count)
    for number, sight in enumerate(sights):
        if len(sight.rows) == 0:
            continue
        scores, size = scores_of(number)
        if total is None:
            total = scores.new_zeros((count, scores.shape[1]))
            views = views.to(scores.device)
        total.index_add_(0, sight.rows, scores[sight.cells(size)])
        views[sight.rows] += 1
    if total is None:
        return torch.zeros(count, dtype=torch.int64), views > 0
    return total.argmax(1), views > 0


def _best_views(
    count: int, sights: list[_Sight], scores_of: _Scores, consensus: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 3) highest scores of the consensus class, -inf where there are fewer views, and their view numbers."""
    best = torch.full((count, TOP_VIEWS), -torch.inf, device=consensus.device)
    chosen = torch.full((count, TOP_VIEWS), -1, dtype=torch.int64, device=consensus.device)
    for number, sight in enumerate(sights):
        rows = sight.rows
        if len(rows) == 0:
            continue
        scores, size = scores_of(number)
        score = scores[sight.cells(size), consensus[rows]]
        candidates = torch.cat([best[rows], score[:, None]], 1)
        numbers = torch.cat([chosen[rows], torch.full_like(rows[:, None], number)], 1)
        best[rows], order = candidates.topk(TOP_VIEWS, dim=1)
        chosen[rows] = numbers.gather(1, order)
    return best, chosen


class _Scores:
    """Class scores of the cells of views, made once where they are not too many.

    Args:
        feature_map: as of `lift`.
        class_scores: as of `lift`.
        device: where the work is done.
    """

    def __init__(
        self, feature_map: FeatureMap, class_scores: Callable[[torch.Tensor], torch.Tensor], device: torch.device
    ) -> None:
        self._feature_map, self._class_scores, self._device = feature_map, class_scores, device
        self._held: dict[int, tuple[torch.Tensor, tuple[int, int]]] = {}
        self._room = SCORES_HELD

    def __call__(self, number: int) -> tuple[torch.Tensor, tuple[int, int]]:
        """Of a view, the scores (h w, V) of its map's cells, and (h, w)."""
        if number in self._held:
            return self._held[number]
        grid = self._feature_map(number).to(self._device, torch.float32)
        scores = self._class_scores(grid.flatten(1).T)
        found = scores, (grid.shape[1], grid.shape[2])
        size = scores.numel() * scores.element_size()
        if size <= self._room:
            self._room -= size
            self._held[number] = found
        return found


@dataclass(frozen=True)
class _Sight:
    """What one view sees of a chunk.

    Attributes:
        rows: (n,) of visible points, ascending.
        where: (n, 2) float32 shares (y, x) of the image's height and width.
    """

    rows: torch.Tensor
    where: torch.Tensor

    def cells(self, size: tuple[int, int]) -> torch.Tensor:
        """(n,) flat index of the cell of a map of this height and width that holds each visible point."""
        height, width = size
        y = (self.where[:, 0] * height).long().clamp_(0, height - 1)
        x = (self.where[:, 1] * width).long().clamp_(0, width - 1)
        return y * width + x

    def sample(self, grid: torch.Tensor, rows: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        """(n, C) features at these n of the visible points, bilinear between cell centres, times (n, 1) shares."""
        _, height, width = grid.shape
        where = self.where[torch.searchsorted(self.rows, rows)]
        y = (where[:, 0] * height - 0.5).clamp_(0, height - 1)
        x = (where[:, 1] * width - 0.5).clamp_(0, width - 1)
        top, left = y.long().clamp_(max=max(height - 2, 0)), x.long().clamp_(max=max(width - 2, 0))
        fy, fx = y - top, x - left
        down, right = int(height > 1) * width, int(width > 1)
        corner = (top * width + left)[:, None] + torch.tensor([0, right, down, down + right], device=rows.device)
        weights = torch.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx], 1) * share
        # One pass over the table, without a copy of it for each corner: half of lifting went there.
        return embedding_bag(corner, grid.flatten(1).T.contiguous(), mode="sum", per_sample_weights=weights)


class _Camera:
    """One view's geometry; its depth is decoded when a chunk is in front of it."""

    def __init__(self, view: View, points: np.ndarray) -> None:
        self.view = view
        self.height, self.width = view.image_size
        self._all_points = points

    def sight(self, points: torch.Tensor) -> _Sight:
        pixel, z = project(points, self.view.intrinsics, np.linalg.inv(self.view.camera_to_world))
        where = (pixel + 0.5) / torch.tensor([self.width, self.height], device=points.device)
        inside = (z > 0.05) & (where > 0).all(1) & (where < 1).all(1)
        rows = inside.nonzero()[:, 0]
        if len(rows):
            rows = rows[self._unoccluded(points[rows])]
        return _Sight(rows, where[rows].flip(1).float())

    def _unoccluded(self, points: torch.Tensor) -> torch.Tensor:
        depth = self.view.depth
        if depth is None:
            depth, intrinsics, pose = self._depth_of_cloud()
        else:
            intrinsics, pose = self.view.depth_camera((depth.shape[0], depth.shape[1]))
        pixel, z = project(points, intrinsics, np.linalg.inv(pose))
        return visible(torch.as_tensor(depth, device=points.device), pixel, z)

    def _depth_of_cloud(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A coarse depth map of the cloud itself, for recordings without depth; its camera."""
        height, width = -(-self.height // 8), -(-self.width // 8)
        intrinsics = scale_intrinsics(self.view.intrinsics, (self.height, self.width), (height, width))
        pose = self.view.camera_to_world
        pixel, z = project(torch.as_tensor(self._all_points, dtype=torch.float64), intrinsics, np.linalg.inv(pose))
        row, column, inside = nearest_pixels(pixel, (height, width))
        inside &= z > 0.05
        nearest = torch.full((height * width,), torch.inf, dtype=torch.float64)
        nearest.scatter_reduce_(0, (row * width + column)[inside], z[inside], "amin")
        depth = nearest.nan_to_num(posinf=0).reshape(height, width).float().numpy()
        return depth, intrinsics, pose
