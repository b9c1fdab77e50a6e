import math

import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.geopurify.losses import contrast_pairs, info_nce
from scanwise.methods.geopurify.network import AffinityConfig, AffinityNetwork
from scanwise.methods.geopurify.official import load_geopurify
from scanwise.nn.sparse import SparseTensor

SMALL = AffinityConfig(in_channels=5, hidden=8, channels=4, blocks=2)


def voxels(seed: int = 0) -> SparseTensor:
    generator = torch.Generator().manual_seed(seed)
    coords = torch.unique(torch.randint(0, 8, (150, 3), generator=generator), dim=0)
    return SparseTensor(coords, torch.randn(len(coords), 5, generator=generator), torch.zeros(len(coords)).long())


def test_every_voxel_gets_an_embedding_and_every_weight_a_gradient():
    network, x = AffinityNetwork(SMALL), voxels()
    out = network(x)
    assert out.shape == (len(x), 4)
    out.square().sum().backward()
    assert all(value.grad is not None for value in network.parameters())


def test_pairs_by_hand():
    # angles 0, 10, 80, 90, 190 degrees; neighbours in space are the next two rows, around
    angle = torch.deg2rad(torch.tensor([0.0, 10.0, 80.0, 90.0, 190.0]))
    teacher = torch.stack([angle.cos(), angle.sin()], 1)
    neighbours = torch.tensor([[1, 2], [2, 3], [3, 4], [4, 0], [0, 1]])
    positive, negative = contrast_pairs(teacher, neighbours, torch.tensor([0, 3]), macro=2, micro=1)
    assert positive.tolist() == [1, 2]
    assert negative.tolist() == [[4, 3, 2], [4, 0, 4]]


def test_a_pair_is_neither_the_anchor_nor_its_positive():
    generator = torch.Generator().manual_seed(1)
    teacher = torch.randn(200, 6, generator=generator)
    neighbours = torch.stack([torch.randperm(199, generator=generator)[:30] for _ in range(200)])
    neighbours = neighbours + (neighbours >= torch.arange(200)[:, None])
    anchors = torch.arange(0, 200, 3)
    positive, negative = contrast_pairs(teacher, neighbours, anchors)
    assert negative.shape == (len(anchors), 63)
    assert not (negative == anchors[:, None]).any()
    assert not (negative == positive[:, None]).any()


def test_info_nce_by_hand():
    embedding = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    loss, logits = info_nce(embedding, torch.tensor([0]), torch.tensor([1]), torch.tensor([[2, 2]]), temperature=0.5)
    assert logits.tolist() == [[2.0, 0.0, 0.0]]
    assert float(loss) == pytest.approx(math.log(1 + 2 * math.exp(-2)))


def test_learning_brings_the_pairs_together():
    torch.manual_seed(0)
    network, x = AffinityNetwork(SMALL), voxels()
    teacher = (x.coords[:, :1] > 3).float() * torch.tensor([[1.0, -1.0]]) + 0.1 * torch.randn(len(x), 2)
    neighbours = torch.cdist(x.coords.float(), x.coords.float()).topk(21, largest=False).indices[:, 1:]
    anchors = torch.arange(0, len(x), 2)
    pairs = contrast_pairs(teacher, neighbours, anchors, macro=8, micro=4)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(30):
        loss, _ = info_nce(network(x), anchors, *pairs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_released_weights_of_any_shape_are_read_and_nothing_is_left_over():
    state = {
        "input_layer.0.kernel": torch.randn(27, 5, 8),
        "output_layer.kernel": torch.randn(8, 4),
        **{f"input_layer.1.bn.{name}": torch.rand(8) for name in ("weight", "bias", "running_mean", "running_var")},
    }
    network = load_geopurify(state)
    assert network.config == AffinityConfig(5, 8, 4, 0)
    assert torch.equal(network.stem.weight[:, 2, 0, 1, :], state["input_layer.0.kernel"][2 + 9].t())  # x fastest
    with pytest.raises(InputError, match="no part of the network"):
        load_geopurify(state | {"decoder.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="missing"):
        load_geopurify({name: value for name, value in state.items() if "running" not in name})
