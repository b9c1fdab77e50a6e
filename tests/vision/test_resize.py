"""Images become whole patches; each model's own size gives what it gave before the models shared one function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scanwise.vision import conse, hf, rooms
from scanwise.vision.resize import MAX_ASPECT, resize


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1, 1), (480, 480)), ((6000, 8000), (480, 640)), ((3, 900), (480, 1920)), ((480, 640), (480, 640))],
)
def test_any_size_is_scaled(size: tuple[int, int], expected: tuple[int, int]):
    assert resize(np.zeros((*size, 3), np.uint8), conse.SHORTER_SIDE).shape == (*expected, 3)


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [
        ((480, 640), 16, (336, 448)),
        ((1, 1), 14, (336, 336)),
        ((6000, 8000), 32, (320, 416)),
        ((9, 900), 16, (336, 1344)),
    ],
)
def test_pictures_become_whole_patches(size: tuple[int, int], patch: int, expected: tuple[int, int]):
    assert resize(np.zeros((*size, 3), np.uint8), hf.SHORTER_SIDE, multiple=patch).shape == (*expected, 3)
    assert expected[1] <= MAX_ASPECT * expected[0]


def test_grey_is_read_as_colour():
    grey = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    assert np.array_equal(resize(grey, 60), resize(np.repeat(grey[:, :, None], 3, 2), 60))
    assert np.array_equal(resize(grey, 30)[:, :, 0], grey)  # of the right size already


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700))
def test_sides_are_those_that_each_model_had_by_itself(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    picture = Image.fromarray(image)
    factor = rooms.SHORTER_SIDE / min(picture.size)
    sides = [32 * round(min(side * factor, 4 * rooms.SHORTER_SIDE) / 32) for side in picture.size]
    assert rooms.scaled(image).shape == (sides[1], sides[0], 3)
    factor = conse.SHORTER_SIDE / min(picture.size)
    sides = [min(round(side * factor), 4 * conse.SHORTER_SIDE) for side in picture.size]
    assert resize(image, conse.SHORTER_SIDE).shape == (sides[1], sides[0], 3)
