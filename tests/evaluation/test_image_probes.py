"""Probes of picture features, against references and worlds whose answer is known."""

import numpy as np
import pytest
import torch

from scanwise.data.datasets import scene_paths
from scanwise.data.images import ImageSet, read_images
from scanwise.errors import InputError
from scanwise.evaluation.image_probes import (
    Frame,
    LabelledFrames,
    class_accuracy,
    features_of,
    fit_decoder,
    knn_accuracy,
    patch_labels,
    reconstruction_errors,
    segmentation,
    ssim,
)
from scanwise.evaluation.probes import DECAYS
from tests.framed import COLORS, write_framed
from tests.pictures import picture, write_folder

NAMES = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = write_folder(write_folder(tmp_path_factory.mktemp("pictures"), 8), 4, "test", seed=500)
    return read_images(root), read_images(root, "test")


def colours_and_noise(images):
    return {"colour": images.mean((2, 3)), "noise": torch.rand(len(images), 3)}


def test_features_that_know_the_class_find_it_and_noise_does_not(sets):
    torch.manual_seed(0)
    known, asked = (features_of(colours_and_noise, pictures, 16) for pictures in sets)
    metrics = class_accuracy(known, asked, 3)
    assert set(metrics) == {f"{kind}_{name}" for kind in ("knn", "linear", "decay") for name in ("colour", "noise")}
    assert metrics["decay_colour"] in DECAYS
    assert metrics["knn_colour"] == metrics["linear_colour"] == 1
    assert metrics["knn_noise"] < 0.8
    assert set(knn_accuracy(colours_and_noise, *sets, 16)) == {"knn_colour", "knn_noise"}


def test_probes_need_classes(sets):
    known, _ = sets
    with pytest.raises(InputError, match="without classes"):
        features_of(colours_and_noise, ImageSet(known.source, np.full(len(known), -1), []), 16)


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


def test_decoders_do_not_care_how_large_features_are(sets):
    known, _ = sets
    images = torch.rand(2, 3, 16, 16)

    def pixels(images, scale):
        return scale * torch.nn.functional.unfold(images, 4, stride=4).transpose(1, 2) + scale

    found = []
    for scale in (1.0, 512.0):
        decoder = fit_decoder(lambda images: pixels(images, scale), known, 16, 4, steps=5, width=24, depth=1, heads=2)  # noqa: B023
        found.append(decoder(pixels(images, scale)).detach())
    torch.testing.assert_close(found[0], found[1], atol=1e-3, rtol=1e-3)


def test_frames_of_labelled_scenes(tmp_path):
    sources = scene_paths(write_framed(tmp_path, train=2), "train")
    frames = LabelledFrames(sources, (24, 32))
    assert len(frames) == len(list(frames)) == 4
    assert frames.classes == ["wall", "floor", "chair", "otherfurniture", "ceiling"]
    frame = frames[1]
    assert frame.image.shape == (3, 24, 32)
    assert frame.labels.shape == (24, 32)
    chair = frame.labels == frames.classes.index("chair")
    assert chair.any()
    error = np.abs(frame.image.astype(int) - np.reshape(COLORS[0], (3, 1, 1))).sum(0)
    assert error[chair].mean() < 0.5 * error[~chair].mean()
    assert len(LabelledFrames(sources, (24, 32), every=2)) == 2
    assert [frame.scene for frame in frames] == [0, 0, 1, 1]


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
    assert counts["colour"].metrics()["miou"] > 0.75
    assert counts["nothing"].metrics()["miou"] < 0.5
    assert counts["colour"].matrix.sum() == 3 * 24 * 32
    with pytest.raises(InputError, match="no labelled frames"):
        segmentation(encode, [], asked, ["ground", "disc"], (6, 8))
