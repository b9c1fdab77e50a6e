"""One process and two: the same global batch gives the same loss, gradients and metrics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from scanwise.data.clouds import Batch, Cloud, collate, sample_of
from scanwise.methods.segment.model import Segmenter
from scanwise.methods.segment.recipe import SegmentRecipe
from tests.scenes import CLASSES, labelled_scene

RECIPE = SegmentRecipe(data=Path("x"), backbone="tiny", voxel=0.1, lovasz=0)


class Step(nn.Module):
    """A training step as a forward pass, which is what DDP wraps."""

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.model.training_step(batch, 0.0)["loss"]


def gradients(rank: int, world: int) -> dict[str, torch.Tensor]:
    """Loss and gradients of a step over four scenes, of which this process has its share."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Segmenter(RECIPE, CLASSES, [0.5, 0.8, 1.7])
    model.backbone.network.config = replace(model.backbone.network.config, shuffle_orders=False)
    scenes = [labelled_scene(seed, 600 + 300 * seed) for seed in range(4)][rank::world]
    batch = collate([sample_of(Cloud.of(scene), RECIPE.voxel, RECIPE.features) for scene in scenes])
    step = DistributedDataParallel(Step(model)) if world > 1 else Step(model)
    loss = step(batch)
    loss.backward()
    found = {name: value.grad for name, value in model.named_parameters()}
    mean = loss.detach().clone()
    if world > 1:
        distributed.all_reduce(mean)
        mean /= world
    return {"loss": mean, **found}


def work(rank: int, world: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    torch.save(gradients(rank, world), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(work, (2, str(folder)), nprocs=2)
    return gradients(0, 1), [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def test_the_loss_is_that_of_one_process(found):
    one, two = found
    torch.testing.assert_close(two[0]["loss"], one["loss"], rtol=1e-5, atol=0)


def test_the_gradients_are_those_of_one_process(found):
    one, two = found
    for name, value in one.items():
        largest = float(value.abs().max())
        np.testing.assert_allclose(two[0][name], value, rtol=1e-3, atol=2e-5 * max(largest, 1e-3), err_msg=name)
        assert torch.equal(two[0][name], two[1][name])
