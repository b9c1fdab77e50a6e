"""Losses as computed by hand; what is rare is drawn oftener; frames are learned by heart."""

import math

import pytest
import torch

from scanwise.data.datasets import Draw, scene_paths
from scanwise.data.frames import FrameDataset
from scanwise.methods.vision.data import Crops, Vocabulary, collate
from scanwise.methods.vision.model import RoomsVision, balanced_rows, name_loss
from scanwise.methods.vision.recipe import RoomsVisionRecipe
from tests.framed import write_framed


def test_loss_of_names_by_hand():
    logits = torch.tensor([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0], [5.0, 5.0, 5.0]])
    rivals = torch.tensor([[True, False, True], [True, True, True], [True, True, True]])
    first = -math.log(math.e / (math.e + 1))  # the second name is no rival of the first
    second = -math.log(math.exp(3) / (1 + math.exp(3) + math.e))
    found = name_loss(logits, torch.tensor([0, 1, -1]), rivals)
    assert float(found) == pytest.approx((first + second) / 2, abs=1e-6)


def test_rare_words_are_drawn_oftener_than_they_are():
    torch.manual_seed(0)
    words = torch.tensor([0] * 900 + [1] * 100 + [-1] * 50)
    rows = balanced_rows(words, torch.full_like(words, -1), 4000)
    assert (words[rows] >= 0).all()
    assert float((words[rows] == 1).float().mean()) == pytest.approx(10 / (30 + 10), abs=0.03)


def test_two_pictures_are_learned_and_imagenet_kept(tmp_path):
    data = write_framed(tmp_path, train=4, val=1)
    torch.manual_seed(0)
    recipe = RoomsVisionRecipe(data=data, crop=64, samples=128)
    frames = FrameDataset(scene_paths(data, "train"), Crops(recipe.crop, random=False))
    model = RoomsVision(recipe, Vocabulary(frames.names, frames.classes))
    batch = collate([frames[Draw(number, (0,))] for number in (0, 2)])
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3)
    losses = []
    for _ in range(25):
        metrics = model.training_step(batch, 0.0)
        metrics["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append({name: float(value.detach()) for name, value in metrics.items()})
    assert losses[0]["kept"] == pytest.approx(0, abs=1e-4)
    assert losses[-1]["names"] < 0.3 * losses[0]["names"]
    assert losses[-1]["classes"] < 0.3 * losses[0]["classes"]
