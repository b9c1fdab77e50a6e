"""Normals of a scan that has none, sharper edges of coarse masks, and where voxels are."""

import numpy as np
import torch

from scanwise.data.surface import Surface
from scanwise.methods.less.positions import Places
from scanwise.nn.sharpening import Sharpener
from scanwise.scene import Scene


def box_on_floor(normals: bool = True) -> tuple[Scene, np.ndarray]:
    """A red box of 0.5 m on a grey floor of 2 m, in points 1 cm apart, and which of them are the box."""
    steps = np.arange(0.005, 2, 0.01)
    floor = np.stack(np.meshgrid(steps, steps, [0.0]), -1).reshape(-1, 3)
    under = ((floor[:, :2] > 0.75) & (floor[:, :2] < 1.25)).all(1)
    side = np.arange(0.755, 1.25, 0.01)
    up = np.arange(0.005, 0.5, 0.01)
    sides = [
        np.stack(np.meshgrid(side, side, [0.5]), -1), np.stack(np.meshgrid([0.75], side, up), -1),
        np.stack(np.meshgrid([1.25], side, up), -1), np.stack(np.meshgrid(side, [0.75], up), -1),
        np.stack(np.meshgrid(side, [1.25], up), -1),
    ]  # fmt: skip
    ways = np.array([[0, 0, 1], [-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0]], np.float32)
    box = np.concatenate([part.reshape(-1, 3) for part in sides])
    faces = np.repeat(ways, [part.reshape(-1, 3).shape[0] for part in sides], 0)
    points = np.concatenate([floor[~under], box]).astype(np.float32)
    red = np.arange(len(points)) >= (~under).sum()
    colors = np.where(red[:, None], [200, 30, 30], [120, 120, 120]).astype(np.uint8)
    known = np.concatenate([np.tile(ways[:1], [(~under).sum(), 1]), faces]) if normals else None
    return Scene(points, colors=colors, normals=known), red


def coarse(scene: Scene, mask: np.ndarray, edge: float) -> np.ndarray:
    """A mask as a network of large voxels gives it: of one value in each, and of some of the wrong one."""
    _, of_point = np.unique(np.floor(scene.points / edge + 0.37).astype(int), axis=0, return_inverse=True)
    share = np.bincount(of_point.ravel(), mask) / np.bincount(of_point.ravel())
    near = np.abs(scene.points[:, :2] - 1).max(1) < 0.6
    wrong = np.random.default_rng(0).random(len(share)) < 0.15
    return np.where((share > 0.5) ^ wrong, 0.9, 0.05).astype(np.float32)[of_point.ravel()] * (near | mask)


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def test_a_coarse_mask_is_sharpened():
    scene, box = box_on_floor()
    scores = coarse(scene, box, 0.08)
    sharp = Sharpener(Surface(scene), 0.08)(scores)
    assert iou(scores > 0.5, box) < 0.77
    assert iou(sharp > 0.5, box) > 0.87
    assert abs((sharp > 0.5).sum() / (scores > 0.5).sum() - 1) < 0.1
    far = np.linalg.norm(scene.points[:, :2] - 1, axis=1) > 1.1
    assert (sharp[far] == scores[far]).all()


def test_points_that_are_not_finite_keep_their_scores():
    scene, box = box_on_floor()
    points = np.concatenate([scene.points, [[np.nan, 0, 0]]]).astype(np.float32)
    assert scene.colors is not None
    assert scene.normals is not None
    holed = Scene(
        points, colors=np.concatenate([scene.colors, [[0, 0, 0]]]).astype(np.uint8),
        normals=np.concatenate([scene.normals, [[0, 0, 1]]]).astype(np.float32),
    )  # fmt: skip
    scores = coarse(scene, box, 0.08)
    sharp = Sharpener(Surface(holed), 0.08)(np.append(scores, np.float32(0)))
    np.testing.assert_array_equal(sharp[:-1], Sharpener(Surface(scene), 0.08)(scores))
    assert sharp[-1] == 0


def test_an_empty_mask_stays_empty():
    scene, box = box_on_floor()
    scores = np.full(len(box), 0.2, np.float32)
    assert (Sharpener(Surface(scene), 0.08)(scores) == scores).all()


def test_normals_of_a_scan_without():
    scene, box = box_on_floor(normals=False)
    surface = Surface(scene)
    found = surface.with_normals().normals
    known = box_on_floor()[0].normals
    assert found is not None
    assert known is not None
    assert np.median(np.abs((found * known).sum(1))) > 0.99
    assert np.mean((found * known).sum(1)[~box] > 0.9) > 0.9  # the floor looks up, to the middle
    whole = box_on_floor()[0]
    assert Surface(whole).with_normals() is whole


def test_places_do_not_depend_on_batch_mates_or_on_where_a_cloud_lies():
    torch.manual_seed(0)
    places = Places(8)
    first, second = torch.rand(40, 3) * 5, torch.rand(30, 3) * 9
    alone = places(first, torch.zeros(40, dtype=torch.long))
    both = places(torch.cat([second, first + 3]), torch.repeat_interleave(torch.arange(2), torch.tensor([30, 40])))
    torch.testing.assert_close(both[30:], alone, rtol=1e-4, atol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 1e-3
