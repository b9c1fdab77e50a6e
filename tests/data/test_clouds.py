import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanwise.data.augment import Augmentation, cropped, moved, rotation
from scanwise.data.clouds import Cloud, collate, sample_of
from scanwise.errors import InputError
from scanwise.scene import Scene
from tests.scenes import labelled_scene

EVERYTHING = Augmentation(
    turn=True, tilt=0.1, flip=True, scale=(0.8, 1.2), color_jitter=5, color_shift=10, contrast=0.5, drop_color=0.3,
    drop_normals=0.3, crop=700,
)  # fmt: skip


def test_a_voxel_has_the_means_of_its_points_and_the_label_of_most():
    cloud = Cloud(
        np.array([[0, 0, 0], [0.05, 0, 0], [0.02, 0, 0], [0.35, 0, 0]], np.float32),
        colors=np.array([[0, 0, 0], [255, 255, 255], [0, 0, 0], [255, 0, 0]], np.uint8),
        normals=np.array([[0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]], np.float32),
        labels=np.array([4, 2, 2, -1]),
    )
    sample = sample_of(cloud, 0.1, ("color", "normal", "intensity"))
    near, far = sample.of_point[0], sample.of_point[3]
    assert sample.coords[[near, far]].tolist() == [[0, 0, 0], [3, 0, 0]]
    np.testing.assert_allclose(sample.feats[near, :3], 255 / 3 / 127.5 - 1, rtol=1e-5)
    np.testing.assert_allclose(sample.feats[near, 3:6], np.array([0, 1, 2]) / np.sqrt(5), rtol=1e-5)
    assert sample.feats[near, 6] == 0
    assert sample.labels[[near, far]].tolist() == [2, -1]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.floats(0.03, 0.5))
def test_every_point_lies_in_its_voxel(seed, size):
    cloud = Cloud.of(labelled_scene(seed, 300))
    sample = sample_of(cloud, size, ("coord",))
    low = cloud.points.min(0)
    expected = np.floor((cloud.points - low) / size)
    assert np.array_equal(sample.coords[sample.of_point], expected.astype(np.int32))
    assert len(np.unique(sample.coords, axis=0)) == len(sample)


def test_heights_are_above_the_ground_whatever_lies_under_it():
    ground = np.stack([*np.mgrid[0:20, 0:20].reshape(2, -1), np.zeros(400)], 1).astype(np.float32)
    cloud = Cloud(np.concatenate([ground, [[3, 3, 1.5], [9, 9, -27]]]).astype(np.float32))
    sample = sample_of(cloud, 0.2, ("height",))
    heights = sample.feats[sample.of_point, 0]
    np.testing.assert_allclose(heights[[0, 400]], [0, 1.5], atol=1e-5)
    np.testing.assert_allclose(heights[401], -27, atol=0.2)  # whose cell tells nothing of the ground


def test_points_that_are_not_finite_are_left_out_and_the_rows_are_known():
    scene = labelled_scene(1)
    scene.points[5] = np.nan
    cloud = Cloud.of(scene)
    assert 5 not in cloud.row
    assert np.array_equal(scene.labels[cloud.row], cloud.labels)
    with pytest.raises(InputError, match="no point"):
        Cloud.of(Scene(np.full((3, 3), np.nan)))


def test_clouds_of_different_size_make_one_batch():
    samples = [sample_of(Cloud.of(labelled_scene(seed, 300 * seed)), 0.1, ("color",)) for seed in (1, 2)]
    batch = collate(samples)
    assert np.bincount(batch.batch).tolist() == [len(samples[0]), len(samples[1])]
    assert np.array_equal(batch.feats[batch.batch == 1], samples[1].feats)
    assert batch.labels.dtype.is_signed
    unlabelled = sample_of(Cloud(labelled_scene(3).points), 0.1, ("color",))
    assert collate([samples[0], unlabelled]).labels is None
    assert not unlabelled.feats.any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_augmentation_keeps_shapes_and_lengths_of_normals(seed):
    cloud = Cloud.of(labelled_scene(1))
    changed = EVERYTHING(cloud, np.random.default_rng(seed))
    assert len(changed) == 700
    assert np.array_equal(changed.labels, cloud.labels[changed.row])
    if changed.normals is not None:
        np.testing.assert_allclose(np.linalg.norm(changed.normals, axis=1), 1, atol=1e-5)
    if changed.colors is not None:
        assert changed.colors.dtype == np.uint8
    near = np.linalg.norm(cloud.points[changed.row][:50] - cloud.points[changed.row][50:100], axis=1)
    after = np.linalg.norm(changed.points[:50] - changed.points[50:100], axis=1)
    ratio = after / near
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)  # a rotation, a mirroring and one scale
    assert 0.79 < ratio[0] < 1.21


def test_the_same_draw_makes_the_same_cloud():
    cloud = Cloud.of(labelled_scene(1))
    one, other = (EVERYTHING(cloud, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.points, other.points)
    assert not np.array_equal(one.points, EVERYTHING(cloud, np.random.default_rng(5)).points)


def test_no_augmentation_changes_nothing():
    cloud = Cloud.of(labelled_scene(1))
    same = Augmentation()(cloud, np.random.default_rng(0))
    assert np.array_equal(same.points, cloud.points)
    assert np.array_equal(same.colors, cloud.colors)


def test_a_quarter_turn_takes_x_to_y():
    np.testing.assert_allclose(rotation(2, np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(0, np.pi / 2) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    one = Cloud(np.ones((1, 3), np.float32), normals=np.array([[1, 0, 0]], np.float32))
    cloud = moved(one, 2 * rotation(2, np.pi / 2))
    np.testing.assert_allclose(cloud.points, [[-2, 2, 2]], atol=1e-6)
    np.testing.assert_allclose(cloud.normals, [[0, 1, 0]], atol=1e-6)


def test_a_crop_is_what_is_nearest_to_one_of_its_points():
    cloud = Cloud.of(labelled_scene(1))
    part = cropped(cloud, 200, np.random.default_rng(0))
    assert len(part) == 200
    assert cropped(cloud, 10**6, np.random.default_rng(0)) is cloud
