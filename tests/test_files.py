"""Depth maps on disk: what is no reading, and what is no depth map."""

import numpy as np
import pytest
from PIL import Image

from scanwise.errors import InputError
from scanwise.files import DepthFile


def test_what_is_no_reading_is_zero(tmp_path):
    Image.fromarray(np.array([[0, 500], [65535, 9000]], np.uint16)).save(tmp_path / "a.png")
    assert DepthFile(tmp_path / "a.png", far=6).read().tolist() == [[0, 0.5], [0, 0]]
    np.save(tmp_path / "a.npy", np.array([[np.nan, -1], [np.inf, 2.5]]))
    depth = DepthFile(tmp_path / "a.npy", 1.0)
    assert depth.read().tolist() == [[0, 0], [0, 2.5]]
    assert depth.size() == (2, 2)


@pytest.mark.parametrize("name", ["text.png", "text.npy", "absent.png", "absent.npy", "cut.npy", "colour.png"])
def test_what_is_no_depth_map_is_one_line(tmp_path, name):
    path = tmp_path / name
    if name.startswith("text"):
        path.write_text("hello")
    elif name == "cut.npy":
        np.save(path, np.ones((4, 4)))
        path.write_bytes(path.read_bytes()[:-9])
    elif name == "colour.png":
        Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(InputError) as caught:
        DepthFile(path).read()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
