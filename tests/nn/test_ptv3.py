from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from scanwise.nn.backbone import build_backbone
from scanwise.nn.patches import Slots
from scanwise.nn.ptv3 import SIZES, PointTransformerV3, PTv3Config, upcast, upcast_channels, with_decoder
from scanwise.nn.sparse import SparseTensor

SMALL = PTv3Config(in_channels=4, depths=(1, 1, 1), channels=(8, 16, 24), heads=(2, 2, 4), patch=16)


def cloud(count: int, seed: int, extent: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    coords = torch.unique(torch.randint(0, extent, (count, 3), generator=generator), dim=0)
    return coords, torch.randn(len(coords), 4, generator=generator)


def batch_of(*clouds: tuple[torch.Tensor, torch.Tensor]) -> SparseTensor:
    number = torch.repeat_interleave(torch.arange(len(clouds)), torch.tensor([len(coords) for coords, _ in clouds]))
    return SparseTensor(torch.cat([c for c, _ in clouds]), torch.cat([f for _, f in clouds]), number)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PointTransformerV3(with_decoder(SMALL)).eval()


def test_features_of_a_cloud_do_not_depend_on_its_batch_mates(network):
    one, other, tiny = cloud(120, 1), cloud(300, 2, extent=30), cloud(5, 3)
    alone = network(batch_of(one))
    together = network(batch_of(other, one, tiny))
    rows = together[0].voxels.batch == 1
    torch.testing.assert_close(upcast(together)[rows], upcast(alone), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.decode(together)[rows], network.decode(alone), rtol=1e-4, atol=1e-5)


def test_features_do_not_depend_on_where_a_cloud_lies(network):
    coords, feats = cloud(120, 1)
    moved = batch_of((coords + torch.tensor([64, -128, 4]), feats))
    torch.testing.assert_close(upcast(network(moved)), upcast(network(batch_of((coords, feats)))), rtol=1e-4, atol=1e-5)


def test_every_parameter_is_trained(network):
    network.train()
    levels = network(batch_of(cloud(120, 1), cloud(90, 2)))
    network.decode(levels).square().sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_levels_have_stride_2_and_know_their_parents(network):
    levels = network(batch_of(cloud(120, 1), cloud(90, 2)))
    for finer, coarser in pairwise(levels):
        assert torch.equal(coarser.voxels.coords[finer.parent], finer.voxels.coords >> 1)
        assert torch.equal(coarser.voxels.batch[finer.parent], finer.voxels.batch)
    assert upcast(levels, 2).shape == (len(levels[0].voxels), upcast_channels(SMALL, 2))
    assert upcast(levels, 1).shape[1] == upcast_channels(SMALL, 1) == 16 + 24


@pytest.mark.parametrize("counts", [(16, 5), (17,), (31, 40, 3), (64,)])
def test_patches_hold_every_row_of_one_cloud(counts):
    batch = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    curve = torch.cat([torch.randperm(count) + sum(counts[:k]) for k, count in enumerate(counts)])
    patches = Slots.of(batch, 16, official=False).filled(curve)
    assert torch.equal(patches.rows.flatten()[patches.inverse], torch.arange(len(batch)))
    clouds = batch[patches.rows]
    assert torch.equal(clouds, clouds[:, :1].expand_as(clouds))
    if patches.valid is not None:  # what is masked is in clouds that have less than a patch
        short = torch.tensor(counts)[clouds[~patches.valid]]
        assert torch.all(short < patches.rows.shape[1])


def test_the_tail_of_a_last_patch_is_taken_from_the_patch_before():
    patches = Slots.of(torch.zeros(6, dtype=torch.long), 4, official=False).filled(torch.arange(6))
    assert patches.rows.tolist() == [[0, 1, 2, 3], [4, 5, 2, 3]]


def test_masked_voxels_see_the_mask_token_alone():
    torch.manual_seed(0)
    network = PointTransformerV3(replace(SMALL, mask_token=True)).eval()
    coords, feats = cloud(120, 1)
    masked = torch.arange(len(coords)) % 3 == 0
    changed = torch.where(masked[:, None], feats + 5, feats)
    with torch.no_grad():
        network.embedding.mask_token.normal_()
        one = upcast(network(batch_of((coords, feats)), masked=masked))
        other = upcast(network(batch_of((coords, changed)), masked=masked))
        plain = upcast(network(batch_of((coords, feats))))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, plain)


def test_a_network_without_mask_token_says_so(network):
    voxels = batch_of(cloud(30, 1))
    with pytest.raises(ValueError, match="mask_token=True"):
        network(voxels, masked=torch.zeros(len(voxels), dtype=torch.bool))


def test_the_same_numbers_train_the_same_way():
    voxels = batch_of(cloud(200, 1), cloud(150, 2))
    gradients = []
    for _ in range(2):
        torch.manual_seed(3)
        network = PointTransformerV3(replace(SMALL, drop_path=0.3)).train()
        upcast(network(voxels)).square().mean().backward()
        gradients.append(torch.cat([value.grad.flatten() for value in network.parameters()]))
    assert torch.equal(*gradients)


def test_bfloat16_comes_near():
    voxels = batch_of(cloud(200, 1))
    torch.manual_seed(0)
    backbone = build_backbone("tiny", 4).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = backbone(voxels).float()
    exact = backbone(voxels)
    assert (rough - exact).norm() / exact.norm() < 0.05


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_sizes_are_what_they_say(size):
    backbone = build_backbone(size, 6, decoder=1)
    assert backbone.channels == SIZES[size].channels[0]
    count = sum(value.numel() for value in backbone.parameters())
    assert count * 4 < {"tiny": 6e6, "small": 20e6}[size]


@pytest.mark.parametrize(
    "wrong", [{"channels": (8, 16)}, {"decoder_depths": (1,), "decoder_channels": (8,), "decoder_heads": (2,)}]
)
def test_a_configuration_that_does_not_fit_is_refused(wrong):
    with pytest.raises(ValueError):
        replace(SMALL, **wrong)
