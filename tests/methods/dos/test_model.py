import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from scanwise.data.augment import Augmentation
from scanwise.data.shards import write_shards
from scanwise.errors import InputError
from scanwise.methods.dos import model as dos
from scanwise.methods.dos.data import ViewBatch, collate_views
from scanwise.methods.dos.model import (
    DOS,
    DOSRecipe,
    load_backbone,
    softmap_loss,
    train,
    usage_from_prior,
    zipf_softmaps,
)
from scanwise.methods.segment.model import Segmenter, SegmentRecipe
from scanwise.nn.transport import zipf_prior
from scanwise.training.checkpoints import load, start_from
from scanwise.training.launch import make_fabric
from scanwise.training.loop import TrainingError, parameter_groups
from scanwise.training.recipe import read_recipe
from tests.scenes import labelled_scene, write_scenes

SMALL = {"data": Path("x"), "backbone": "tiny", "voxel": 0.1, "prototypes": 32, "hidden": 32, "channels": 16}
LADDER = {
    "naive": {"masking": "tokens", "target": "clustering"},
    "jitter": {"masking": "tokens", "target": "clustering", "token_jitter": 0.1},
    "observable": {"target": "clustering"},
    "regression": {"target": "regression"},
    "softmap": {"alpha": 0.0},
    "zipf": {"alpha": 1.3},
    "too steep": {"alpha": 2.0},
}


def recipe_of(**changes) -> DOSRecipe:
    return DOSRecipe(**(SMALL | changes))


def batch_of(recipe: DOSRecipe, scenes=(0, 1)) -> ViewBatch:
    make = recipe.views()
    return collate_views([make(labelled_scene(seed, 500), np.random.default_rng(seed)) for seed in scenes])


def model_of(recipe: DOSRecipe) -> DOS:
    torch.manual_seed(0)
    return DOS(recipe)


# The loss


def test_the_loss_by_hand():
    """One prototype with targets (3/4, 1/4) and softmap (1/2, 1/2), one where both agree."""
    targets = torch.tensor([[0.75, 0.5], [0.25, 0.5]])
    scores = torch.tensor([[1.0, 2.0], [1.0, 2.0]])
    loss, entropies = softmap_loss(scores, targets)
    wanted = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(loss) == pytest.approx(wanted / 2, rel=1e-5)
    assert entropies.tolist() == pytest.approx([-0.75 * math.log(0.75) - 0.25 * math.log(0.25), math.log(2)])


def test_the_loss_is_torchs_divergence_of_softmaps_over_points():
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(40, 7, generator=random).requires_grad_()
    targets = torch.softmax(3 * torch.randn(40, 7, generator=random), 0)
    divergence = nn.functional.kl_div(scores.log_softmax(0).T, targets.T, reduction="batchmean")
    loss, _ = softmap_loss(scores, targets)
    torch.testing.assert_close(loss, divergence)
    one, other = torch.autograd.grad(loss, scores)[0], torch.autograd.grad(divergence, scores)[0]
    torch.testing.assert_close(one, other)


def test_targets_are_softmaps_over_points_whose_mass_follows_zipf():
    scores = 5 * torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    prior = zipf_prior(6, 1.3)
    targets = zipf_softmaps(scores, prior, 30)
    torch.testing.assert_close(targets.sum(0), torch.ones(6))
    torch.testing.assert_close((targets * prior).sum(1), torch.full((50,), 1 / 50), rtol=0.02, atol=0)


def test_usage_by_hand():
    """Of four voxels three are the first prototype's: KL((3/4, 1/4) || (1/2, 1/2))."""
    plan = torch.tensor([[0.2, 0.1], [0.2, 0.1], [0.2, 0.1], [0.0, 0.1]])
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(usage_from_prior(plan, torch.tensor([0.5, 0.5]))) == pytest.approx(wanted)


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


def test_places_of_masked_voxels_never_reach_the_student_of_observable_points():
    recipe = recipe_of()
    model, batch = model_of(recipe), batch_of(recipe)
    before = seen_by_the_student(model, batch)
    assert len(before) == int(batch.visible.sum())
    kept = torch.nonzero(batch.visible)[:, 0]
    alone = ViewBatch(
        batch.coords[kept], batch.feats[kept], batch.batch[kept], batch.view[kept], batch.visible[kept],
        batch.student_feats[kept], batch.places[kept], torch.full((len(kept),), -1), batch.samples,
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
        torch.testing.assert_close(model.get_parameter(name), own[name] + 0.05)
    model.after_step(1.0)
    torch.testing.assert_close(model.get_parameter(names[0]), own[names[0]] + 0.05)


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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("token_jitter=0.1", "masking: tokens"),
        ("teacher_temperature=0.2", "student_temperature"),
        ("student_temperature=0.04", "student_temperature"),
        ("crop=[0.8, 0.4]", "least, most"),
        ("alhpa=1", "alpha"),
    ],
)
def test_recipes_that_cannot_be_are_refused_in_a_line(tmp_path, change, words):
    path = tmp_path / "recipe.yaml"
    path.write_text("data: somewhere\n")
    with pytest.raises(InputError, match=words):
        read_recipe(path, DOSRecipe, [change])


