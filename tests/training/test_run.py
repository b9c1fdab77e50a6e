import numpy as np
import torch
from torch import nn

from scanwise.data.datasets import SceneDataset, scene_paths
from scanwise.training.checkpoints import load, load_model
from scanwise.training.launch import make_fabric
from scanwise.training.recipe import Recipe
from scanwise.training.run import Run
from tests.scenes import write_scenes


class Level(nn.Linear):
    """Learns the mean of numbers."""

    def __init__(self) -> None:
        super().__init__(1, 1)

    def training_step(self, batch: "Numbers", progress: float) -> dict[str, torch.Tensor]:
        return {"loss": (self.bias - batch.values).square().mean()}


class Numbers:
    def __init__(self, samples: list[np.ndarray]) -> None:
        self.values = torch.from_numpy(np.concatenate(samples))

    def to(self, device: torch.device) -> "Numbers":
        return self


def numbers(scene, generator):
    return generator.normal(size=8).astype(np.float32)


def test_a_run_builds_by_its_seed_and_keeps_what_it_made_with_its_recipe(tmp_path):
    data = write_scenes(tmp_path / "scenes", train=4)
    recipe = Recipe(data=data, seed=3, steps=4, batch=4, accumulate=2, validate_every=2)
    told, said = [], []
    run = Run(recipe, tmp_path / "run", make_fabric(device="cpu"), lambda *now: told.append(now), said.append)
    model, again = run.build(Level), run.build(Level)
    assert torch.equal(model.weight, again.weight)
    loader = run.loader(SceneDataset(scene_paths(data, "train"), numbers), Numbers)
    assert len(next(loader.batches(0)).values) == 2 * 8  # half a batch, as it is accumulated
    metrics = run.fit("level", model, loader, validate=lambda module: {"score": 1.0}, facts={"more": 1})
    assert metrics == {"score": 1.0, "step": 2}
    facts = load(tmp_path / "run").facts
    assert (facts["kind"], facts["recipe"]["seed"], facts["more"]) == ("level", 3, 1)
    assert told[-1] == ("training", 1.0)
    assert said[-1].startswith("step 4: loss")
    best = load_model(tmp_path / "run", "level", lambda checkpoint: Level(), made_by="train level")
    assert torch.equal(best.bias, model.bias)
