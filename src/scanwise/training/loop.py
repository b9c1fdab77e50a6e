"""The one training loop: every method is trained by it, alone or in many processes, and goes on where it stopped."""

from __future__ import annotations

import ctypes
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_state_dict,
)

from scanwise.data.datasets import Loader
from scanwise.errors import TrainingError
from scanwise.progress import Progress, silent
from scanwise.training.checkpoints import Checkpoint, load, load_last, save, save_last
from scanwise.training.logs import RunLog
from scanwise.training.recipe import Recipe

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
TRIM_EVERY = 4  # steps; each one costs page faults, a fifth of a step on a small batch


@dataclass
class Job:
    """What is trained, on what.

    Attributes:
        module: has `training_step(batch, progress) -> {"loss": scalar, other scalars to log}`, and, if it wants,
            `after_step(progress)`, called when the weights have moved (an EMA teacher). progress: 0..1.
        loader: of training batches of `recipe.batch / recipe.accumulate` scenes, which have `.to(device)`.
        groups: parameter groups of AdamW, each with a `scale` of the learning rate; None = all, matrices decayed.
        validate: module in evaluation mode -> metrics; called on all processes.
        score: name of the metric to be highest.
        picture: draws something of the run into a folder, at each validation.
        facts: kept in checkpoints, for whoever loads the weights.
    """

    module: nn.Module
    loader: Loader
    groups: list[dict[str, Any]] | None = None
    validate: Callable[[nn.Module], dict[str, float]] | None = None
    score: str = "loss"
    picture: Callable[[nn.Module, Path], None] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def fit(
    job: Job,
    recipe: Recipe,
    out: Path,
    fabric: Fabric,
    *,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Trains, from the last checkpoint in `out` if there is one, and leaves the best weights in the module.

    On one CPU process a run that was killed at any moment and started again has, bit for bit, the losses of one that
    was not.

    Args:
        job: what is trained, on what.
        recipe: how, and for how long.
        out: gets last.ckpt, best.ckpt, log.csv, loss.png, and TensorBoard's files where it is installed.
        fabric: the device, or one of several processes.
        progress: told the share of the steps that is done.
        say: told in words what each validation found.

    Returns:
        The metrics of the best validation.

    Raises:
        TrainingError: the loss is no number; the batch is saved and named.
        OutputError: `out` cannot be written.
    """
    run = _State(job, recipe, out, fabric)
    run.resume()
    if run.step:
        say(f"going on after step {run.step} of {recipe.steps}")
    with _stop_signals() as stopped:
        while run.step < recipe.steps and not run.out_of_patience():
            metrics = run.train_step()
            progress("training", run.step / recipe.steps)
            if run.step % TRIM_EVERY == 0:
                return_free_memory()
            if run.step % recipe.validate_every == 0 or run.step == recipe.steps:
                found = {"loss": metrics["loss"], **run.validate()}
                say(f"step {run.step}: " + ", ".join(f"{name} {value:.4g}" for name, value in found.items()))
            stop = run.any_process(bool(stopped))
            if run.step % recipe.checkpoint_every == 0 or run.step == recipe.steps or stop or run.out_of_patience():
                run.checkpoint()
            if stop:
                say(f"stopped after step {run.step}, which is kept; the same command goes on from there")
                raise KeyboardInterrupt
    return run.finish()


class _State:
    """The state of a run."""

    def __init__(self, job: Job, recipe: Recipe, out: Path, fabric: Fabric) -> None:
        self.job, self.recipe, self.out, self.fabric = job, recipe, out, fabric
        self.step = 0
        self.best: dict[str, float] = {}
        self.stale = 0
        fabric.seed_everything(recipe.seed + 1000 * fabric.global_rank, verbose=False)
        groups = job.groups or parameter_groups(job.module, recipe.weight_decay)
        self.raw = job.module
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.module, self.optimizer = fabric.setup(job.module, optimizer)
        self.module.mark_forward_method("training_step")
        self.ema = {name: value.detach().clone() for name, value in self._floats()} if recipe.ema else {}
        self.log = RunLog(out) if fabric.is_global_zero else None
        self.batches: Iterator[Any] = iter(())

    def _floats(self) -> Iterator[tuple[str, torch.Tensor]]:
        return ((name, value) for name, value in self.raw.state_dict().items() if value.is_floating_point())

    # One step

    def train_step(self) -> dict[str, float]:
        """One optimiser step; gives what was logged."""
        recipe, started = self.recipe, time.perf_counter()
        rate = learning_rate(self.step, recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        self.module.train()
        totals: dict[str, torch.Tensor] = {}
        for part in range(recipe.accumulate):
            batch = next(self.batches).to(self.fabric.device)
            with self.fabric.no_backward_sync(self.module, enabled=part + 1 < recipe.accumulate):
                with self.fabric.autocast():  # Fabric leaves it out of other methods than forward on a single device
                    losses = self.module.training_step(batch, self.step / recipe.steps)
                self._refuse_nan(losses["loss"], batch)
                self.fabric.backward(losses["loss"] / recipe.accumulate)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0) + torch.as_tensor(value).detach().float() / recipe.accumulate
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=recipe.clip or math.inf, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._average()
        after_step = getattr(self.raw, "after_step", None)
        if after_step is not None:
            after_step(self.step / recipe.steps)
        means = {name: self._mean(value) for name, value in totals.items()}
        self.step += 1
        metrics = {
            **means,
            "gradient": float(torch.as_tensor(norm)),
            "rate": rate,
            "seconds": time.perf_counter() - started,
        }
        if self.log is not None:
            self.log.add(self.step, metrics)
        return metrics

    def _mean(self, value: torch.Tensor) -> float:
        """Over the processes."""
        mean = self.fabric.all_reduce(value, reduce_op="mean")
        assert isinstance(mean, torch.Tensor)
        return float(mean)

    def any_process(self, said: bool) -> bool:
        """Whether any of the processes says so."""
        return self._mean(torch.tensor(float(said), device=self.fabric.device)) > 0

    def _average(self) -> None:
        """Moves the averaged weights towards the new ones; early on faster, so that they do not stay random."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name, value in self._floats() if self.ema else ():
            self.ema[name].lerp_(value.detach(), 1 - decay)

    def _refuse_nan(self, loss: torch.Tensor, batch: Any) -> None:
        if self._mean(torch.isfinite(loss.detach()).float()) == 1:
            return
        names = [getattr(sample, "name", "?") for sample in getattr(batch, "samples", [])]
        path = self.out / f"bad-batch-{self.fabric.global_rank}.ckpt"
        tensors = {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
        save(Checkpoint(tensors, {"step": self.step, "scenes": names}), path)
        where = f" on {', '.join(names)}" if names else ""
        raise TrainingError(
            f"step {self.step}: the loss is {float(loss.detach())}{where}; the batch is in {path}; "
            "lower learning_rate, or look for wrong values in those scenes"
        )

    # Validation

    def validate(self) -> dict[str, float]:
        """Metrics of the averaged weights, or of the weights themselves; the best are kept."""
        if self.job.validate is None:
            return {}
        with self._averaged(), torch.no_grad():
            self.raw.eval()
            metrics = self.job.validate(self.raw)
            better = not self.best or metrics[self.job.score] > self.best[self.job.score]
            if better or self.recipe.keep == "last":
                self.best, self.stale = {**metrics, "step": self.step}, 0
                weights = self._weights()
                if self.fabric.is_global_zero:
                    save(Checkpoint(weights, {**self.job.facts, "metrics": self.best}), self.out / "best.ckpt")
            else:
                self.stale += 1
            if self.log is not None:
                self.log.add_validation(self.step, metrics)
                if self.job.picture is not None:
                    self.job.picture(self.raw, self.out)
        self.fabric.barrier()
        return metrics

    def out_of_patience(self) -> bool:
        return 0 < self.recipe.patience <= self.stale

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """With the averaged weights in the module, where there are any."""
        if not self.ema:
            yield
            return
        own = {name: value.detach().clone() for name, value in self._floats()}
        self.raw.load_state_dict(self.ema, strict=False)
        try:
            yield
        finally:
            self.raw.load_state_dict(own, strict=False)

    def _weights(self) -> dict[str, torch.Tensor]:
        weights: Any = get_state_dict(self.raw, [], options=WHOLE)[0]
        return {name: value.clone() for name, value in weights.items()}

    def finish(self) -> dict[str, float]:
        """The best weights into the module; the last, or their average, where nothing was validated."""
        if self.best:
            self.raw.load_state_dict(load(self.out / "best.ckpt").tensors)
        elif self.ema:
            self.raw.load_state_dict(self.ema, strict=False)
        self.raw.eval()
        if self.log is not None:
            self.log.close()
        return self.best

    # Checkpoints

    def checkpoint(self) -> None:
        """Everything that the next step depends on, but for the batches, which the step's number gives."""
        whole: Any = get_state_dict(self.raw, self.optimizer.optimizer, options=WHOLE)
        if not self.fabric.is_global_zero:
            return
        weights, optimizer = whole
        tensors = {f"model.{name}": value for name, value in weights.items()}
        for parameter, values in optimizer["state"].items():
            tensors |= {f"optimizer.{parameter}.{name}": torch.as_tensor(value) for name, value in values.items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        facts = {
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "groups": optimizer["param_groups"],
            "numpy": _numpy_state(),
            "recipe": self.recipe.model_dump(mode="json"),
        }
        save_last(Checkpoint(tensors, facts), self.out)

    def resume(self) -> None:
        """Goes on from the last whole checkpoint, or begins."""
        state = load_last(self.out)
        if state is not None:
            self._restore(state)
        if self.log is not None:
            self.log.cut(self.step)
        self.batches = self.job.loader.batches(self.step * self.recipe.accumulate)

    def _restore(self, state: Checkpoint) -> None:
        weights: Any = state.under("model.")
        optimizer: Any = {}
        for name, value in state.under("optimizer.").items():
            parameter, _, key = name.rpartition(".")
            optimizer.setdefault(parameter, {})[key] = value
        set_state_dict(
            self.raw,
            self.optimizer.optimizer,
            model_state_dict=weights,
            optim_state_dict={"state": optimizer, "param_groups": state.facts["groups"]},
            options=StateDictOptions(full_state_dict=True),
        )
        for name, value in state.under("ema.").items():
            self.ema[name].copy_(value)
        if self.fabric.world_size == 1:
            torch.set_rng_state(state.tensors["random.cpu"])
            if "random.cuda" in state.tensors and torch.cuda.is_available():
                torch.cuda.set_rng_state(state.tensors["random.cuda"], self.fabric.device)
            _set_numpy_state(state.facts["numpy"])
        self.step, self.best, self.stale = state.facts["step"], state.facts["best"], state.facts["stale"]


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: matrices and kernels with weight decay; biases, norms and single vectors without.

    Vectors that a module brings to a length of its own (it has `undecayed`, a list of them) go without it too: decay
    would do no more than make their steps larger.
    """
    free = {id(each) for part in module.modules() for each in getattr(part, "undecayed", ())}
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1 and id(parameter) not in free]
    rest = [parameter for parameter in trained if parameter.ndim <= 1 or id(parameter) in free]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def learning_rate(step: int, recipe: Recipe) -> float:
    """The rate of a step (0..): linear warm-up, then half a cosine down to `final_rate` of the highest rate."""
    warmup = max(1, round(recipe.warmup * recipe.steps))
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, recipe.steps - warmup)
    return recipe.learning_rate * (recipe.final_rate + (1 - recipe.final_rate) * (1 + math.cos(math.pi * done)) / 2)


def return_free_memory() -> None:
    """Gives what glibc's allocator holds back to the system; elsewhere does nothing.

    Clouds have no two sizes alike, so its free blocks fit nothing and it takes new ones: without this a run of an hour
    holds ten times what it uses.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _numpy_state() -> list[Any]:
    name, keys, *rest = np.random.get_state()
    return [name, np.asarray(keys).tolist(), *rest]


def _set_numpy_state(state: list[Any]) -> None:
    np.random.set_state((state[0], np.array(state[1], np.uint32), *state[2:]))


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM, so that the step at hand is finished and kept; a second one stops at once."""
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
