"""The supervised ViT learns."""

import numpy as np
import torch

from scanwise.data.images import ImageBatch
from scanwise.methods.image_baselines.supervised import Supervised
from tests.methods.image_baselines.recipes import recipe
from tests.pictures import COLOURS, picture


def test_labels_are_learned_by_heart():
    torch.manual_seed(0)
    model = Supervised(recipe("supervised"), 3)
    images = torch.stack([
        torch.from_numpy(np.array(picture(colour, seed, (16, 16)))).permute(2, 0, 1)
        for seed in range(2) for colour in COLOURS.values()
    ])  # fmt: skip
    batch = ImageBatch(images, torch.tensor([0, 1, 2, 0, 1, 2]))
    solver = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(40):
        solver.zero_grad()
        model.training_step(batch, 0.0)["loss"].backward()
        solver.step()
    assert (model.eval()(images / 255).argmax(1) == batch.labels).all()
