"""Lifting: parity of the fusion rule with the official code, and geometry checked by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scanwise.errors import InputError
from scanwise.methods.geopurify import lift as lifting
from scanwise.methods.geopurify.lift import MaskFeatures, fuse_views, lift, lift_masks
from scanwise.scene import ArrayRaster, View

K = np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]])
SIZE = (48, 64)


def camera(x: float, depth: float | None = 2.0) -> View:
    """A camera at (x, 0, 0) that looks along z at a wall `depth` metres away."""
    pose = np.eye(4)
    pose[0, 3] = x
    wall = None if depth is None else ArrayRaster(np.full(SIZE, depth, np.float32))
    return View(ArrayRaster(np.zeros((*SIZE, 3), np.uint8)), K, pose, wall)


def constant(*values: float):
    """Feature maps: view number -> the same feature everywhere, one channel for each class, of which there are 3."""
    return lambda number: torch.eye(3)[:, number % 3, None, None].expand(3, 4, 5) * values[number]


def wall(count: int = 200) -> np.ndarray:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (count, 3)).astype(np.float32)
    points[:, 2] = 2.0
    return points


def test_fusion_equals_the_official_one():
    golden = load_file(Path(__file__).parents[2] / "golden" / "geopurify_inference.safetensors")
    fused, consensus = fuse_views(golden["fuse.view_features"], golden["fuse.view_logits"], golden["fuse.valid"].bool())
    assert torch.equal(consensus, golden["fuse.consensus_class"])
    torch.testing.assert_close(fused, golden["fuse.fused"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pairs", [100, 8_000_000])
def test_streaming_equals_fusing_all_views_at_once(monkeypatch, pairs):
    monkeypatch.setattr(lifting, "PAIRS", pairs)
    generator = torch.Generator().manual_seed(3)
    maps = [torch.randn(6, 1, 1, generator=generator).expand(6, 4, 5) for _ in range(5)]
    views = [camera(0.1 * number) for number in range(5)]
    points = np.tile(wall(), (30, 1))
    lifted = lift(points, views, lambda n: maps[n], lambda f: f)
    features = torch.stack([m[:, 0, 0] for m in maps])[None].expand(len(points), -1, -1)
    expected, _ = fuse_views(features, features, torch.ones(len(points), 5, dtype=torch.bool))
    np.testing.assert_allclose(lifted.features, expected.numpy(), rtol=2e-3, atol=2e-3)
    assert lifted.seen.all()


def test_a_point_behind_a_wall_is_not_seen_and_takes_its_nearest_seen_neighbour():
    points = np.array([[0, 0, 2.0], [0.0, 0.3, 2.0], [0, 0, 2.5], [0, 0, -1.0]], np.float32)
    lifted = lift(points, [camera(0.0)], lambda n: torch.arange(48.0).reshape(1, 6, 8), lambda f: f)
    assert lifted.seen.tolist() == [True, True, False, False]
    assert lifted.features[2] == lifted.features[0]
    assert lifted.features[0] != lifted.features[1]


def test_the_place_in_the_feature_map():
    # x = 0.5 m at 2 m: column 31.5 + 12.5 = 44 of 64, cell centres lie at columns 3.5, 11.5, ...
    columns = torch.arange(8.0).expand(1, 6, 8)
    lifted = lift(np.array([[0.5, 0, 2.0]], np.float32), [camera(0.0)], lambda n: columns, lambda f: f)
    assert float(lifted.features[0, 0]) == pytest.approx((44 - 3.5) / 8, abs=1e-2)


def test_colour_and_depth_cameras_apart():
    view = camera(0.0)
    view.depth_raster = ArrayRaster(np.full((24, 32), 2.0, np.float32))
    view.depth_to_world = np.eye(4)
    view.depth_to_world[0, 3] = 5.0  # metres beside the colour camera: sees other things
    view.depth_intrinsics = K
    with pytest.raises(InputError, match="no picture sees any point"):
        lift(wall(), [view], constant(1.0), lambda f: f)
    view.depth_to_world = None
    view.depth_intrinsics = None  # the colour camera's, scaled to the smaller depth map
    assert lift(wall(), [view], constant(1.0), lambda f: f).seen.all()


def test_only_the_three_views_that_agree_most_count():
    # Views 0, 3, 4 speak for class 0 (with .9, .5, .8), views 1 and 2 for others.
    vectors = torch.tensor([[0.9, 0, 0], [0, 0.7, 0], [0, 0, 0.6], [0.5, 0, 0], [0.8, 0, 0]])
    views = [camera(0.02 * number) for number in range(5)]
    lifted = lift(wall(5), views, lambda n: vectors[n][:, None, None].expand(3, 4, 5), lambda f: f)
    weights = torch.tensor([0.9, 0.8, 0.5]).softmax(0)
    expected = float((weights * torch.tensor([0.9, 0.8, 0.5])).sum())
    np.testing.assert_allclose(lifted.features, np.tile([expected, 0, 0], (5, 1)), atol=1e-3)


def test_without_depth_the_cloud_hides_what_is_behind_it():
    front = np.stack([*np.meshgrid(np.linspace(-1, 1, 120), np.linspace(-1, 1, 120)), np.full((120, 120), 2.0)], -1)
    points = np.concatenate([front.reshape(-1, 3), [[0.0, 0, 4.0]]]).astype(np.float32)
    lifted = lift(points, [camera(0.0, depth=None)], constant(1.0), lambda f: f)
    inside = (np.abs(points[:-1, 0]) < 1) & (np.abs(points[:-1, 1]) < 0.9)
    assert lifted.seen[:-1][inside].all()
    assert not lifted.seen[-1]


def test_masks_give_their_embedding_to_the_points_in_their_pixels():
    """Two masks side by side, the right one surer; the third column belongs to none."""
    logits = torch.full((2, 2, 3), -9.0)
    logits[0, :, 0], logits[1, :, 1] = 9.0, 9.0
    masks = MaskFeatures(torch.tensor([0.5, 0.9]), logits, torch.tensor([[2.0, 0.0], [0.0, 3.0]]), (2, 3))
    assert masks.owners().tolist() == [[0, 1, -1], [0, 1, -1]]
    points = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [1.4, 0, 0], [9.0, 0, 0]])
    visible = torch.tensor([True, True, True, False])
    pixels = torch.tensor([0, 1, 0]), torch.tensor([0, 1, 2])
    features = lift_masks(points, visible, pixels, masks)
    assert features.tolist() == [[1, 0], [0, 1], [0, 1], [0, 0]]
