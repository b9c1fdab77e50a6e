"""Materials: each repeats without a seam, is drawn by its generator alone, and differs from draw to draw."""

import numpy as np
import pytest

from scanwise.synth.textures import PALE, SIZE, TEXTURES, noise, pick, texture


def steps(picture: np.ndarray, axis: int) -> np.ndarray:
    """(n,) mean difference of each line to the next one; the last is the seam, from the last line to the first."""
    return np.abs(picture - np.roll(picture, -1, axis)).mean(axis=tuple({0, 1, 2} - {axis}))


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("seed", range(4))
def test_a_seam_is_no_larger_a_step_than_those_within(name, seed):
    picture = texture(name, np.random.default_rng(seed))
    assert picture.dtype == np.uint8
    assert picture.shape == (SIZE, SIZE, 3)
    for axis in (0, 1):
        *within, seam = steps(picture.astype(float), axis)
        assert seam <= 1.2 * max(within) + 0.5


def test_what_does_not_repeat_has_a_seam():
    ramp = np.broadcast_to(np.linspace(0, 200, SIZE)[:, None, None], (SIZE, SIZE, 3))
    *within, seam = steps(ramp, 0)
    assert seam > 50 * max(within)


@pytest.mark.parametrize("name", TEXTURES)
def test_the_seed_decides(name):
    first, again, other = (texture(name, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.std() > 0.5, "a material is no plain colour"


@pytest.mark.parametrize("scale", [(1, 1), (30, 2)])
def test_noise_has_mean_0_and_deviation_1_and_blobs_of_the_scale(scale):
    picture = noise(np.random.default_rng(3), scale)
    assert picture.mean() == pytest.approx(0, abs=1e-9)
    assert picture.std() == pytest.approx(1)
    down, across = (np.abs(picture - np.roll(picture, 1, axis)).mean() for axis in (0, 1))
    assert (down < across / 5) if scale[0] > scale[1] else down == pytest.approx(across, rel=0.1)


def test_a_picked_colour_is_near_one_of_the_palette():
    for seed in range(20):
        color = pick(np.random.default_rng(seed), PALE, spread=2)
        assert color.dtype == np.uint8
        assert np.abs(np.array(PALE) - color).max(1).min() <= 10
