"""LESS: sentences and clouds that must not touch each other, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.clouds import Cloud, collate
from scanwise.data.surface import Surface
from scanwise.methods.less.data import MakeReferSample, collate_refer, voxels_of
from scanwise.methods.less.evaluate import load_trained, merged, predict
from scanwise.methods.less.model import LESS, Reply
from scanwise.methods.less.query_decoder import Proposals
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.nn.sentence import GRUEncoder, words_of
from scanwise.nn.sparse import SparseTensor
from scanwise.scene import Scene
from scanwise.training.recipe import read_recipe
from tests.rooms_with_sentences import TEXTS, room

VOCABULARY = sorted({word for text in TEXTS for word in words_of(text)})


def recipe(**changes: object) -> LESSRecipe:
    small: dict[str, object] = {
        "data": ".", "text": "gru", "media": 8, "levels": 3, "blocks": 1, "queries": 5, "width": 16, "hidden": 32,
        "voxel": 0.1, "sentences": 2,
    }  # fmt: skip
    return LESSRecipe.model_validate(small | changes)


def model_of(settings: LESSRecipe) -> LESS:
    torch.manual_seed(0)
    return LESS(settings, GRUEncoder(VOCABULARY, 16)).eval()


def voxels(scene: Scene, settings: LESSRecipe) -> SparseTensor:
    batch = collate([voxels_of(Cloud.of(scene), settings, scene.name)])
    return SparseTensor(batch.coords, batch.feats, batch.batch)


@pytest.mark.parametrize("fusion", ["levels", "late", "queries", "none"])
def test_a_sentence_alone_and_among_ten(fusion: str) -> None:
    settings = recipe(fusion=fusion)
    model, scene = model_of(settings), room()
    texts = [TEXTS[place % 4] for place in range(10)]
    together = predict(model, scene, texts)
    alone = predict(model, scene, texts[1:2])[0]
    assert np.allclose(together[1].scores, alone.scores, atol=1e-5)
    assert together[1].presence == pytest.approx(alone.presence, abs=1e-5)


def test_positions_make_two_of_a_kind_different() -> None:
    scene = room()
    twice = np.concatenate([scene.points, scene.points + np.array([20, 0, 0])]).astype(np.float32)
    assert scene.colors is not None
    both = Scene(twice, colors=np.concatenate([scene.colors] * 2))
    for positions in (False, True):
        model = model_of(recipe(fusion="late", features=["color"], positions=positions))
        first, second = np.split(predict(model, both, TEXTS[:1])[0].scores, 2)
        assert np.allclose(first, second, atol=1e-4) is not positions


def test_normals_are_found_where_a_network_wants_them() -> None:
    model, scene = model_of(recipe(fusion="late", features=["color", "normal"])), replace(room(), normals=None)
    alone, given = (predict(model, each, TEXTS[:1])[0].scores for each in (scene, Surface(scene).with_normals()))
    assert np.array_equal(alone, given)


def test_a_cloud_does_not_feel_its_batch_mates() -> None:
    settings = recipe()
    model, scene = model_of(settings), room()
    one = voxels(scene, settings)
    half = SparseTensor(one.coords[::2], one.feats[::2], one.batch[::2])
    both = SparseTensor(
        torch.cat([one.coords, half.coords]), torch.cat([one.feats, half.feats]), torch.cat([one.batch, half.batch + 1])
    )
    with torch.no_grad():
        words = model.text(TEXTS[:2])
        pair = model(both, words)
        alone = model(one, words.take([0]))[0]
    assert torch.allclose(pair[0].logits, alone.logits, atol=1e-4)
    assert len(pair[1].logits) == len(half)


def test_explanation_shares_sum_to_one() -> None:
    for fusion in ("levels", "late", "queries"):
        found = predict(model_of(recipe(fusion=fusion)), room(), TEXTS[:2], explain=True)
        assert [word for word, _ in found[1].words] == words_of(TEXTS[1])
        assert sum(share for _, share in found[1].words) == pytest.approx(1, abs=1e-4)


def test_queries_of_much_weight_are_merged() -> None:
    masks = torch.tensor([[9.0, -9, -9], [-9, 9, -9], [-9, -9, 9]])
    weights = torch.tensor([0.5, 0.3, 0.2])
    reply = Reply(weights @ masks, masks.T, Proposals(masks, masks), weights, torch.tensor(0.0), None)
    assert (merged(reply) > 0).tolist() == [True, True, False]
    assert (reply.logits > 0).tolist() == [False, False, False]


def test_overfits_one_scene() -> None:
    settings = recipe(edge=0.5, dice=1.0, presence=1.0, sentences=3, positive=5, augment=False)
    torch.manual_seed(0)
    model, scene = LESS(settings, GRUEncoder(VOCABULARY, 16)), room()
    make = MakeReferSample(settings)
    batch = collate_refer([make(scene, np.random.default_rng(0))] * 2)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(90):
        optimiser.zero_grad()
        parts = model.training_step(batch, 0.0)
        parts["loss"].backward()
        optimiser.step()
    found = predict(model.eval(), scene, TEXTS[:3])
    for prediction, instance in zip(found[:2], (0, 1), strict=True):
        mask, target = prediction.scores > 0.5, scene.instances == instance
        assert (mask & target).sum() / (mask | target).sum() > 0.8
    assert found[2].presence < 0.5 < min(found[0].presence, found[1].presence)


def test_recipes_on_disk_are_recipes() -> None:
    paths = sorted((Path(__file__).parents[3] / "recipes").glob("less-*.yaml"))
    assert len(paths) >= 4
    for path in paths:
        assert read_recipe(path, LESSRecipe).text


def test_the_old_name_of_positions_is_still_read() -> None:
    assert recipe(places=True).positions
    assert load_trained(Path("less-rooms")).recipe.positions


def test_queries_attend_to_cells_only_where_words_come_late() -> None:
    with pytest.raises(ValueError, match="attend needs fusion"):
        recipe(attend=1)
