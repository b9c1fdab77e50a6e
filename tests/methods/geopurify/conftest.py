"""A student that was trained on corners, once for all of its tests."""

import pytest

from scanwise.formats import folder
from scanwise.methods.geopurify.train import train
from scanwise.nn.frozen import Frozen
from scanwise.training.backbones import random_backbone
from scanwise.training.launch import make_fabric
from tests.methods.geopurify.corners import coloured, recipe
from tests.worlds import ColourVision


@pytest.fixture(scope="package")
def teacher() -> Frozen:
    return random_backbone("tiny", 0.2, ("color", "normal"))


@pytest.fixture(scope="package")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("corners")
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            folder.write(coloured(10 * count + number), root / split / f"{number:04d}")
    return root


@pytest.fixture(scope="package")
def run(data, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, train(recipe(data), out, make_fabric(device="cpu"), teacher=teacher, vision=ColourVision())
