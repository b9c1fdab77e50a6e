"""The two-stage baseline: samples, learning, a run, and the loop that it shares with LESS."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.errors import InputError
from scanwise.evaluation.referring import mask_iou
from scanwise.methods import less
from scanwise.methods.two_stage.data import MakeTwoStageSample, collate_two_stage
from scanwise.methods.two_stage.evaluate import evaluate, load_trained, predict
from scanwise.methods.two_stage.model import TwoStage
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.methods.two_stage.train import train
from scanwise.nn.sentence import GRUEncoder, words_of
from scanwise.training.launch import make_fabric
from scanwise.training.recipe import read_recipe
from tests.rooms_with_sentences import TEXTS, room, write_rooms

VOCABULARY = sorted({word for text in TEXTS for word in words_of(text)})


def recipe(**changes: object) -> TwoStageRecipe:
    small: dict[str, object] = {
        "data": ".", "text": "gru", "media": 8, "levels": 3, "blocks": 1, "width": 16, "voxel": 0.1, "sentences": 3,
        "reach": 0.15,
    }  # fmt: skip
    return TwoStageRecipe.model_validate(small | changes)


def model_of(settings: TwoStageRecipe) -> TwoStage:
    torch.manual_seed(0)
    return TwoStage(settings, GRUEncoder(VOCABULARY, 16), ["floor", "block"], [False, True])


def test_a_sample_points_to_the_middles_of_objects() -> None:
    scene = room()
    sample = MakeTwoStageSample(recipe(augment=False), 2)(scene, np.random.default_rng(0))
    ends = sample.sample.centers + sample.offsets
    for number in (0, 1):
        rows = sample.instances == number
        assert np.allclose(ends[rows], sample.sample.centers[rows].mean(0), atol=1e-5)
        assert sample.sample.labels is not None
        assert (sample.sample.labels[rows] == 1).all()
    assert (sample.offsets[sample.instances < 0] == 0).all()
    assert sorted(sample.targets) == [-1, 0, 1]


def test_scenes_without_classes_are_refused() -> None:
    scene = room()
    scene.labels = None
    with pytest.raises(InputError, match="needs the class and the object"):
        MakeTwoStageSample(recipe(), 2)(scene, np.random.default_rng(0))


def test_overfits_two_rooms() -> None:
    settings = recipe(augment=False)
    model = model_of(settings)
    make = MakeTwoStageSample(settings, 2)
    batch = collate_two_stage([make(room(seed), np.random.default_rng(0)) for seed in (0, 1)])
    optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
    for step in range(80):
        optimiser.zero_grad()
        model.training_step(batch, step / 80)["loss"].backward()
        optimiser.step()
    model.eval()
    for seed in (0, 1):
        scene = room(seed)
        assert scene.instances is not None
        found = predict(model, scene, TEXTS[:3])
        for prediction, instance in zip(found[:2], (0, 1), strict=True):
            assert mask_iou(prediction.scores, scene.instances == instance) > 0.8
        assert found[2].presence < 0.5 < min(found[0].presence, found[1].presence)


def test_a_sentence_alone_and_among_others() -> None:
    model = model_of(recipe(fewest=1)).eval()
    together, alone = predict(model, room(), TEXTS[:3])[1], predict(model, room(), TEXTS[1:2])[0]
    assert np.allclose(together.scores, alone.scores, atol=1e-5)
    assert together.presence == pytest.approx(alone.presence, abs=1e-5)


def test_where_nothing_is_proposed_nothing_is_found() -> None:
    found = predict(model_of(recipe(fewest=10_000)).eval(), room(), TEXTS[:1])[0]
    assert not found.scores.any()
    assert found.presence == 0


def test_a_run_and_its_metrics(tmp_path: Path) -> None:
    data = write_rooms(tmp_path / "data", train=2, val=1)
    settings = recipe(data=data, steps=2, batch=2, validate_every=2)
    metrics = train(settings, tmp_path / "run", make_fabric(device="cpu"))
    model = load_trained(tmp_path / "run")
    assert model.things.tolist() == [False, True]
    found = evaluate(model, [data / "val" / "0000"])
    assert len(found.sentences) == 3
    assert len(found.seconds) == 1
    assert metrics["sentences"] == 2
    assert np.mean([each.iou for each in found.sentences if each.here]) == pytest.approx(metrics["miou"], abs=1e-6)
    with pytest.raises(InputError, match="holds no LESS"):
        less.load_trained(tmp_path / "run")


def test_recipes_on_disk_are_recipes() -> None:
    paths = sorted((Path(__file__).parents[3] / "recipes").glob("two-stage-*.yaml"))
    assert paths
    for path in paths:
        assert read_recipe(path, TwoStageRecipe).text
