"""Teachers by name: random, checkpoints of ours, Sonata's weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scanwise.errors import InputError
from scanwise.methods.geopurify.teacher import load_teacher
from scanwise.nn.ptv3 import SIZES, PointTransformerV3, upcast
from scanwise.nn.sparse import SparseTensor
from scanwise.training.backbones import random_backbone, weights_digest
from scanwise.training.checkpoints import Checkpoint, save
from tests.scenes import labelled_scene


def test_random_is_the_same_each_time():
    first, second = load_teacher("random"), load_teacher("random")
    assert weights_digest(first.backbone) == weights_digest(second.backbone)
    assert weights_digest(first.backbone) != weights_digest(
        random_backbone("tiny", 0.1, ("color", "normal"), 1).backbone
    )
    assert not any(parameter.requires_grad for parameter in first.backbone.parameters())


def test_the_backbone_of_a_run(tmp_path):
    frozen = random_backbone("tiny", 0.1, ("color", "normal"), seed=5)
    tensors = {f"backbone.{name}": value for name, value in frozen.backbone.state_dict().items()}
    recipe = {"size": "tiny", "voxel": 0.2, "features": ["color", "normal"]}
    save(Checkpoint(tensors, {"recipe": recipe}), tmp_path / "best.ckpt")
    for name in (tmp_path, tmp_path / "best.ckpt"):
        loaded = load_teacher(str(name))
        assert loaded.voxel == 0.2
        assert weights_digest(loaded.backbone) == weights_digest(frozen.backbone)


def test_sonata_is_given_colours_from_0_to_1_and_gives_its_last_stages(monkeypatch):
    torch.manual_seed(0)
    config = replace(SIZES["tiny"], in_channels=9, drop_path=0.0)
    network = PointTransformerV3(config).eval()
    monkeypatch.setattr("scanwise.methods.geopurify.teacher.load_sonata", lambda path: network)
    given = []
    network.embedding.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    teacher, scene = load_teacher("sonata.pth"), labelled_scene(1)
    sample, feats = teacher.encode(scene)
    assert teacher.voxel == 0.02
    assert feats.shape == (len(sample), sum(config.channels[-3:]))
    color = given[0][:, 3:6].numpy()
    first = np.unique(sample.of_point, return_index=True)[1]
    alone = np.bincount(sample.of_point) == 1
    np.testing.assert_allclose(color[alone], scene.colors[first][alone] / 255, atol=1e-5)
    with torch.no_grad():
        again = upcast(network(_voxels(sample, given[0])))
    np.testing.assert_allclose(feats, again.numpy(), atol=1e-4)


def _voxels(sample, feats):
    return SparseTensor(torch.from_numpy(sample.coords), feats, torch.zeros(len(sample), dtype=torch.long))


@pytest.mark.parametrize("name", ["no/run", "no/sonata.pth"])
def test_no_such_teacher(name):
    with pytest.raises(InputError, match="no"):
        load_teacher(name)
