import numpy as np
import pytest

from scanwise.synth.sensors import KINECT, PHONE, Exposure, facing, measure, moved

K = np.array([[250.0, 0, 159.5], [0, 250, 119.5], [0, 0, 1]])
SIZE = (240, 320)


def wall(z: float) -> np.ndarray:
    return np.full(SIZE, z, np.float32)


@pytest.mark.parametrize("z", [1.0, 2.0, 4.0])
def test_noise_grows_as_the_sensor_says(z):
    measured = measure(wall(z), K, PHONE, np.random.default_rng(0))
    expected = PHONE.noise[0] + PHONE.noise[1] * (z - PHONE.near) ** 2
    assert np.std(measured) == pytest.approx(expected, rel=0.15)
    assert np.mean(measured) == pytest.approx(z, abs=2e-3)


def test_kinect_measures_in_steps_of_disparity():
    values = np.unique(measure(wall(4.0), K, KINECT, np.random.default_rng(0)))
    disparities = KINECT.baseline * K[0, 0] / values[values > 0]
    np.testing.assert_allclose(
        disparities / KINECT.disparity_step, np.rint(disparities / KINECT.disparity_step), rtol=1e-5
    )


@pytest.mark.parametrize("camera", [KINECT, PHONE])
def test_out_of_range_and_nothing_there_give_no_reading(camera):
    depth = wall(2.0)
    depth[:, :80], depth[:, 80:160], depth[:, 160:240] = 0.05, 0, 9
    measured = measure(depth, K, camera, np.random.default_rng(0))
    assert (measured[20:-20, 10:70] == 0).all()
    assert (measured[20:-20, 90:150] == 0).all()
    assert (measured[20:-20, 170:230] == 0).all()
    assert (measured[20:-20, 250:] > 0).mean() > 0.9


def test_facing_is_the_cosine_of_a_tilted_plane():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    x, y = (columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1]
    normal = np.array([0.6, 0.0, 0.8])
    depth = 2.0 / (x * normal[0] + y * normal[1] + normal[2])
    rays = np.stack([x, y, np.ones_like(x)], -1)
    expected = (rays @ normal) / np.linalg.norm(rays, axis=-1)
    np.testing.assert_allclose(facing(depth, K)[2:-2, 2:-2], expected[2:-2, 2:-2], atol=0.02)


def test_a_photograph_is_exposed_noisy_and_repeatable():
    image = np.full((*SIZE, 3), 128, np.uint8)
    one = Exposure(np.array([1.5, 1.0, 0.7]), 3.0).photograph(image, np.random.default_rng(4))
    two = Exposure(np.array([1.5, 1.0, 0.7]), 3.0).photograph(image, np.random.default_rng(4))
    np.testing.assert_array_equal(one, two)
    red, green, blue = one[100:140, 140:180].reshape(-1, 3).mean(0)
    assert red > green > blue
    assert red / green == pytest.approx(1.5**0.5, rel=0.03)  # gain acts on light, the picture is its root
    assert 2 < one[100:140, 140:180, 1].std() < 8


def test_motion_blur_keeps_light_and_spreads_it():
    light = np.zeros((21, 21, 3))
    light[10, 10] = 1
    blurred = moved(light, 4.0, 0.0)
    assert blurred.sum() == pytest.approx(3)
    assert (blurred[10, 8:13, 0] > 0).all()
    assert blurred[9].sum() == blurred[11].sum() == 0
    np.testing.assert_array_equal(moved(light, 0.0, 1.0), light)
