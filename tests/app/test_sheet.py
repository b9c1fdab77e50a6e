"""Sheets of pictures: tiles say where tokens look."""

import numpy as np
from PIL import Image

from scanwise.app.sheet import draw_tokens


def test_a_token_is_bright_where_patches_look_at_it(tmp_path):
    picture = np.full((32, 32, 3), 200, np.uint8)
    shares = np.full((2, 4, 4), 0.1)
    shares[0, :, :2] = shares[1, :, 2:] = 0.3
    draw_tokens(tmp_path / "a.png", picture, shares)
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(float)
    _, likeliest, first, second = np.array_split(drawn[60:-40], 4, axis=1)  # after the picture itself
    middle = first.shape[1] // 2

    def halves(tile):
        return tile[:, 40 : middle - 30].mean((0, 1)), tile[:, middle + 30 : -40].mean((0, 1))

    left, right = halves(likeliest)
    assert np.abs(left - right).max() > 50  # in different colours
    left, right = halves(first)
    assert left.mean() > right.mean() + 60
    left, right = halves(second)
    assert left.mean() < right.mean() - 60
