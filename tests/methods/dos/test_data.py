import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.data.augment import Augmentation
from scanwise.methods.dos.data import (
    VIEW_AUGMENTATIONS,
    MakeViews,
    about_the_visible,
    block_mask,
    collate_views,
    moved_voxels,
)
from tests.scenes import labelled_scene

MAKE = MakeViews(0.1, ("color", "normal"), Augmentation(turn=True, flip=True, scale=(0.9, 1.1)), block=0.4, ratio=0.7)


def grid(edge: int) -> np.ndarray:
    return np.stack(np.meshgrid(*[np.arange(edge)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(np.int32)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_blocks_are_masked_whole_and_in_the_wanted_share(seed, ratio):
    positions = grid(16) * 0.1 + 0.05
    masked = block_mask(positions, 0.4, ratio, np.random.default_rng(seed))
    assert masked.mean() == pytest.approx(ratio, abs=0.5 * 64 / 4096 + 1e-9)
    shift = np.random.default_rng(seed).uniform(0, 0.4, 3)
    cubes = np.floor((positions + shift) / 0.4).astype(int)
    for cube in np.unique(cubes, axis=0):
        assert len(set(masked[(cubes == cube).all(1)])) == 1


@pytest.mark.parametrize("ratio", [0.7, 0.99])
def test_something_always_stays_visible(ratio):
    for seed in range(20):
        assert not block_mask(np.zeros((5, 3)), 0.4, ratio, np.random.default_rng(seed)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 3))
def test_only_masked_voxels_move_and_none_onto_another(seed, spread):
    random = np.random.default_rng(seed)
    coords = grid(8)[random.random(512) < 0.4]
    which = random.random(len(coords)) < 0.7
    found = moved_voxels(coords, which, spread, random)
    assert (found == coords)[~which].all()
    assert len(np.unique(found, axis=0)) == len(coords)


def test_masked_voxels_do_move():
    coords = np.stack([np.arange(400) * 9, np.zeros(400), np.zeros(400)], 1).astype(np.int32)
    found = moved_voxels(coords, np.arange(400) < 300, 1.0, np.random.default_rng(0))
    assert 0.9 < (found != coords).any(1)[:300].mean() <= 1


def test_coordinates_of_what_is_visible_tell_nothing_of_what_is_masked():
    feats = np.array([[9, 0, 0, 1], [9, 2, 4, 3], [9, 100, -50, -7]], np.float32)
    visible, centers = np.array([True, True, False]), np.array([[0, 0, 1], [0, 0, 3], [0, 0, -7]], np.float32)
    found = about_the_visible(feats, ("intensity", "coord"), visible, centers)
    np.testing.assert_allclose(found[:2], [[9, -1, -2, 0], [9, 1, 2, 2]])
    heights = about_the_visible(feats[:, [3, 0]], ("height", "intensity"), visible, centers)
    np.testing.assert_allclose(heights[:2, 0], [-0.2, 1.8], rtol=1e-6)  # the ground: a tenth of the way up
    np.testing.assert_array_equal(about_the_visible(feats, ("intensity", "normal"), visible, centers), feats)


def test_matched_voxels_show_the_same_position_although_the_views_were_turned():
    one, two = MAKE(labelled_scene(1), np.random.default_rng(3))
    for view, other in ((one, two), (two, one)):
        matched = view.match >= 0
        assert matched.mean() > 0.3
        gap = np.linalg.norm(view.origin[matched] - other.origin[view.match[matched]], axis=1)
        assert gap.max() <= MAKE.voxel
        every = np.linalg.norm(view.origin[:, None] - other.origin[None], axis=2).min(1)
        assert (every[~matched] >= MAKE.voxel).all()
        np.testing.assert_allclose(gap, every[matched], rtol=1e-5, atol=1e-6)
    turned = np.abs(one.sample.centers[one.match >= 0] - two.sample.centers[one.match[one.match >= 0]]).max()
    assert turned > 0.3  # the views themselves lie elsewhere


def test_origin_is_the_mean_of_the_points():
    plain = MakeViews(0.1, ("color",), Augmentation(), block=0.4, ratio=0.5, crop=(1.0, 1.0))
    one, two = plain(labelled_scene(2), np.random.default_rng(0))
    np.testing.assert_allclose(one.origin, one.sample.centers, atol=1e-6)
    assert (one.match == np.arange(len(one))).all()
    assert not np.array_equal(one.visible, two.visible)  # each view has a mask of its own


def test_views_are_of_the_wanted_size_and_the_same_for_the_same_draw():
    make = MakeViews(0.1, ("color",), Augmentation(jitter=0.01), block=0.4, ratio=0.7, crop=(0.5, 0.6), points=900)
    scene = labelled_scene(3)
    one, two = make(scene, np.random.default_rng(5))
    for view in (one, two):
        assert 450 <= len(view.sample.of_point) <= 540
    again = make(scene, np.random.default_rng(5))
    np.testing.assert_array_equal(again[1].sample.feats, two.sample.feats)
    np.testing.assert_array_equal(again[0].match, one.match)


def test_a_batch_keeps_matches_and_views_apart():
    pairs = [MAKE(labelled_scene(seed), np.random.default_rng(seed)) for seed in range(3)]
    batch = collate_views(pairs)
    counts = [len(view) for view in [pair[0] for pair in pairs] + [pair[1] for pair in pairs]]
    assert torch.bincount(batch.batch).tolist() == counts
    assert torch.equal(batch.view, (batch.batch >= 3).long())
    matched = batch.match >= 0
    assert torch.equal(batch.batch[batch.match[matched]], (batch.batch[matched] + 3) % 6)
    origin = torch.from_numpy(np.concatenate([pair[0].origin for pair in pairs] + [pair[1].origin for pair in pairs]))
    gap = (origin[matched] - origin[batch.match[matched]]).norm(dim=1)
    assert float(gap.max()) <= MAKE.voxel
    assert [sample.name for sample in batch.samples] == ["corner-0", "corner-1", "corner-2"]


def test_the_augmentations_leave_what_a_view_needs():
    for augmentation in VIEW_AUGMENTATIONS.values():
        assert isinstance(augmentation, Augmentation)
        assert augmentation.crop == 0  # views are cropped before, where their points' positions are known
