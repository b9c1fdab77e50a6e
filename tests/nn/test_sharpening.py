"""Sharper edges of coarse masks."""

import numpy as np

from scanwise.data.surface import Surface
from scanwise.nn.sharpening import Sharpener
from scanwise.scene import Scene
from tests.box_on_floor import box_on_floor


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


def test_the_more_often_the_more_is_changed():
    scene, box = box_on_floor()
    scores, surface = coarse(scene, box, 0.08), Surface(scene)
    never, once, default = (Sharpener(surface, 0.08, applications=count)(scores) for count in (0, 1, 24))
    assert np.array_equal(default, Sharpener(surface, 0.08)(scores))
    assert iou(never > 0.5, box) < iou(once > 0.5, box) < iou(default > 0.5, box)
