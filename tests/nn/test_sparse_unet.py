import torch

from scanwise.nn.sparse import SparseTensor
from scanwise.nn.sparse_unet import SparseUNet, SparseUNetConfig


def voxels(seed: int = 1) -> SparseTensor:
    generator = torch.Generator().manual_seed(seed)
    coords = torch.unique(torch.randint(-20, 20, (300, 3), generator=generator), dim=0)
    return SparseTensor(coords, torch.randn(len(coords), 3, generator=generator), torch.arange(len(coords)) % 2)


def network() -> SparseUNet:
    torch.manual_seed(0)
    return SparseUNet(SparseUNetConfig(in_channels=3, channels=(8, 12, 16), blocks=1))


def test_features_come_back_for_every_voxel_and_train_every_parameter():
    unet, x = network(), voxels()
    out = unet(x)
    assert out.feats.shape == (len(x), 8)
    assert torch.equal(out.coords, x.coords)
    out.feats.square().sum().backward()
    assert [name for name, value in unet.named_parameters() if value.grad is None] == []


def test_features_of_a_cloud_do_not_depend_on_its_batch_mates():
    unet, x = network().eval(), voxels()
    rows = x.batch == 1
    alone = SparseTensor(x.coords[rows], x.feats[rows], x.batch[rows] * 0)
    torch.testing.assert_close(unet(x).feats[rows], unet(alone).feats, rtol=1e-4, atol=1e-5)


def test_each_level_can_be_looked_at_and_changed():
    unet, x, seen = network().eval(), voxels(), []

    def note(level: int, voxels: SparseTensor) -> SparseTensor:
        seen.append((level, voxels.feats.shape[1]))
        return voxels.replace(voxels.feats * 0) if level == 0 else voxels

    changed = unet(x, note)
    assert seen == [(0, 8), (1, 12), (2, 16)]
    assert not torch.allclose(changed.feats, unet(x).feats)
