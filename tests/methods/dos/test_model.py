import math
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from scanwise.errors import TrainingError
from scanwise.methods.dos.data import ViewBatch
from scanwise.methods.dos.model import DOS
from scanwise.methods.dos.train import _groups
from scanwise.training.loop import parameter_groups
from tests.methods.dos.small import LADDER, batch_of, model_of, recipe_of


def test_views_that_show_nothing_in_common_leave_the_loss_of_the_same_view():
    recipe = recipe_of()
    model, batch = model_of(recipe), batch_of(recipe)
    batch.match.fill_(-1)
    apart = model.eval().training_step(batch, 0.0)["loss"]
    alone = model_of(recipe_of(cross=0.0)).eval().training_step(batch, 0.0)["loss"]
    torch.testing.assert_close(apart, alone / 2)


# Who sees what


def seen_by_the_student(model: DOS, batch: ViewBatch) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()._student(batch)[1]


@pytest.mark.parametrize("name", ["zipf", "naive"])
def test_features_of_masked_voxels_never_reach_the_student(name):
    recipe = recipe_of(**LADDER[name])
    model, batch = model_of(recipe), batch_of(recipe)
    before = seen_by_the_student(model, batch)
    batch.student_feats[~batch.visible] = 100.0
    batch.feats[~batch.visible] = 100.0
    torch.testing.assert_close(seen_by_the_student(model, batch), before, rtol=0, atol=0)
    batch.student_feats[batch.visible] += 1.0
    assert (seen_by_the_student(model, batch) - before).abs().max() > 0.01


def test_positions_of_masked_voxels_never_reach_the_student_of_observable_points():
    recipe = recipe_of()
    model, batch = model_of(recipe), batch_of(recipe)
    before = seen_by_the_student(model, batch)
    assert len(before) == int(batch.visible.sum())
    kept = torch.nonzero(batch.visible)[:, 0]
    alone = ViewBatch(
        batch.coords[kept], batch.feats[kept], batch.batch[kept], batch.view[kept], batch.visible[kept],
        batch.student_feats[kept], batch.student_coords[kept], torch.full((len(kept),), -1), batch.samples,
    )  # fmt: skip
    torch.testing.assert_close(seen_by_the_student(model, alone), before, rtol=0, atol=0)


def test_with_tokens_the_masked_voxels_are_compared():
    recipe = recipe_of(**LADDER["naive"])
    rows, features = model_of(recipe)._student(batch_of(recipe))
    assert not batch_of(recipe).visible[rows].any()
    assert features.shape == (int((~batch_of(recipe).visible).sum()), 16)


def test_the_teacher_sees_the_masked_voxels():
    recipe = recipe_of()
    model, batch = model_of(recipe).eval(), batch_of(recipe)
    before = model.training_step(batch, 0.0)["agreement"]
    batch.feats[~batch.visible] += 3.0
    assert abs(float(model.training_step(batch, 0.0)["agreement"] - before)) > 1e-4


# Teacher and student


def test_the_teacher_begins_as_the_student_and_moves_by_the_average():
    model = model_of(recipe_of(momentum=0.9))
    names = [name for name, _ in model.student.named_parameters()]
    own = {name: model.get_parameter(name).clone() for name in names}
    assert all(torch.equal(own[name], value) for name, value in model.student.named_parameters())
    for value in model.student.parameters():
        value.data += 1.0
    model.after_step(0.5)  # half way of half a cosine: 1 - 0.1 / 2
    for name in names:
        if name == "prototypes":  # of length 1, as the student's are made again before
            moved = nn.functional.normalize(own[name] + 1, dim=1)
            torch.testing.assert_close(model.get_parameter(name), 0.95 * own[name] + 0.05 * moved)
            continue
        torch.testing.assert_close(model.get_parameter(name), own[name] + 0.05)
    model.after_step(1.0)
    torch.testing.assert_close(model.get_parameter(names[-1]), own[names[-1]] + 0.05)


