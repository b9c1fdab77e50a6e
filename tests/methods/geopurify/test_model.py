"""The student's step and its embedding of whole scenes."""

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.datasets import Draw
from scanwise.errors import InputError
from scanwise.methods.geopurify.data import SampleDataset, collate
from scanwise.methods.geopurify.model import GeoPurify, Student, StudentConfig, load_student
from scanwise.nn.sparse import SparseTensor
from scanwise.training.checkpoints import Checkpoint, save
from tests.methods.geopurify.corners import recipe, training_scene


def test_a_batch_of_two_has_the_mean_of_both_losses(data):
    torch.manual_seed(0)
    model = GeoPurify(recipe(data), StudentConfig("", 0, 3, 8, 8, 1)).eval()
    dataset = SampleDataset([training_scene(0), training_scene(1)], 0, 64)
    both = [dataset[Draw(place, (7, place))] for place in range(2)]
    with torch.no_grad():
        losses = [float(model.training_step(collate(part), 0.0)["loss"]) for part in (both[:1], both[1:], both)]
    assert losses[2] == pytest.approx(np.mean(losses[:2]), rel=1e-4)


def test_a_scene_in_slabs_is_embedded_as_in_one():
    torch.manual_seed(0)
    student = Student(StudentConfig("", 0, 3, 8, 5, 2)).eval()
    cloud = training_scene(3)
    coords = cloud.coords * np.array([1, 1, 4], np.int32) // np.array([1, 1, 2], np.int32)
    coords = np.unique(coords, axis=0)
    inputs = torch.randn(len(coords), 12)
    whole = student(SparseTensor(torch.from_numpy(coords), inputs, torch.zeros(len(coords), dtype=torch.long)))
    torch.testing.assert_close(student.embed(coords, inputs, max_voxels=900), whole.detach(), rtol=1e-4, atol=1e-5)


def test_a_student_is_loaded_as_it_was_saved_and_nothing_else_is(tmp_path):
    student = Student(StudentConfig("colour", 4, 3, 8, 5, 1))
    tensors = {f"student.{name}": value for name, value in student.state_dict().items()}
    save(Checkpoint(tensors, {"kind": "geopurify", **student.facts()}), tmp_path / "best.ckpt")
    loaded = load_student(tmp_path)
    assert asdict(loaded.config) == student.facts()["student"]
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, student.state_dict()[name])
    with pytest.raises(InputError, match="holds no geopurify model"):
        load_student(Path("dos-rooms-small"))


def test_using_a_student_does_not_load_what_only_training_needs():
    code = (
        "import scanwise.methods.geopurify.features, scanwise.methods.geopurify.model, scanwise.nn.sharpening, sys; "
        "print(sorted({'lightning_fabric', 'pydantic', 'scipy', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
