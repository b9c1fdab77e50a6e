"""STELLAR's losses: targets, matching, teacher, learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from scanwise.data.datasets import Draw
from scanwise.data.image_views import Views
from scanwise.data.images import ImageBatch, ImageDataset, collate, read_images, to_float
from scanwise.methods.stellar.model import Stellar
from scanwise.methods.stellar.recipe import StellarRecipe
from scanwise.nn.heads import soft_cross_entropy
from scanwise.nn.sparse_tokens import SparseTokens, TokenConfig
from scanwise.nn.vit import ViTConfig
from tests.pictures import PatchVQ, write_folder

VIT = ViTConfig(image=16, patch=4, width=24, depth=2, heads=3, mlp=48)
NETWORK = TokenConfig(
    VIT, tokens=5, decoder_width=16, decoder_depth=1, decoder_heads=2, decoder_mlp=32, prototypes=12,
    prototype_width=8, predictor=20,
)  # fmt: skip


def recipe(**changes):
    return StellarRecipe(data=".", image=16, patch=4, crop_size=8, masked_views=2, crops=2, **changes)


def model(seed=0, network=NETWORK, tokenizer=None, **changes):
    torch.manual_seed(seed)
    return Stellar(recipe(**changes), SparseTokens(network), tokenizer)


def views(count=3, seed=0):
    torch.manual_seed(seed)
    keep = torch.stack([torch.randperm(16)[:5] for _ in range(2 * count)])
    return torch.rand(count, 3, 16, 16), torch.rand(count, 2, 3, 16, 16), keep, torch.rand(count, 2, 3, 8, 8)


def test_the_total_is_the_weighted_sum_of_its_terms():
    losses = model().losses(*views())
    assert set(losses) == {"loss", "reconstruction", "cluster", "cls_cluster", "koleo", "cls", "mask"}
    total = 10 * losses["reconstruction"] + 0.1 * losses["koleo"]
    total = total + losses["cluster"] + losses["cls_cluster"] + losses["cls"] + losses["mask"]
    torch.testing.assert_close(losses["loss"], total)
    other = model(reconstruction=2.0, koleo=0.0).losses(*views())
    torch.testing.assert_close(other["loss"], losses["loss"] - 8 * losses["reconstruction"] - 0.1 * losses["koleo"])


def test_reconstruction_is_the_mean_squared_error_of_the_product():
    trained = model()
    images, *rest = views()
    network = trained.network
    encoded = network.encode(images)
    expected = (network.decoder(network.spatial(encoded) @ encoded.sparse) - images).square().mean()
    torch.testing.assert_close(trained.losses(images, *rest)["reconstruction"], expected)


def test_a_masked_view_never_sees_what_was_dropped():
    trained = model()
    images, masked, keep, crops = views()
    blind = masked.clone().flatten(0, 1)
    for picture, rows in zip(blind, keep, strict=True):
        for patch in set(range(16)) - set(rows.tolist()):
            row, column = divmod(patch, 4)
            picture[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = torch.nan
    seen = trained.losses(images, masked, keep, crops)
    unseen = trained.losses(images, blind.view_as(masked), keep, crops)
    assert torch.equal(seen["loss"], unseen["loss"])


def test_targets_are_balanced_sum_to_one_and_carry_no_gradient():
    trained = model()
    logits = (0.1 * torch.randn(40, 5, 12) + torch.linspace(0, 0.3, 12)).requires_grad_()
    targets = trained._assign(logits)
    assert not targets.requires_grad
    torch.testing.assert_close(targets.sum(-1), torch.ones(40, 5), atol=1e-4, rtol=0)
    used = targets.flatten(0, 1).sum(0)
    assert used.max() / used.min() < 3
    plain = (logits / 0.06).softmax(-1).flatten(0, 1).sum(0)
    assert used.max() / used.min() < plain.max() / plain.min()
    softer = model(column_power=0.0)._assign(logits).flatten(0, 1).sum(0)
    assert softer.max() / softer.min() > used.max() / used.min()


def test_masked_tokens_get_the_targets_of_those_that_they_are_matched_to():
    trained = model()
    tokens = 5 * torch.randn(2, 5, 24)
    order = torch.stack([torch.randperm(5), torch.randperm(5)])
    shuffled = tokens.gather(1, order[:, :, None].expand(-1, -1, 24)) + 0.01
    targets = torch.rand(2, 5, 12)
    found = trained._matched(shuffled, tokens, targets)
    assert torch.equal(found, targets.gather(1, order[:, :, None].expand(-1, -1, 12)))


def test_cls_of_views_and_crops_predicts_the_full_views_target():
    trained = model()
    images, masked, keep, crops = views()
    network = trained.network
    targets = trained._assign(network.cls_head(network.encode(images).cls))
    expected = 0
    for number in range(3):
        for view in range(2):
            seen = network.encode(masked[number, view][None], keep[2 * number + view][None]).cls
            small = network.encode(crops[number, view][None]).cls
            for cls in (seen, small):
                expected = expected + soft_cross_entropy(network.cls_head(cls)[0], targets[number], 0.12) / 6
    torch.testing.assert_close(trained.losses(images, masked, keep, crops)["cls"], expected, rtol=1e-4, atol=1e-4)


def test_without_masked_views_and_crops_their_terms_are_absent():
    images, *_ = views()
    losses = model().losses(images, None, torch.zeros(0, 0, dtype=torch.int64), None)
    assert "mask" not in losses
    assert float(losses["cls"]) == 0


@pytest.mark.parametrize("changes", [{"tokens": 0}, {"bottleneck": "dense"}, {}])
def test_every_weight_that_is_trained_gets_a_gradient(changes):
    trained = model(network=replace(NETWORK, **changes))
    trained.losses(*views())["loss"].backward()
    without = [
        name
        for name, value in trained.named_parameters()
        if value.requires_grad and value.numel() and value.grad is None
    ]
    assert without == []
    assert trained.network.dense_project.weight.requires_grad == (not changes)


def test_codes_are_predicted_by_cross_entropy():
    images, *rest = views()
    tokenizer = PatchVQ(images, patch=4, codes=6)
    trained = model(network=replace(NETWORK, codes=6), tokenizer=tokenizer)
    losses = trained.losses(images, *rest)
    logits = trained.network.decode(trained.network.encode(images)).log_softmax(-1)
    expected = -logits.gather(2, tokenizer.encode(images)[:, :, None]).mean()
    torch.testing.assert_close(losses["reconstruction"], expected)
    assert trained.reconstruction_weight == 0.05
    assert not any("tokenizer" in name for name in trained.state_dict())


def test_the_teacher_starts_equal_follows_slowly_and_gives_the_targets():
    trained = model(teacher=0.5, momentum=0.9)
    images, *rest = views()
    same = trained.losses(images, *rest)
    taught = trained.losses(images, *rest, taught=images)
    torch.testing.assert_close(taught["cls"], same["cls"])  # an equal teacher that sees the same says the same
    with torch.no_grad():
        trained.network.tokens += 1
    before = trained.teacher.tokens.clone()
    trained.after_step(0.0)
    torch.testing.assert_close(trained.teacher.tokens, before + 0.1)
    trained.after_step(0.5)  # it has retired
    torch.testing.assert_close(trained.teacher.tokens, before + 0.1)
    losses = trained.losses(images, *rest, taught=torch.rand_like(images))
    losses["loss"].backward()
    assert all(value.grad is None for value in trained.teacher.parameters())
    assert not torch.equal(losses["cls"], taught["cls"])


def test_the_teacher_teaches_in_the_first_part_of_the_run_alone(monkeypatch):
    trained = model(teacher=0.5, second_view=True)
    seen = []
    monkeypatch.setattr(trained, "losses", lambda *a, taught: seen.append(taught) or {"loss": torch.zeros(())})
    second = torch.full((2, 3, 16, 16), 51, dtype=torch.uint8)
    batch = ImageBatch(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.tensor([0, 1]), second)
    for progress in (0.0, 0.49, 0.5, 0.9):
        trained.training_step(batch, progress)
    torch.testing.assert_close(seen[0], torch.full((2, 3, 16, 16), 0.2))
    assert [value is None for value in seen] == [False, False, True, True]


def test_half_precision_gives_the_same_losses_nearly():
    trained = model()
    whole = trained.losses(*views())
    with torch.autocast("cpu", torch.bfloat16):
        half = trained.losses(*views())
    half["loss"].backward()
    assert float(half["loss"].detach()) == pytest.approx(float(whole["loss"].detach()), rel=0.1)
    assert float(half["reconstruction"].detach()) == pytest.approx(float(whole["reconstruction"].detach()), rel=0.02)


# Processes


def losses_and_gradients(rank, world):
    """Of this process's share of four pictures."""
    trained = model()
    images, masked, keep, crops = views(4)
    share = slice(4 * rank // world, 4 * (rank + 1) // world)
    losses = trained.losses(
        images[share], masked[share], keep.view(4, 2, -1)[share].flatten(0, 1), crops[share]
    )  # fmt: skip
    losses["loss"].backward()
    gradients = {name: value.grad for name, value in trained.named_parameters() if value.grad is not None}
    return {name: value.detach() for name, value in losses.items()} | gradients


def work(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = losses_and_gradients(rank, 2)
    for value in found.values():
        distributed.all_reduce(value)
        value /= 2
    if rank == 0:
        torch.save(found, f"{folder}/0.pt")
    distributed.destroy_process_group()


def test_two_processes_have_the_losses_and_gradients_of_one(tmp_path):
    multiprocessing.spawn(work, (str(tmp_path),), nprocs=2)
    two, one = torch.load(tmp_path / "0.pt"), losses_and_gradients(0, 1)
    assert one.keys() == two.keys()
    for name, value in one.items():
        largest = float(value.abs().max())
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4 * max(largest, 1e-3), msg=name)


def test_a_handful_of_pictures_is_learned_by_heart(tmp_path):
    data = write_folder(tmp_path, 4)
    torch.manual_seed(0)
    network = SparseTokens(replace(NETWORK, encoder=replace(VIT, width=48, mlp=96), decoder_width=32))
    trained = Stellar(recipe(), network)
    dataset = ImageDataset(read_images(data), Views(16, scale=None))
    batch = collate([dataset[Draw(row, (0, row))] for row in range(0, 12, 2)])
    batch.crops = (
        (torch.nn.functional.interpolate(to_float(batch.images), 8) * 255).byte()[:, None].repeat(1, 2, 1, 1, 1)
    )
    solver = torch.optim.AdamW(trained.parameters(), 3e-3)
    history = []
    for _ in range(60):
        losses = trained.training_step(batch, 0.0)
        solver.zero_grad()
        losses["loss"].backward()
        solver.step()
        history.append({name: value.item() for name, value in losses.items()})
    first, last = history[0], {name: np.mean([entry[name] for entry in history[-5:]]) for name in history[0]}
    assert last["reconstruction"] < 0.4 * first["reconstruction"]
    assert last["cls"] < 0.5 * first["cls"]
    assert last["mask"] < 0.7 * first["mask"]