@pytest.mark.parametrize("target", ["softmap", "regression"])
def test_the_teacher_has_no_gradient_and_is_not_optimised(target):
    recipe = recipe_of(target=target)
    model = model_of(recipe).train()
    model.training_step(batch_of(recipe), 0.0)["loss"].backward()
    optimised = {id(value) for group in parameter_groups(model, 0.1) for value in group["params"]}
    for name, value in model.named_parameters():
        trained = name.startswith(("student.", "predictor."))
        assert (value.grad is not None) == trained, name
        assert (id(value) in optimised) == trained, name


def test_the_teacher_stays_in_evaluation_mode():
    model = model_of(recipe_of(drop_path=0.5)).train()
    assert model.student.backbone.training
    assert not any(module.training for module in model.backbone.modules())


# The ladder


@pytest.mark.parametrize("name", LADDER)
def test_every_step_of_the_ladder_learns(name):
    recipe = recipe_of(**LADDER[name])
    model, batch = model_of(recipe).train(), batch_of(recipe)
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=2e-3)
    losses = []
    for step in range(20):
        found = model.training_step(batch, step / 20)
        assert all(math.isfinite(float(value.detach())) for value in found.values())
        found["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        model.after_step(step / 20)
        losses.append(float(found["loss"].detach()))
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    assert ("usage" in found) == (recipe.target != "regression")


def test_streets_take_coordinates_and_intensity():
    recipe = recipe_of(features=("coord", "intensity"), augment="streets", voxel=0.2, block=1.0)
    found = model_of(recipe).training_step(batch_of(recipe), 0.0)
    assert math.isfinite(float(found["loss"].detach()))


def test_features_that_collapse_stop_the_run_after_warm_up():
    recipe = recipe_of(warmup=0.1)
    model, batch = model_of(recipe), batch_of(recipe)
    final = model.head[-1]
    final.weight.data.zero_()  # the teacher gives one feature for everything
    assert float(model.training_step(batch, 0.05)["rank"]) == pytest.approx(1, abs=1e-3)
    with pytest.raises(TrainingError, match=r"collapsed.*1\.00 directions"):
        model.training_step(batch, 0.2)


# One process and two


class Step(nn.Module):
    def __init__(self, model: DOS) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: ViewBatch) -> dict[str, torch.Tensor]:
        return self.model.training_step(batch, 0.0)


def gradients(target: str, rank: int, world: int) -> dict[str, torch.Tensor]:
    recipe = recipe_of(target=target, augment="none")
    model = model_of(recipe).eval()  # in training, the curves are drawn at random
    step = DistributedDataParallel(Step(model)) if world > 1 else Step(model)
    found = step(batch_of(recipe, tuple(range(4))[rank::world]))
    found["loss"].backward()
    metrics = {name: value.detach().clone() for name, value in found.items()}
    if world > 1:
        for value in metrics.values():
            distributed.all_reduce(value)
            value /= world
    return metrics | {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def work(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    found = {target: gradients(target, rank, world) for target in ("softmap", "clustering")}
    torch.save(found, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_have_the_loss_metrics_and_gradients_of_one(tmp_path):
    multiprocessing.spawn(work, (2, str(tmp_path)), nprocs=2)
    two = torch.load(tmp_path / "0.pt")
    for target in ("softmap", "clustering"):
        one = gradients(target, 0, 1)
        assert one.keys() == two[target].keys()
        for name, value in one.items():
            largest = float(value.abs().max())
            np.testing.assert_allclose(
                two[target][name], value, rtol=1e-3, atol=1e-4 * max(largest, 1e-4), err_msg=f"{target} {name}"
            )


def test_the_model_is_had_without_the_training_loop():
    code = "import scanwise.methods.dos.model, sys; print('lightning_fabric' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_prototypes_keep_length_one_and_do_not_decay():
    model = model_of(recipe_of())
    moved = model.student.prototypes
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(len(moved)))
    moved.data.mul_(3)
    model.after_step(0.0)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(len(moved)))
    of_prototypes = [group for group in _groups(model, 0.1) if any(each is moved for each in group["params"])]
    assert [group["weight_decay"] for group in of_prototypes] == [0.0]
    every = [each for group in _groups(model, 0.1) for each in group["params"]]
    assert len(every) == len({id(each) for each in every}) == sum(p.requires_grad for p in model.parameters())
