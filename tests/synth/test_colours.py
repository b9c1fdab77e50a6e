"""Colour words: of colours that everyone calls the same, of pieces in one colour, in two, and with a picture."""

import numpy as np
import pytest

from scanwise.synth.colours import COLOR_WORDS, color_words, lab, mesh_color_word
from scanwise.synth.mesh import box, joined, rectangle

KNOWN = [
    ((0, 0, 0), "black"), ((30, 30, 32), "black"), ((255, 255, 255), "white"), ((245, 244, 240), "white"),
    ((128, 128, 128), "grey"), ((110, 70, 40), "brown"), ((130, 86, 54), "brown"), ((224, 200, 164), "beige"),
    ((200, 20, 25), "red"), ((255, 140, 0), "orange"), ((250, 220, 30), "yellow"), ((30, 140, 50), "green"),
    ((50, 84, 60), "green"), ((30, 60, 180), "blue"), ((135, 190, 235), "blue"), ((120, 40, 150), "purple"),
    ((250, 170, 190), "pink"),
]  # fmt: skip


@pytest.mark.parametrize(("color", "word"), KNOWN)
def test_the_word_of_a_known_colour(color, word):
    assert COLOR_WORDS[color_words(np.array([color]))[0]] == word


def test_every_colour_has_a_word_and_every_word_a_colour():
    levels = np.arange(0, 256, 17)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    assert set(color_words(cube).tolist()) == set(range(len(COLOR_WORDS)))


def test_lab_of_white_red_and_grey():
    expected = [[100, 0, 0], [53.24, 80.09, 67.20], [53.59, 0, 0]]  # of the CIE's formulae for sRGB under D65
    np.testing.assert_allclose(lab(np.array([[255, 255, 255], [255, 0, 0], [128, 128, 128]])), expected, atol=0.02)


def test_a_piece_is_called_by_what_most_of_it_has():
    red, blue = box((0, 0, 0), (1, 1, 1), (200, 20, 25)), box((2, 0, 0), (2.5, 0.5, 0.5), (30, 60, 180))
    assert mesh_color_word(joined([red, blue])) == "red"


def test_three_colours_in_equal_parts_have_no_word():
    colors = (200, 20, 25), (30, 60, 180), (30, 140, 50)
    parts = [box((2 * i, 0, 0), (2 * i + 1, 1, 1), color) for i, color in enumerate(colors)]
    assert mesh_color_word(joined(parts)) == ""


@pytest.mark.parametrize(("share", "word"), [(0.51, "red"), (0.49, "")])
def test_half_is_where_a_word_begins(share, word):
    """Red on `share` of a panel, the rest blue and green alike."""
    widths = {(200, 20, 25): share, (30, 60, 180): (1 - share) / 2, (30, 140, 50): (1 - share) / 2}
    parts, x = [], 0.0
    for color, width in widths.items():
        parts.append(rectangle((x, 0, 0), (width, 0, 0), (0, 0, 1), color=color))
        x += width
    assert mesh_color_word(joined(parts)) == word


def test_what_nobody_sees_does_not_count():
    """A red shelf board from above, with a blue underside; a white door with a black back."""
    top = rectangle((0, 0, 0.1), (1, 0, 0), (0, 1, 0), color=(200, 20, 25))
    below = rectangle((0, 0, 0), (0, 2, 0), (2, 0, 0), color=(30, 60, 180))
    assert mesh_color_word(joined([top, below])) == "red"
    front = rectangle((0, 0, 0), (1, 0, 0), (0, 0, 1), color=(255, 255, 255))
    back = rectangle((0, 0.1, 0), (0, 0, 2), (2, 0, 0), color=(0, 0, 0))
    assert mesh_color_word(joined([front, back])) == "black"
    assert mesh_color_word(joined([front, back]), at_wall=True) == "white"
    assert mesh_color_word(below) == ""


def panel(picture: np.ndarray):
    return rectangle((0, 0, 0), (1, 0, 0), (0, 0, 1), color=(0, 0, 0), texture=picture)


def test_a_texture_counts_and_the_colour_below_it_does_not():
    picture = np.broadcast_to(np.array([30, 140, 50], np.uint8), (64, 64, 3))
    assert mesh_color_word(panel(picture)) == "green"


def test_fine_grain_is_one_colour():
    """Lines of white and black, finer than a patch, are grey from afar."""
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[::2] = 255
    assert mesh_color_word(panel(picture)) == "grey"


def test_what_is_transparent_does_not_count():
    clear = np.zeros((8, 8, 4), np.uint8)
    assert mesh_color_word(panel(clear)) == ""
    red = rectangle((0, 0, 1), (0.2, 0, 0), (0, 0, 0.2), color=(200, 20, 25))
    assert mesh_color_word(joined([panel(clear), red])) == "red"
