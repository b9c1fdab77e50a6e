"""Frames that are left out, as others look like them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scanwise.errors import InputError
from scanwise.files import EncodedImage
from scanwise.understand.frames import check_frames, spread_out, without_near_duplicates
from tests.pictures import COLOURS, encoded, picture
from tests.worlds import corner_scene


def test_of_pairs_of_twins_one_each_is_taken():
    torch.manual_seed(0)
    different = torch.randn(6, 4, 8)
    twins = (different[:, None] + 0.01 * torch.randn(6, 2, 4, 8)).flatten(0, 1)
    rows = spread_out(twins, 6)
    assert [row // 2 for row in rows] == list(range(6))


def test_a_recording_of_pairs_keeps_one_of_each():
    scene = corner_scene()
    pictures = [encoded(picture(tuple(COLOURS.values())[n % 3], 10 * n, (96, 64))) for n in range(6)]
    views = [
        replace(scene.views[0], image_raster=EncodedImage(pictures[n // 2], ".png"), name=str(n)) for n in range(12)
    ]
    kept = without_near_duplicates(replace(scene, views=views))
    assert [int(view.name) // 2 for view in kept.views] == list(range(6))
    assert np.array_equal(kept.points, scene.points)
    few = replace(scene, views=views[:5])
    assert without_near_duplicates(few) is few


def test_other_words_are_refused():
    assert check_frames("auto") == "auto"
    with pytest.raises(InputError, match="all, or auto"):
        check_frames("some")
