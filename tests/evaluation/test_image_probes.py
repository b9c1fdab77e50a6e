"""Probes of picture features, against references and worlds whose answer is known."""

import numpy as np
import pytest
import torch

from scanwise.data.images import Pictures, read_pictures
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import (
    Frame,
    class_accuracy,
    features_of,
    fit_decoder,
    frame_labels,
    knn_accuracy,
    labelled_frames,
    patch_labels,
    reconstruction_errors,
    segmentation,
    ssim,
)
from scanwise.formats import folder as scene_folder
from tests.pictures import picture, write_folder
from tests.worlds import COLOURS, corner_scene

NAMES = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = write_folder(write_folder(tmp_path_factory.mktemp("pictures"), 8), 4, "test", seed=500)
    return read_pictures(root), read_pictures(root, "test")


def colours_and_noise(images):
    return {"colour": images.mean((2, 3)), "noise": torch.rand(len(images), 3)}


def test_features_that_know_the_class_find_it_and_noise_does_not(sets):
    torch.manual_seed(0)
    known, asked = (features_of(colours_and_noise, pictures, 16) for pictures in sets)
    figures = class_accuracy(known, asked, 3)
    assert set(figures) == {"knn_colour", "linear_colour", "knn_noise", "linear_noise"}
    assert figures["knn_colour"] == figures["linear_colour"] == 1
    assert figures["knn_noise"] < 0.8
    assert set(knn_accuracy(colours_and_noise, *sets, 16)) == {"knn_colour", "knn_noise"}


def test_probes_need_classes(sets):
    known, _ = sets
    with pytest.raises(InputError, match="without classes"):
        features_of(colours_and_noise, Pictures(known.source, np.full(len(known), -1), []), 16)


def test_reconstruction_errors_by_hand(sets):
    _, asked = sets
    exact = reconstruction_errors(lambda images: images, asked, 16)
    assert exact["mse"] == 0
    assert exact["psnr"] == pytest.approx(100)
    assert exact["ssim"] == pytest.approx(1)
    found = reconstruction_errors(lambda images: torch.where(images > 0.5, images - 0.1, images + 0.1), asked, 16)
    assert found["mse"] == pytest.approx(0.01, rel=1e-4)
    assert found["psnr"] == pytest.approx(20, abs=1e-3)
    assert found["ssim"] < 0.99


def test_ssim_is_torchmetrics():
    metrics = pytest.importorskip("torchmetrics.functional.image")
    torch.manual_seed(0)
    images = torch.rand(3, 3, 32, 24)
    others = (images + 0.2 * torch.randn_like(images)).clamp(0, 1)
    _, everywhere = metrics.structural_similarity_index_measure(
        others, images, data_range=1.0, reduction="none", return_full_image=True
    )
    inside = everywhere[..., 5:-5, 5:-5].mean((1, 2, 3))  # its mean is over places beyond the border as well
    torch.testing.assert_close(ssim(images, others), inside, atol=1e-5, rtol=1e-4)


def test_a_decoder_of_features_that_hold_the_picture(sets):
    known, _ = sets

    def pixels(images):
        return torch.nn.functional.unfold(images, 4, stride=4).transpose(1, 2)

    decoder = fit_decoder(pixels, known, 16, 4, steps=200, batch=12, width=48, depth=1, heads=2)
    again = reconstruction_errors(lambda images: decoder(pixels(images)), known, 16)
    flat = reconstruction_errors(lambda images: images.mean((0, 2, 3), keepdim=True).expand_as(images), known, 16)
    assert again["mse"] < 0.6 * flat["mse"]


def test_pixels_see_the_class_of_the_nearest_point(tmp_path):
    scene = corner_scene()
    scene.classes = NAMES
    scene.labels = np.array([NAMES.index(name) for name in map(_name, scene.colors)], np.int32)
    view = scene.views[0]
    labels = frame_labels(scene, view, (60, 80), reach=0.2)
    truth = np.array([[NAMES.index(_name(pixel)) if pixel.any() else -1 for pixel in row] for row in view.image])
    known = labels >= 0
    assert known.mean() > 0.5
    assert (labels == truth)[known].mean() > 0.95
    assert (labels[view.depth == 0] == -1).all()
    scene_folder.write(scene, tmp_path / "a")
    frames = list(labelled_frames([tmp_path / "a"], (30, 40)))
    assert len(frames) == 3
    assert frames[0].image.shape == (3, 30, 40)
    scene.labels = None
    scene_folder.write(scene, tmp_path / "b")
    with pytest.raises(InputError, match="no labels"):
        list(labelled_frames([tmp_path / "b"], (30, 40)))


def _name(colour):
    return min(NAMES, key=lambda name: np.abs(np.subtract(COLOURS[name], colour.astype(int))).sum())


def test_patches_have_the_label_of_most_of_their_pixels():
    labels = np.full((4, 6), -1)
    labels[:2, :3] = [[1, 1, 0], [-1, -1, -1]]
    labels[2:, 3:] = 2
    assert patch_labels(labels, (2, 2), 3).tolist() == [1, -1, -1, 2]


def test_segmentation_by_features_that_see_colour_and_by_ones_that_do_not():
    def frame(seed):
        image = np.asarray(picture((230, 40, 40), seed, (32, 24))).transpose(2, 0, 1)
        return Frame(image, (image[0].astype(int) - image[1] > 120).astype(np.int64))

    def encode(images):
        pooled = torch.nn.functional.avg_pool2d(images, 4).flatten(2).transpose(1, 2)
        return {"colour": pooled, "nothing": torch.zeros_like(pooled)}

    known, asked = [frame(seed) for seed in range(6)], [frame(seed) for seed in range(6, 9)]
    counts = segmentation(encode, known, asked, ["ground", "disc"], (6, 8))
    assert counts["colour"].figures()["miou"] > 0.75
    assert counts["nothing"].figures()["miou"] < 0.5
    assert counts["colour"].matrix.sum() == 3 * 24 * 32
    with pytest.raises(InputError, match="no labelled frames"):
        segmentation(encode, [], asked, ["ground", "disc"], (6, 8))