RECIPES = sorted((Path(__file__).parents[3] / "recipes").rglob("dos-*.yaml")) + sorted(
    (Path(__file__).parents[3] / "recipes" / "dos-ladder").glob("*.yaml")
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_take_a_step(path):
    """With fewer prototypes and a smaller network, so that it is quick."""
    recipe = read_recipe(path, DOSRecipe, ["backbone=tiny", "prototypes=32", "hidden=32", "channels=16"])
    found = model_of(recipe).train().training_step(batch_of(recipe), 0.0)
    assert all(math.isfinite(float(value.detach())) for value in found.values())


def test_steps_of_the_ladder_differ_in_what_they_are_about_alone():
    assert len(RECIPES) == 13
    tiny = read_recipe(RECIPES[0].parent / "dos-rooms-tiny.yaml", DOSRecipe).model_dump()
    for path in RECIPES:
        if path.parent.name == "dos-ladder":
            step = read_recipe(path, DOSRecipe).model_dump()
            differing = {name for name, value in tiny.items() if step[name] != value}
            assert differing <= {"masking", "token_jitter", "target", "alpha", "prototypes"}, path


# Whole runs

RUN = {
    "batch": 2, "steps": 8, "validate_every": 4, "checkpoint_every": 2, "momentum": 0.9, "drop_path": 0.1,
    "probe_scenes": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=4, val=2)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, train(recipe_of(data=data, **RUN), out, make_fabric(device="cpu"))


def losses(out: Path) -> list[tuple[str, str]]:
    with (out / "log.csv").open() as stream:
        return [(row["step"], row["loss"]) for row in csv.DictReader(stream)]


def test_a_run_leaves_figures_pictures_and_the_teachers_backbone(run):
    out, metrics = run
    assert {"score", "linear", "knn"} <= metrics.keys()
    assert 0 < metrics["linear"] <= 1
    assert metrics["score"] == metrics["linear"]
    with (out / "log.csv").open() as stream:
        row = next(csv.DictReader(stream))
    assert {"loss", "agreement", "rank", "usage", "entropy"} <= row.keys()
    assert (out / "features.png").stat().st_size > 2000


def test_a_run_that_was_stopped_goes_on_bit_for_bit_with_its_teacher(run, data, tmp_path, monkeypatch):
    whole, _ = run
    recipe, fabric = recipe_of(data=data, **RUN), make_fabric(device="cpu")
    step = DOS.after_step

    def interrupted(model: DOS, progress: float) -> None:
        step(model, progress)
        if progress >= 5 / 8:
            raise RuntimeError("the power went")

    monkeypatch.setattr(DOS, "after_step", interrupted)
    with pytest.raises(RuntimeError, match="power"):
        train(recipe, tmp_path, fabric)
    monkeypatch.setattr(DOS, "after_step", step)
    train(recipe, tmp_path, fabric)
    assert losses(tmp_path) == losses(whole)
    one, two = load(whole / "last.ckpt"), load(tmp_path / "last.ckpt")
    assert one.tensors.keys() == two.tensors.keys()
    assert all(torch.equal(one.tensors[name], value) for name, value in two.tensors.items())
    assert not torch.equal(
        one.tensors["model.backbone.network.embedding.linear.weight"],
        one.tensors["model.student.backbone.network.embedding.linear.weight"],
    )


def test_the_checkpoint_starts_a_supervised_run_and_gives_a_backbone(run, data):
    path = run[0] / "best.ckpt"
    model = Segmenter(SegmentRecipe(data=data, backbone="tiny", decoder=1), ["a", "b"])
    start_from(model.backbone, path)
    teacher = load(path).tensors["backbone.network.embedding.linear.weight"]
    assert torch.equal(model.backbone.network.embedding.linear.weight, teacher)
    frozen = load_backbone(path)
    sample, feats = frozen.encode(labelled_scene(9))
    assert feats.shape == (len(sample), frozen.backbone.channels)
    assert (frozen.voxel, frozen.features) == (0.1, ("color", "normal"))


def test_a_backbone_that_learned_with_mask_tokens_is_loaded_as_well(data, tmp_path):
    recipe = recipe_of(data=data, **(RUN | LADDER["naive"] | {"steps": 1}))
    train(recipe, tmp_path, make_fabric(device="cpu"))
    _, feats = load_backbone(tmp_path / "best.ckpt").encode(labelled_scene(9))
    assert np.isfinite(feats).all()


def test_without_labels_the_last_weights_are_kept(data, tmp_path, monkeypatch):
    read = dos.read_source

    def unlabelled(path):
        scene = read(path)
        scene.labels = None
        return scene

    monkeypatch.setattr(dos, "read_source", unlabelled)
    recipe = recipe_of(data=data, **(RUN | {"steps": 3, "validate_every": 1}))
    metrics = train(recipe, tmp_path, make_fabric(device="cpu"))
    assert metrics == {"score": pytest.approx(2 / 3), "step": 3}


def test_scenes_may_come_in_shards(tmp_path):
    scenes = [labelled_scene(seed, 600) for seed in range(4)]
    write_shards(scenes[:2], tmp_path / "data" / "train", scenes_per_shard=2)
    write_shards(scenes[2:], tmp_path / "data" / "val", scenes_per_shard=2)
    recipe = recipe_of(data=tmp_path / "data", **(RUN | {"steps": 1}))
    assert train(recipe, tmp_path / "out", make_fabric(device="cpu"))["linear"] > 0


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


def test_two_processes_have_the_loss_figures_and_gradients_of_one(tmp_path):
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


def test_the_augmentations_leave_what_a_view_needs():
    for augmentation in dos.AUGMENTATIONS.values():
        assert isinstance(augmentation, Augmentation)
        assert augmentation.crop == 0  # views are cropped before, where their points' places are known
