"""The weights that are shipped: each has a card that describes these very bytes, and can be loaded by name."""

import hashlib
from pathlib import Path

import pytest

from scanwise.training.backbones import load_backbone
from scanwise.training.checkpoints import SHIPPED, load

FILES = sorted(SHIPPED.glob("*.safetensors"))


def test_some_are_shipped():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_has_its_card(path):
    card = path.with_suffix(".md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    for heading in ("## Recipe", "## Metrics", "## Licence"):
        assert heading in card


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_loads_by_its_name(path):
    checkpoint = load(Path(path.stem))
    assert checkpoint.facts["recipe"]
    assert all(value.isfinite().all() for value in checkpoint.tensors.values() if value.is_floating_point())


def test_a_backbone_is_found_in_the_supervised_ones():
    assert load_backbone(Path("segment-rooms-small")).backbone.channels > 0
