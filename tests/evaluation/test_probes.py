import numpy as np
import pytest
import torch
from PIL import Image

from scanwise.data.datasets import read_source, scene_paths
from scanwise.errors import InputError
from scanwise.evaluation.features import draw_voxels, pca_colors, rank_me
from scanwise.evaluation.probes import (
    KNNProbe,
    Labelled,
    LinearProbe,
    fit_and_measure,
    gather,
    mean_and_spread,
    measure,
    measure_voxels,
    with_classes,
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
    np.testing.assert_array_equal(results[1].counts.matrix, measure(frozen, probe, tested, CLASSES).matrix)
    scenes = [read_source(source) for source in tested]
    np.testing.assert_array_equal(results[1].counts.matrix, measure(frozen, probe, scenes, CLASSES).matrix)


def test_a_mean_has_a_spread_where_there_are_several():
    assert mean_and_spread([0.5]) == (0.5, None)
    assert mean_and_spread([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))


def test_classes_are_matched_by_their_names():
    scene = Scene(np.zeros((4, 3)), labels=np.array([0, 1, 2, -1]), classes=["block", "lamp", "floor"], name="scan")
    found = with_classes(scene, CLASSES)
    assert found.labels.tolist() == [2, -1, 0, -1]  # of CLASSES: floor, wall, block
    assert found.classes == CLASSES
    with pytest.raises(InputError, match=r"^scan: has no labels of the classes sky, \.\.\."):
        with_classes(scene, ["sky"])
    with pytest.raises(InputError, match="has no labels"):
        with_classes(Scene(np.zeros((4, 3))), CLASSES)


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
