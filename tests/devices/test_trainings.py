"""A training of every method, start to checkpoint, where tensors lie elsewhere."""

import pytest
import torch

from scanwise.training.checkpoints import load
from scanwise.training.launch import make_fabric
from tests.devices import pretended
from tests.devices.runs import TRAININGS, seeded


@pytest.mark.parametrize("method", list(TRAININGS))
def test_a_training_elsewhere_begins_as_on_the_cpu(method, tmp_path):
    here = seeded(TRAININGS[method], tmp_path / "data", tmp_path / "cpu", make_fabric(device="cpu"))
    there = seeded(TRAININGS[method], tmp_path / "data", tmp_path / "there", pretended.fabric())
    assert len(there) == 2
    assert there[0] == pytest.approx(here[0], rel=0.02) or method in DRAWN_THERE
    weights = load(tmp_path / "there" / "best.ckpt").tensors
    assert all(each.device.type == "cpu" for each in weights.values())


DRAWN_THERE = {"stellar", "dino", "mae"}
"""What is masked, or how colours change, is drawn on the device, and devices draw other numbers."""


@pytest.mark.parametrize("method", ["segment", "detect", "dos", "less", "two-stage", "geopurify", "vision", "stellar"])
def test_a_training_in_half_the_bits(method, tmp_path):
    losses = seeded(TRAININGS[method], tmp_path / "data", tmp_path / "run", pretended.fabric("bf16-mixed"))
    assert torch.isfinite(torch.tensor(losses)).all()
