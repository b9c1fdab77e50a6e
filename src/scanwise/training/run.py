"""A training run: the same start and the same end for every method; in between `loop.fit` trains.

run = Run(recipe, out, fabric, progress, say)
model = run.build(lambda: Segmenter(recipe, classes))
loader = run.loader(SceneDataset(paths, make), collate)
return run.fit("segment", model, loader, validate=validate, score="miou", facts={"classes": classes})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from scanwise.data.datasets import Loader, SceneDataset
from scanwise.progress import Progress, silent
from scanwise.training.loop import Job, fit
from scanwise.training.recipe import Recipe

R = TypeVar("R", bound=Recipe)
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Run(Generic[R]):
    """A recipe, and where and how it is run.

    Attributes:
        recipe: what is trained, and how.
        out: folder of checkpoints and logs.
        fabric: the device, or one of several processes.
        progress: told the share of the steps that is done.
        say: told in words what each validation found.
    """

    recipe: R
    out: Path
    fabric: Fabric
    progress: Progress = silent
    say: Callable[[str], None] = lambda line: None

    @property
    def device(self) -> str:
        """Name of the device that is trained on."""
        return str(self.fabric.device)

    def build(self, make: Callable[[], M]) -> M:
        """A module with weights that the recipe's seed gives: on the CPU, as devices draw others; `fit` moves it."""
        torch.manual_seed(self.recipe.seed)
        return make()

    def loader(self, dataset: SceneDataset, collate: Callable[[Sequence[Any]], Any]) -> Loader:
        """Batches for this process, as the recipe wants them.

        Args:
            dataset: takes a `Draw`.
            collate: samples -> batch.

        Raises:
            InputError: fewer samples than a batch, or a batch that the processes cannot share evenly.
        """
        recipe = self.recipe
        return Loader(
            dataset, batch=recipe.batch // recipe.accumulate, seed=recipe.seed, collate=collate, workers=recipe.workers,
            rank=self.fabric.global_rank, world=self.fabric.world_size,
        )  # fmt: skip

    def fit(
        self,
        kind: str,
        model: nn.Module,
        loader: Loader,
        *,
        groups: list[dict[str, Any]] | None = None,
        validate: Callable[[nn.Module], dict[str, float]] | None = None,
        score: str = "score",
        picture: Callable[[nn.Module, Path], None] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:
        """Trains, and leaves the best weights in the model and `best.ckpt` in `out`.

        Args:
            kind: what the checkpoints hold, for `checkpoints.load_model`.
            model: has `training_step`, see `loop.Job`.
            loader: of training batches.
            groups: parameter groups, see `loop.Job`.
            validate: model in evaluation mode -> metrics.
            score: name of the metric to be highest.
            picture: draws something of the run into a folder, at each validation.
            facts: kept in the checkpoints, beside kind and recipe.

        Returns:
            The metrics of the best validation.

        Raises:
            TrainingError: the loss is no number.
            OutputError: `out` cannot be written.
        """
        facts = {"kind": kind, "recipe": self.recipe.model_dump(mode="json"), **(facts or {})}
        job = Job(model, loader, groups, validate, score, picture, facts)
        return fit(job, self.recipe, self.out, self.fabric, progress=self.progress, say=self.say)
