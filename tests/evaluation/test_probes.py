from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from scanwise.data.datasets import read_source, scene_paths
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.features import draw_voxels, pca_colors, rank_me
from scanwise.evaluation.probes import (
    DECAYS,
    KNNProbe,
    Labelled,
    LinearProbe,
    fit_and_measure,
    gather,
    held_out,
    mean_and_spread,
    measure,
    measure_voxels,
)
from scanwise.nn.backbone import build_backbone
from scanwise.nn.frozen import Frozen
from scanwise.scene import Scene
from tests.scenes import CLASSES, labelled_scene, write_scenes


@pytest.fixture(scope="module")
def frozen():
    torch.manual_seed(0)
    return Frozen(build_backbone("tiny", 6), 0.1, ("color", "normal"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=2, val=2)


def clouds(seed: int, spread: float) -> Labelled:
    """Three groups of 100 features about the corners of a triangle."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(3).repeat_interleave(100)
    middles = torch.tensor([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]])
    return Labelled(middles[labels] + spread * torch.randn(300, 3, generator=random), labels)


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_groups_that_are_apart_are_found_and_mixed_ones_are_not(kind):
    for spread, least, most in ((0.5, 0.99, 1.0), (100.0, 0.0, 0.5)):
        known = clouds(0, spread)
        probe = LinearProbe.fit(known, 3) if kind == "linear" else KNNProbe(known, 3)
        accuracy = measure_voxels(probe, clouds(1, spread), ["a", "b", "c"]).metrics()["accuracy"]
        assert least <= accuracy <= most


def test_the_linear_probe_is_at_the_minimum():
    known = clouds(0, 3.0)
    probe = LinearProbe.fit(known, 3, decay=1e-2)
    weight, bias = probe.weight.clone().requires_grad_(), probe.bias.clone().requires_grad_()
    scores = (known.feats - probe.mean) / probe.deviation @ weight.T + bias
    (torch.nn.functional.cross_entropy(scores, known.labels) + 1e-2 * weight.square().sum()).backward()
    assert float(weight.grad.abs().max()) < 1e-4
    assert float(bias.grad.abs().max()) < 1e-4


def test_a_fifth_of_the_scenes_is_held_out_and_never_half_a_scene():
    labels = torch.zeros(20, dtype=torch.int64)
    scenes = torch.arange(10).repeat_interleave(2)
    held = held_out(Labelled(labels[:, None].float(), labels, scenes), seed=3).view(10, 2)
    assert torch.equal(held[:, 0], held[:, 1])
    assert int(held.sum()) == 4  # two of ten scenes
    two = held_out(Labelled(labels[:, None].float(), labels, scenes // 5))
    assert int(two.sum()) == 10
    assert two.view(2, 10).all(1).sum() == 1


def test_rows_are_held_out_where_there_is_no_second_scene():
    labels = torch.zeros(20, dtype=torch.int64)
    for scenes in (None, labels):
        known = Labelled(labels[:, None].float(), labels, scenes)
        assert int(held_out(known, 1).sum()) == 4
        assert torch.equal(held_out(known, 1), held_out(known, 1))
        assert not torch.equal(held_out(known, 1), held_out(known, 2))
    one = Labelled(torch.ones(1, 2), labels[:1])
    assert not held_out(one).any()
    assert LinearProbe.fit(one, 2).decay == DECAYS[0]


def directions(seed: int, count: int, noise: int) -> Labelled:
    """A class for each side of one direction, a tenth of the rows mislabelled, and `noise` directions that say nothing.

    Groups of ten rows are scenes.
    """
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=random)
    signal = 2.0 * labels - 1 + 0.5 * torch.randn(count, generator=random)
    rest = torch.randn(count, noise, generator=random)
    wrong = torch.rand(count, generator=random) < 0.1
    return Labelled(torch.cat([signal[:, None], rest], 1), labels ^ wrong.long(), torch.arange(count) // 10)


@pytest.mark.parametrize("metric", ["miou", "accuracy"])
def test_few_rows_of_many_directions_want_a_strong_decay(metric):
    known, asked = directions(0, 200, 150), directions(1, 1000, 150)
    probe = LinearProbe.fit(known, 2, metric=metric)
    assert probe.decay >= 1e-2

    def value(found: LinearProbe) -> float:
        return measure_voxels(found, asked, ["a", "b"]).metrics()[metric]

    fixed = {decay: value(LinearProbe.fit(known, 2, decay=decay)) for decay in DECAYS}
    assert fixed[1e-6] + 0.02 < value(probe)
    assert value(probe) > max(fixed.values()) - 0.03


def test_a_decay_that_is_given_is_kept():
    known = clouds(0, 3.0)
    assert LinearProbe.fit(known, 3, decay=1e-2).decay == 1e-2
    assert LinearProbe.fit(known, 3).decay in DECAYS


def test_what_is_measured_decides_the_decay():
    """One row in twenty is of the second class: a strong decay passes it over, which accuracy forgives, mIoU not."""
    random = torch.Generator().manual_seed(0)
    labels = (torch.arange(2000) % 20 == 0).long()
    feats = torch.randn(2000, 1, generator=random) + 2.5 * labels[:, None]
    known = Labelled(feats, labels, torch.arange(2000) // 20)
    by_miou, by_accuracy = (LinearProbe.fit(known, 2, metric=metric) for metric in ("miou", "accuracy"))
    found = [int((probe.scores(feats).argmax(1) == 1).sum()) for probe in (by_miou, LinearProbe.fit(known, 2, decay=1))]
    assert found[0] > 40
    assert found[1] == 0
    assert by_miou.decay < DECAYS[0]
    assert by_accuracy.decay <= DECAYS[0]


def test_neighbours_vote_by_their_likeness():
    known = Labelled(torch.tensor([[1.0, 0], [0, 1], [0, 2]]), torch.tensor([0, 1, 1]))
    near = torch.tensor([[1.0, 0.1]])
    assert KNNProbe(known, 2, k=3, temperature=0.07).scores(near).argmax() == 0
    assert KNNProbe(known, 2, k=3, temperature=100.0).scores(near).argmax() == 1  # two against one
    assert KNNProbe(known, 2, k=1).scores(near)[0].tolist() == pytest.approx([np.exp((1 / 1.01**0.5 - 1) / 0.07), 0])


def test_voxels_are_drawn_by_the_seed_and_no_more_than_wanted(frozen, data):
    paths = scene_paths(data, "train")
    one, again, other = (gather(frozen, paths, voxels=50, seed=seed) for seed in (0, 0, 1))
    assert len(one.labels) == 100
    assert torch.equal(one.feats, again.feats)
    assert not torch.equal(one.feats, other.feats)
    assert len(gather(frozen, paths, voxels=10**6).labels) > 500


def test_every_point_is_measured(frozen, data):
    known = gather(frozen, scene_paths(data, "train"), voxels=500)
    counts = measure(frozen, LinearProbe.fit(known, 3), scene_paths(data, "val"), CLASSES)
    assert counts.matrix.sum() == 2 * 1500
    assert counts.metrics()["miou"] > 0.9  # each class has a colour of its own


def test_scenes_without_labels_are_refused(frozen, tmp_path):
    from scanwise.formats import folder

    folder.write(Scene(labelled_scene(0).points), tmp_path / "train" / "bare")
    with pytest.raises(InputError, match="labels"):
        gather(frozen, scene_paths(tmp_path, "train"), voxels=10)


@pytest.mark.parametrize("knn", [False, True])
def test_a_probe_is_fitted_and_measured_for_each_seed(frozen, data, knn):
    known, tested = scene_paths(data, "train"), scene_paths(data, "val")
    results = list(fit_and_measure(frozen, known, tested, CLASSES, voxels=50, seeds=2, knn=knn))
    assert [(result.seed, result.voxels) for result in results] == [(0, 100), (1, 100)]
    labelled = gather(frozen, known, voxels=50, seed=1)
    probe = KNNProbe(labelled, 3) if knn else LinearProbe.fit(labelled, 3, seed=1)
    assert results[1].decay == (None if knn else probe.decay)
    assert labelled.groups.tolist() == [0] * 50 + [1] * 50
    np.testing.assert_array_equal(results[1].counts.matrix, measure(frozen, probe, tested, CLASSES).matrix)
    scenes = [read_source(source) for source in tested]
    np.testing.assert_array_equal(results[1].counts.matrix, measure(frozen, probe, scenes, CLASSES).matrix)


def test_a_mean_has_a_spread_where_there_are_several():
    assert mean_and_spread([0.5]) == (0.5, None)
    assert mean_and_spread([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))


def test_classes_are_matched_by_their_names(frozen, data):
    known = gather(frozen, scene_paths(data, "train"), voxels=200)
    probe = LinearProbe.fit(known, len(CLASSES), decay=1e-3)
    scene = labelled_scene(0)
    whole = measure(frozen, probe, [scene], CLASSES)
    turned = replace(scene, labels=2 - scene.labels, classes=["lamp", CLASSES[1], CLASSES[0]])
    with pytest.warns(ScanwiseWarning, match="lamp"):
        found = measure(frozen, probe, [turned], CLASSES)
    np.testing.assert_array_equal(found.matrix[:2], whole.matrix[:2])
    assert found.matrix[2].sum() == 0
    assert found.left_out == {"lamp": int((scene.labels == 2).sum())}
    with pytest.raises(InputError, match="none in common"):
        measure(frozen, probe, [replace(scene, classes=["car", "tree", "sky"])], CLASSES)


# Features looked at


def test_rank_by_hand():
    assert float(rank_me(torch.eye(5))) == pytest.approx(5)
    assert float(rank_me(torch.diag(torch.tensor([7.0, 0, 0])))) == pytest.approx(1)
    shares = np.array([3, 1]) / 4  # singular values 3 and 1
    assert float(rank_me(torch.diag(torch.tensor([9.0, 1])))) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_groups_of_features_have_colours_of_their_own():
    feats = clouds(0, 0.1).feats.numpy()
    colors = pca_colors(feats).reshape(3, 100, 3).astype(float)
    within = colors.std(1)[:, :2].max()
    between = np.linalg.norm(colors.mean(1)[0] - colors.mean(1)[1])
    assert between > 5 * within
    assert pca_colors(feats[:, :2]).shape == (300, 3)


def test_voxels_are_drawn_in_their_colours(tmp_path):
    positions = np.stack(np.meshgrid(np.arange(30), np.arange(30), [0]), -1).reshape(-1, 3) * 0.1
    red = np.tile(np.uint8([200, 10, 20]), (900, 1))
    draw_voxels(tmp_path / "picture.png", positions, 0.1, ("red", red), ("green", red[:, [1, 0, 2]]))
    picture = np.asarray(Image.open(tmp_path / "picture.png").convert("RGB")).reshape(-1, 3).astype(int)
    for color in (red[0], red[0, [1, 0, 2]]):
        assert (np.abs(picture - color).max(1) < 4).mean() > 0.1
