"""Crops and colours of views."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scanwise.data.image_views import TO_YIQ, Views, Whole, centered, color_jitter, crops, random_box
from scanwise.data.image_views import _blurred as blurred
from scanwise.data.image_views import _sampling as sampling
from scanwise.data.image_views import _toned as toned


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.01, 1), st.integers(0, 1000))
def test_a_box_lies_in_the_picture(width, height, least, seed):
    left, top, right, bottom = random_box((width, height), (least, 1.0), np.random.default_rng(seed))
    assert 0 <= left < right <= width + 1e-9
    assert 0 <= top < bottom <= height + 1e-9
    assert (right - left) * (bottom - top) <= width * height + 1e-6


def test_the_middle_of_a_picture_and_nothing_random():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 200
    assert (np.asarray(centered(Image.fromarray(pixels), 5))[:, 2:3] == 200).all()
    sample = Views(10, scale=None)(Image.fromarray(pixels), np.random.default_rng(0))
    assert (sample.image == 200).all()
    assert sample.image.shape == (3, 10, 10)


@given(st.integers(0, 10_000))
def test_crops_are_pillows(seed):
    random = np.random.default_rng(seed)
    side, size = random.integers(6, 40, 2)
    picture = random.integers(0, 256, (side, side, 3)).astype(np.uint8)
    left, right = np.sort(random.uniform(0, side, 2))
    left, right = min(left, side - 2), max(right, min(left, side - 2) + 1.5)
    right = min(right, side)
    expected = Image.fromarray(picture).resize((size, side), Image.Resampling.BICUBIC, (left, 0, right, side))
    shares = [torch.tensor(value / side) for value in (left, right - left)]
    found = torch.from_numpy(picture).float().permute(2, 0, 1) @ sampling(*shares, int(size), int(side)).mT.float()
    inside = [column for column in range(size) if 2 < left + (column + 0.5) * (right - left) / size < side - 2]
    error = (found.permute(1, 2, 0).clamp(0, 255).numpy() - np.asarray(expected, float))[:, inside]
    assert not inside or np.abs(error).mean() < 6  # Pillow cuts the kernel off at the box, and rounds


def test_a_crop_of_all_is_the_picture_or_its_mirror():
    picture = torch.rand(1, 3, 12, 12)
    rows = [sampling(torch.tensor(start), torch.tensor(length), 12, 12) for start, length in ((0.0, 1.0), (1.0, -1.0))]
    torch.testing.assert_close(picture @ rows[0].mT, picture)
    torch.testing.assert_close(picture @ rows[1].mT, picture.flip(3))


def test_crops_are_of_their_size_and_share():
    torch.manual_seed(0)
    ramp = torch.linspace(0, 1, 64).expand(200, 3, 64, 64)
    large = crops(ramp, torch.ones(200), 1, (16, 24), (0.5, 1.0))
    small = crops(ramp, torch.ones(200), 4, (8, 8), (0.05, 0.1))
    assert large.shape == (200, 1, 3, 16, 24)
    assert small.shape == (200, 4, 3, 8, 8)
    reach = [(part[..., -1] - part[..., 0]).abs().mean((2, 3)) for part in (large, small)]
    assert reach[0].min() > 0.5
    assert reach[1].max() < 0.4
    rising = (large[:, 0, 0, 0, -1] > large[:, 0, 0, 0, 0]).float().mean()
    assert 0.35 < rising < 0.65  # some are mirrored


def test_a_squeezed_picture_is_cropped_in_its_own_shape():
    torch.manual_seed(0)
    x = torch.linspace(0, 1, 64).expand(300, 1, 64, 64)
    both = torch.cat([x, x.mT, x], 1)  # of a picture twice as wide as high
    found = crops(both, torch.full((300,), 2.0), 1, (16, 16), (0.05, 0.05))[:, 0]
    wide, high = (found[:, 0, 0, -1] - found[:, 0, 0, 0]).abs(), found[:, 1, -1, 0] - found[:, 1, 0, 0]
    assert 0.4 < float((wide / high).median()) < 0.6  # half as wide in shares


def test_a_whole_picture_keeps_its_aspect():
    sample = Whole(12)(Image.new("RGB", (40, 30), (9, 8, 7)), np.random.default_rng(0))
    assert sample.image.shape == (3, 12, 12)
    assert sample.aspect == 40 / 30


def test_colours_change_within_range_and_by_the_seed():
    images = torch.rand(64, 3, 8, 8)
    torch.manual_seed(1)
    one = color_jitter(images)
    torch.manual_seed(1)
    assert torch.equal(color_jitter(images), one)
    assert one.min() >= 0
    assert one.max() <= 1
    changed = (one - images).abs().amax((1, 2, 3)) > 1e-4
    assert 0.7 < changed.float().mean() <= 1
    grey = (one.amax(1) - one.amin(1)).amax((1, 2)) < 1e-4
    assert 0.05 < grey.float().mean() < 0.45


def test_hue_turns_keep_brightness_and_a_whole_turn_is_none():
    images = torch.rand(3, 3, 4, 4)
    luma = torch.tensor(TO_YIQ[0]).view(1, 3, 1, 1)
    turned = toned(images, torch.ones(3), torch.tensor([0.1, 0.3, 1.0]))
    torch.testing.assert_close((turned * luma).sum(1), (images * luma).sum(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(turned[2], images[2], atol=1e-5, rtol=0)
    assert (turned[0] - images[0]).abs().max() > 0.01
    grey = toned(images, torch.zeros(3), torch.zeros(3))
    assert float((grey.amax(1) - grey.amin(1)).max()) < 1e-3


def test_blur_is_a_gaussian_of_each_pictures_own_width():
    point = torch.zeros(2, 3, 33, 33)
    point[:, :, 16, 16] = 1
    soft = blurred(point, torch.tensor([0.3, 1.5]))
    torch.testing.assert_close(soft.sum((2, 3)), torch.ones(2, 3))
    sigma = 1.5 * 33 / 32
    assert float(soft[1, 0, 16, 17] / soft[1, 0, 16, 16]) == pytest.approx(np.exp(-0.5 / sigma**2), rel=1e-4)
    assert soft[0, 0, 16, 16] > 0.9


@pytest.mark.parametrize("shape", [(5, 3, 32, 32), (2, 3, 7, 19), (1, 1, 2, 2), (2, 3, 70, 33)])
def test_blur_is_a_convolution_of_the_mirrored_image(shape):
    images, sigma = torch.rand(shape), torch.linspace(0.1, 2, shape[0])
    height, width = shape[2:]
    unit = max(height, width) / 32
    reach = max(1, min(round(3 * unit), min(height, width) - 1))
    for image, width_of_image, found in zip(images, sigma, blurred(images, sigma), strict=True):
        kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * (unit * width_of_image) ** 2))
        kernel = torch.outer(kernel, kernel)[None, None] / kernel.sum() ** 2
        padded = torch.nn.functional.pad(image[:, None], [reach] * 4, mode="reflect")
        torch.testing.assert_close(found, torch.nn.functional.conv2d(padded, kernel)[:, 0])
