"""The Vision Transformer: what it sees, pictures of other sizes, tokens of its own."""

import pytest
import torch
from torch.nn import functional

from scanwise.nn.vit import MEAN, STD, Block, ViT, ViTConfig

SMALL = ViTConfig(image=16, patch=4, width=24, depth=2, heads=3, mlp=48)


@pytest.fixture
def vit():
    torch.manual_seed(0)
    network = ViT(SMALL).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def test_a_block_is_what_the_paper_says():
    torch.manual_seed(0)
    block, tokens = Block(8, 2, 16), torch.randn(2, 5, 8)
    normed = functional.layer_norm(tokens, (8,), block.attention_norm.weight, block.attention_norm.bias, 1e-12)
    query, key, value = block.attention.qkv(normed).chunk(3, 2)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = (query[..., part] @ key[..., part].transpose(1, 2) / 2).softmax(-1)
        heads.append(weights @ value[..., part])
    middle = tokens + block.attention.project(torch.cat(heads, 2))
    last = block.mlp[2](functional.gelu(block.mlp[0](functional.layer_norm(middle, (8,), eps=1e-12))))
    torch.testing.assert_close(block(tokens), middle + last)


def test_one_vector_a_patch_row_by_row_and_one_for_each_extra_token(vit):
    encoded = vit(torch.rand(2, 3, 16, 16), extra=torch.randn(5, 24))
    assert encoded.cls.shape == (2, 24)
    assert encoded.dense.shape == (2, 16, 24)
    assert encoded.sparse.shape == (2, 5, 24)
    images = torch.rand(1, 3, 16, 16)
    changed = images.clone()
    changed[:, :, 4:8, 8:12] = 0
    difference = (vit.embed(images) - vit.embed(changed)).abs().sum(2)[0, 1:]
    assert difference.nonzero().flatten().tolist() == [1 * 4 + 2]


def test_colours_are_normalised_inside(vit):
    flat = torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    torch.testing.assert_close(vit.embed(flat)[0, 1], vit.patches.bias + vit.positions[0, 1])
    brighter = flat + torch.tensor(STD).view(1, 3, 1, 1)
    expected = vit.patches.weight.sum((1, 2, 3)) + vit.patches.bias + vit.positions[0, 1]
    torch.testing.assert_close(vit.embed(brighter)[0, 1], expected, atol=1e-5, rtol=1e-5)


def test_patches_that_are_not_kept_are_never_seen(vit):
    images, keep = torch.rand(2, 3, 16, 16), torch.tensor([[3, 0, 9], [15, 4, 5]])
    blind = images.clone()
    for picture, rows in zip(blind, keep, strict=True):
        for patch in set(range(16)) - set(rows.tolist()):
            row, column = divmod(patch, 4)
            picture[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = torch.nan
    extra = torch.randn(2, 24)
    seen, unseen = vit(images, keep=keep, extra=extra), vit(blind, keep=keep, extra=extra)
    assert torch.equal(seen.dense, unseen.dense)
    assert torch.equal(seen.cls, unseen.cls)
    assert torch.equal(seen.sparse, unseen.sparse)
    assert torch.isfinite(unseen.dense).all()


def test_keeping_all_patches_is_seeing_the_picture(vit):
    images = torch.rand(2, 3, 16, 16)
    order = torch.stack([torch.randperm(16), torch.randperm(16)])
    kept, whole = vit(images, keep=order), vit(images)
    torch.testing.assert_close(kept.cls, whole.cls)
    torch.testing.assert_close(kept.dense, whole.dense.gather(1, order[:, :, None].expand(-1, -1, 24)))


def test_positions_of_another_size_are_interpolated_and_cls_keeps_its_own(vit):
    flat = torch.tensor(MEAN).view(1, 3, 1, 1)
    with torch.no_grad():
        vit.positions[:, 1:] = 7.0
    embedded = vit.embed(flat.expand(1, 3, 8, 24))
    assert embedded.shape == (1, 1 + 2 * 6, 24)
    torch.testing.assert_close(embedded[0, 1:], (vit.patches.bias + 7.0).expand(12, -1))
    torch.testing.assert_close(embedded[0, 0], vit.cls[0, 0] + vit.positions[0, 0])
