"""Lenses: against OpenCV's published formulas, and pictures that come out as a pinhole's."""

from __future__ import annotations

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.geometry.cameras import pixel_rays
from scanwise.geometry.lenses import Lens, bends, lens_of, straightened

CAMERA = np.array([[100.0, 0, 79.5], [0, 90, 59.5], [0, 0, 1]])
SIZE = (120, 160)
LENSES = [
    Lens((-0.25, 0.06)),
    Lens((0.1,), (0.004, -0.003)),
    Lens((-0.02, 0.001, 0.0, 0.0), fisheye=True),
    Lens((0.3, 0.1, 0.02), (0.0, 0.0), (0.5, 0.1, 0.0)),
]


def by_hand(lens: Lens, x: float, y: float) -> tuple[float, float]:
    """OpenCV's formulas for one ray, as its manual writes them."""
    r = np.hypot(x, y)
    k = [*lens.radial, 0, 0, 0, 0]
    if lens.fisheye:
        angle = np.arctan(r)
        bent = angle * (1 + k[0] * angle**2 + k[1] * angle**4 + k[2] * angle**6 + k[3] * angle**8)
        return x * bent / r, y * bent / r
    q = [*lens.divisor, 0, 0, 0]
    factor = (1 + k[0] * r**2 + k[1] * r**4 + k[2] * r**6 + k[3] * r**8) / (1 + q[0] * r**2 + q[1] * r**4 + q[2] * r**6)
    p1, p2 = lens.tangential
    return (
        x * factor + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2),
        y * factor + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y,
    )


@pytest.mark.parametrize("lens", LENSES)
def test_rays_bend_as_the_formulas_say(lens: Lens) -> None:
    rays = np.random.default_rng(0).uniform(-0.6, 0.6, (20, 2))
    np.testing.assert_allclose(lens.bend(rays), [by_hand(lens, *ray) for ray in rays], atol=1e-12)


def scene(rays: np.ndarray) -> np.ndarray:
    """A smooth picture of a ray's direction."""
    return 127 + 60 * np.sin(9 * rays[..., 0]) + 60 * np.cos(8 * rays[..., 1])


@pytest.mark.parametrize("lens", LENSES)
def test_a_straightened_picture_is_a_pinholes(lens: Lens) -> None:
    rows, columns = np.indices(SIZE, np.float64)
    straight = pixel_rays(np.stack([columns, rows], -1), CAMERA)[..., :2]
    taken = unbent(lens, straight)
    picture = np.rint(scene(taken)).astype(np.uint8)
    result = straightened(picture[..., None].repeat(3, 2), lens, CAMERA, smooth=True)
    inner = (slice(30, 90), slice(40, 120))
    assert np.abs(result[inner][..., 0].astype(float) - scene(straight)[inner]).max() < 3
    assert np.abs(picture[inner].astype(float) - scene(straight)[inner]).max() > 5


def unbent(lens: Lens, bent: np.ndarray) -> np.ndarray:
    """Rays that a lens has at `bent`, by fixed point iteration."""
    rays = bent.copy()
    for _ in range(50):
        rays = rays + 0.5 * (bent - lens.bend(rays))
    return rays


def test_depth_is_not_mixed_and_ends_where_the_picture_does() -> None:
    depth = np.where(np.arange(160) < 80, 1.0, 5.0) * np.ones(SIZE)
    result = straightened(depth.astype(np.float32), Lens((0.8,)), CAMERA, smooth=False)
    assert set(np.unique(result)) == {0.0, 1.0, 5.0}
    assert not result[0, 0]
    assert result[60, 80]


def test_a_series_that_turns_back_gives_no_depth_beyond() -> None:
    """With k1 = -2 the radius grows to 0.27 and shrinks again: what would come from there is no second picture."""
    result = straightened(np.ones(SIZE, np.float32), Lens((-2.0,)), CAMERA, smooth=False)
    assert result[60, 80]
    assert not result[60, -1]
    assert not result[60, 0]


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("OPENCV", {}, None),
        ("", {"k1": 0.0}, None),
        ("PINHOLE", {"k1": 0.3}, None),
        ("OPENCV", {"k1": 0.1, "p2": 0.2}, Lens((0.1, 0, 0, 0), (0, 0.2))),
        ("", {"k2": 0.1}, Lens((0, 0.1, 0, 0))),
        ("OPENCV_FISHEYE", {"k1": 0.1}, Lens((0.1, 0, 0, 0), fisheye=True)),
        ("FULL_OPENCV", {"k4": 0.1}, Lens((0, 0, 0), (0, 0), (0.1, 0, 0))),
    ],
)
def test_models_by_name(model: str, given: dict[str, float], expected: Lens | None) -> None:
    assert lens_of(model, given, "here") == expected


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(InputError, match=r"^room: pictures of the camera model EQUIRECTANGULAR are not understood"):
        lens_of("EQUIRECTANGULAR", {}, "room")


def test_what_moves_no_pixel_by_half_is_straight() -> None:
    assert not bends(Lens((1e-3,)), CAMERA, SIZE)
    assert bends(Lens((1e-2,)), CAMERA, SIZE)
