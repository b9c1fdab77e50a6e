"""Sheets of pictures: tiles say where tokens look."""

import numpy as np
from PIL import Image

from scanwise.app.sheet import draw_pair, draw_tokens


def test_a_token_is_bright_and_coloured_where_patches_look_at_it(tmp_path):
    picture = np.full((32, 32, 3), 200, np.uint8)
    shares = np.full((2, 4, 4), 0.1)
    shares[0, :, :2] = shares[1, :, 2:] = 0.3
    shares[0, 0, 2] = 0.4  # the first token is the stronger
    draw_tokens(tmp_path / "a.png", picture, shares)
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(float)
    tiles = np.array_split(drawn[150:260], 4, axis=1)  # the lower half of the picture, the overlay, two tokens

    def halves(tile):
        middle = tile.shape[1] // 2
        return tile[:, 50 : middle - 30].mean((0, 1)), tile[:, middle + 30 : -50].mean((0, 1))

    left, right = halves(tiles[1])
    assert np.abs(left - right).max() > 30  # in different colours
    left, right = halves(tiles[2])
    assert left.mean() > right.mean() + 50
    left, right = halves(tiles[3])
    assert left.mean() < right.mean() - 50


def test_a_pair_is_enlarged_by_whole_pixels(tmp_path):
    draw_pair(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8), ("a", "b"))
    assert np.asarray(Image.open(tmp_path / "a.png").convert("L")).std() > 50
