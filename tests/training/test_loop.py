import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from scanwise.data.datasets import Loader, SceneDataset, scene_paths
from scanwise.errors import TrainingError
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.methods.segment.train import train
from scanwise.training.launch import make_fabric
from scanwise.training.loop import Job, fit, learning_rate, parameter_groups
from scanwise.training.recipe import Recipe
from tests.scenes import write_scenes

RECIPE = """
data: {data}
backbone: tiny
voxel: 0.1
batch: 2
accumulate: {accumulate}
steps: 12
validate_every: 5
checkpoint_every: 3
drop_path: 0.2
ema: 0.9
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=5, val=1)


def recipe_file(folder: Path, data: Path, accumulate: int = 1) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(data=data, accumulate=accumulate))
    return path


def command(recipe: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "scanwise",
        "train",
        "segment",
        str(recipe),
        "--out",
        str(out),
        "--device",
        "cpu",
        *more,
    ]


STOPPED = """
import os, signal
from scanwise.app.cli import main
from scanwise.training.logs import RunLog

def add(log, step, metrics, usual=RunLog.add):
    usual(log, step, metrics)
    if step == {step}:
        os.kill(os.getpid(), signal.{signal})

RunLog.add = add
main()
"""


def stopped(recipe: Path, out: Path, step: int, by: str) -> subprocess.CompletedProcess:
    """A run that a signal hits while it is at a step."""
    code = STOPPED.format(step=step, signal=by)
    started = [sys.executable, "-c", code, *command(recipe, out)[3:]]
    return subprocess.run(started, capture_output=True, text=True, env=environment())


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def losses(out: Path) -> list[tuple[str, str]]:
    with (out / "log.csv").open() as stream:
        return [(row["step"], row["loss"]) for row in csv.DictReader(stream)]


def test_a_killed_run_goes_on_bit_for_bit(tmp_path, data):
    recipe = recipe_file(tmp_path, data)
    subprocess.run(command(recipe, tmp_path / "whole"), check=True, capture_output=True, env=environment())
    assert stopped(recipe, tmp_path / "killed", 5, "SIGKILL").returncode == -signal.SIGKILL
    assert len(losses(tmp_path / "killed")) == 5
    done = subprocess.run(
        command(recipe, tmp_path / "killed"), check=True, capture_output=True, text=True, env=environment()
    )
    assert "going on after step 3 of 12" in done.stderr
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    whole, again = ((tmp_path / name / "best.ckpt").read_bytes() for name in ("whole", "killed"))
    assert whole == again


def test_an_interrupt_is_kept_and_gone_on_from(tmp_path, data):
    recipe = recipe_file(tmp_path, data)
    interrupted = stopped(recipe, tmp_path / "run", 2, "SIGTERM")
    assert interrupted.returncode == 130
    assert "stopped after step 2, which is kept; the same command goes on from there" in interrupted.stderr
    again = subprocess.run(
        command(recipe, tmp_path / "run"), check=True, capture_output=True, text=True, env=environment()
    )
    assert "going on after step 2 of 12" in again.stderr


def test_two_processes_go_through_a_whole_run(tmp_path, data):
    recipe = recipe_file(tmp_path, data)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]  # on a free port
    started = [*launch, *command(recipe, tmp_path / "two", "--set", "steps=4")[1:]]
    subprocess.run(started, check=True, capture_output=True, env=environment())
    assert [step for step, _ in losses(tmp_path / "two")] == ["1", "2", "3", "4"]
    more = [*launch, *command(recipe, tmp_path / "two", "--set", "steps=6")[1:]]
    done = subprocess.run(more, check=True, capture_output=True, text=True, env=environment())
    assert done.stderr.count("going on after step 4 of 6") == 1


def test_accumulation_sees_the_same_scenes(tmp_path, data):
    """Two half batches: the same scenes, and nearly the loss of one whole batch."""
    found = {}
    for accumulate in (1, 2):
        recipe = SegmentRecipe(
            data=data, backbone="tiny", voxel=0.1, batch=4, accumulate=accumulate, steps=1, augment="none", lovasz=0
        )
        out = tmp_path / str(accumulate)
        train(recipe, out, make_fabric(device="cpu"))
        found[accumulate] = float(losses(out)[0][1])
    assert found[2] == pytest.approx(found[1], rel=0.02)


class Line(nn.Module):
    """y = a x + b, by gradient descent."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)

    def training_step(self, batch: "Points", progress: float) -> dict[str, torch.Tensor]:
        return {"loss": (self.line(batch.x) - batch.y).square().mean()}


class Points:
    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def to(self, device: torch.device) -> "Points":
        return self


def points(scene, generator):
    return generator.normal(size=(8, 1)).astype(np.float32)


def as_points(samples):
    x = torch.from_numpy(np.concatenate(samples))
    return Points(x, 3 * x - 1)


def line_job(data: Path, **more) -> Job:
    torch.manual_seed(0)
    loader = Loader(SceneDataset(scene_paths(data, "train"), points), batch=2, seed=1, collate=as_points)
    return Job(Line(), loader, **more)


def test_training_finds_the_line_and_logs_it(tmp_path, data):
    job = line_job(data, validate=lambda module: {"slope": float(module.line.weight)}, score="slope")
    recipe = Recipe(data=data, steps=150, learning_rate=0.2, validate_every=50, weight_decay=0)
    said = []
    metrics = fit(job, recipe, tmp_path / "run", make_fabric(device="cpu"), say=said.append)
    assert metrics["slope"] == pytest.approx(3, abs=0.1)
    assert len(losses(tmp_path / "run")) == 150
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert said[-1].startswith("step 150: loss")


def test_training_stops_when_nothing_gets_better(tmp_path, data):
    job = line_job(data, validate=lambda module: {"score": 0.5}, score="score")
    recipe = Recipe(data=data, steps=100, validate_every=5, patience=2)
    fit(job, recipe, tmp_path / "run", make_fabric(device="cpu"))
    assert len(losses(tmp_path / "run")) == 15
    job = line_job(data, validate=lambda module: {"score": 0.5}, score="score")
    fit(job, recipe, tmp_path / "run", make_fabric(device="cpu"))
    assert len(losses(tmp_path / "run")) == 15


def test_a_loss_that_is_no_number_stops_with_the_batch_saved(tmp_path, data):
    job = line_job(data)
    with torch.no_grad():
        job.module.line.weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"step 0: the loss is nan; the batch is in .*bad-batch-0"):
        fit(job, Recipe(data=data), tmp_path / "run", make_fabric(device="cpu"))
    assert (tmp_path / "run" / "bad-batch-0.ckpt").exists()


def test_averaged_weights_are_what_is_kept(tmp_path, data):
    recipe = Recipe(data=data, steps=5, learning_rate=0.5, ema=0.999)
    plain, averaged = line_job(data), line_job(data)
    fit(plain, recipe.model_copy(update={"ema": 0.0}), tmp_path / "a", make_fabric(device="cpu"))
    fit(averaged, recipe, tmp_path / "b", make_fabric(device="cpu"))
    start = float(line_job(data).module.line.weight.detach())
    moved = float(plain.module.line.weight.detach()) - start
    assert 0 < (float(averaged.module.line.weight.detach()) - start) / moved < 1


def test_the_rate_rises_then_falls():
    recipe = Recipe(data=Path("x"), steps=100, learning_rate=1.0, warmup=0.1, final_rate=0.1)
    rates = [learning_rate(step, recipe) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert max(rates) == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.1 + 0.9 / 2)


def test_biases_and_norms_are_not_decayed():
    groups = parameter_groups(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)), 0.1)
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 1), (0.0, 3)]
