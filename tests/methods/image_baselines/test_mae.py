"""MAE: its loss by hand, and what it may not see."""

import torch

from scanwise.methods.image_baselines.mae import MAE, patches
from tests.methods.image_baselines.recipes import recipe


def test_patches_row_by_row():
    image = torch.arange(2 * 3 * 4 * 8.0).view(2, 3, 4, 8)
    cut = patches(image, 4)
    assert cut.shape == (2, 2, 48)
    assert torch.equal(cut[1, 1].view(3, 4, 4), image[1, :, :, 4:])


def test_mae_measures_hidden_patches_alone_and_never_sees_them():
    torch.manual_seed(0)
    model = MAE(recipe("mae"))
    images, keep = torch.rand(2, 3, 16, 16), torch.tensor([[0, 5, 9], [15, 2, 3]])
    loss = model.loss(images, keep)
    seen = model.encoder(images, keep=keep).dense
    errors = []
    for number in range(2):
        row = model.unseen.repeat(16, 1)
        row[keep[number]] = seen[number]
        guessed = patches(model.decoder(row[None]), 4)[0]
        truth = patches(images[number][None], 4)[0]
        truth = (truth - truth.mean(1, keepdim=True)) / (truth.var(1, keepdim=True) + 1e-6).sqrt()
        errors += [(guessed[p] - truth[p]).square().mean() for p in range(16) if p not in keep[number].tolist()]
    torch.testing.assert_close(loss, torch.stack(errors).mean())
    other = images.clone()
    other[:, :, 0:4, 4:8] = 0.123  # patch 1, hidden in both
    assert torch.equal(model.encoder(other, keep=keep).dense, seen)
