"""MAE, DINO and the supervised ViT: losses by hand, what they may not see, runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from scanwise.data.images import ImageBatch
from scanwise.errors import InputError
from scanwise.methods.image_baselines.model import DINO, MAE, BaselineRecipe, Supervised, patches, read_encoder, train
from scanwise.methods.stellar.model import StellarRecipe
from scanwise.training.launch import make_fabric
from scanwise.training.recipe import read_recipe
from tests.pictures import COLOURS, picture, write_folder


def recipe(method, data=".", **changes):
    values = {"size": "nano", "image": 16, "crop_size": 8, "crops": 2, "prototypes": 12, "predictor": 16,
              "prototype_width": 8, "decoder_width": 16, "decoder_depth": 1, "steps": 2, "batch": 4,
              "validate_every": 2, "checkpoint_every": 2}  # fmt: skip
    return BaselineRecipe(data=data, method=method, **(values | changes))


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


def test_dino_pairs_every_view_with_the_other_large_view():
    torch.manual_seed(0)
    model = DINO(recipe("dino")).eval()
    model.center.normal_()
    large, small = torch.rand(4, 3, 16, 16), torch.rand(6, 3, 8, 8)  # 2 pictures: 2 large views, 3 small ones

    def said(images):
        return model.head(model.encoder(images).cls) / 0.1

    with torch.no_grad():
        encoder, head = model.teacher
        answers = ((head(encoder(large).cls) - model.center) / 0.04).softmax(1).split(2)
    views = [*said(large).split(2), *said(small).split(2)]
    losses = [
        functional.cross_entropy(view, answer)
        for v, view in enumerate(views) for a, answer in enumerate(answers) if v != a
    ]  # fmt: skip
    assert len(losses) == 8
    torch.testing.assert_close(model.loss(large, small), torch.stack(losses).mean())


def test_dinos_centre_and_teacher_move():
    torch.manual_seed(0)
    model = DINO(recipe("dino", momentum=0.9))
    large = torch.rand(4, 3, 16, 16)
    encoder, head = model.teacher
    answers = head(encoder(large).cls).mean(0)
    model.loss(large, None)
    torch.testing.assert_close(model.center, 0.1 * answers)
    with torch.no_grad():
        model.encoder.cls += 1
    before = encoder.cls.clone()
    model.after_step(0.0)
    torch.testing.assert_close(encoder.cls, before + 0.1)


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


@pytest.mark.parametrize("method", ["mae", "dino", "supervised"])
def test_runs_leave_an_encoder(tmp_path, method):
    data = write_folder(write_folder(tmp_path / "data", 2), 1, "test", seed=500)
    metrics = train(recipe(method, data), tmp_path / "out", make_fabric(device="cpu"))
    assert {"knn_cls", "knn_dense"} <= set(metrics)
    encoder = read_encoder(tmp_path / "out" / "best.ckpt")
    assert encoder(torch.rand(1, 3, 16, 16)).dense.shape == (1, 16, 96)


def test_labels_cannot_be_learned_from_pictures_without(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for seed in range(4):
            picture(COLOURS["red"], seed).save(tmp_path / split / f"{seed}.png")
    with pytest.raises(InputError, match="without classes"):
        train(recipe("supervised", tmp_path), tmp_path / "out", make_fabric(device="cpu"))


@pytest.mark.parametrize("method", ["mae", "dino", "supervised"])
def test_the_recipes_that_ship_see_what_stellar_sees(method):
    recipes = Path(__file__).parents[3] / "recipes"
    baseline = read_recipe(recipes / f"{method}-cifar-tiny.yaml", BaselineRecipe)
    stellar = read_recipe(recipes / "stellar-cifar-tiny.yaml", StellarRecipe)
    assert baseline.method == method
    for key in ("data", "size", "image", "patch", "batch", "steps", "learning_rate", "weight_decay", "scale"):
        assert getattr(baseline, key) == getattr(stellar, key)
