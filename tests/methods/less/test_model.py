"""LESS: its losses by hand, sentences and clouds that must not touch each other, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.clouds import collate
from scanwise.data.datasets import scene_paths
from scanwise.data.referring import (
    MakeReferSample,
    all_of_a_kind,
    collate_refer,
    draw_sentences,
    names_many,
    plural,
    strange_here,
    view_dependent,
)
from scanwise.data.surface import Surface
from scanwise.methods.less.kernel_maps import ClippedKernelMaps, RepeatedKernelMaps
from scanwise.methods.less.losses import area, dice, edges, point_contrast, weighted_bce
from scanwise.methods.less.model import LESS, ReferRecipe, Reply, predict, together_of
from scanwise.methods.less.query_decoder import Proposals
from scanwise.nn.kernel_maps import KernelMaps
from scanwise.nn.sentence import GRUEncoder, Words, words_of
from scanwise.nn.sparse import SparseTensor
from scanwise.nn.word_fusion import WordFusion
from scanwise.scene import Referral, Scene
from tests.rooms_with_sentences import TEXTS, room, write_rooms

VOCABULARY = sorted({word for text in TEXTS for word in words_of(text)})


def recipe(**changes: object) -> ReferRecipe:
    small: dict[str, object] = {
        "data": ".", "text": "gru", "media": 8, "levels": 3, "blocks": 1, "queries": 5, "width": 16, "hidden": 32,
        "voxel": 0.1, "sentences": 2,
    }  # fmt: skip
    return ReferRecipe.model_validate(small | changes)


def model_of(settings: ReferRecipe) -> LESS:
    torch.manual_seed(0)
    return LESS(settings, GRUEncoder(VOCABULARY, 16)).eval()


def voxels(scene: Scene, settings: ReferRecipe, copies: int = 1) -> SparseTensor:
    make = MakeReferSample(settings.voxel, settings.features, augment=False)
    sample = make(scene, np.random.default_rng(0)).sample
    batch = collate([sample] * copies)
    return SparseTensor(batch.coords, batch.feats, batch.batch)


def test_losses_by_hand() -> None:
    logits, target = torch.tensor([0.0, 2.0]), torch.tensor([True, False])
    expected = (20 * math.log(2) + math.log(1 + math.exp(2))) / 2
    assert weighted_bce(logits, target).item() == pytest.approx(expected, rel=1e-5)
    assert area(torch.tensor([0.0, math.log(3)])).item() == pytest.approx((0.5 + 0.75) / 2)
    assert dice(torch.tensor([50.0, -50.0, -50.0]), torch.tensor([True, False, True])).item() == pytest.approx(
        1 - 3 / 4
    )


def test_point_contrast_by_hand() -> None:
    feats = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    target = torch.tensor([True, True, False])
    # c = (.5, .5); s = exp(.5 / .05) for both; n = exp(20) for the first, exp(0) for the second
    ratios = [math.exp(10) / (math.exp(10) + math.exp(20)), math.exp(10) / (math.exp(10) + 1)]
    mine = point_contrast(feats, target).item()
    assert mine == pytest.approx(-sum(map(math.log, ratios)) / 2, rel=1e-4)
    official = point_contrast(feats, target, official=True).item()
    assert official == pytest.approx(-math.log(sum(ratios) / 2), rel=1e-4)
    assert point_contrast(feats, torch.zeros(3, dtype=torch.bool)).item() == 0


def test_edges_of_a_line() -> None:
    coords = torch.tensor([[x, 0, 0] for x in (4, 0, 1, 2, 3)])
    table = KernelMaps(coords, torch.zeros(5, dtype=torch.long)).submanifold(0)
    target = coords[:, 0] >= 2
    assert edges(target, table).tolist() == [False, False, True, True, False]


def test_repeated_tables_are_those_of_repeated_voxels() -> None:
    generator = torch.Generator().manual_seed(1)
    coords = torch.unique(torch.randint(0, 12, (300, 3), generator=generator), dim=0)
    coords = coords[torch.randperm(len(coords), generator=generator)]
    batch = (torch.arange(len(coords)) > len(coords) // 3).long()
    shared = RepeatedKernelMaps(KernelMaps(coords, batch), 3, 2)
    own = KernelMaps(*shared.voxels(0))
    settings = recipe()
    network = model_of(settings).backbone
    feats = torch.randn(3 * len(coords), 6, generator=generator)
    results = [
        network(SparseTensor(*own.voxels(0)[:1], feats, own.voxels(0)[1], cache=cache)).feats for cache in (own, shared)
    ]  # type: ignore[union-attr]
    assert torch.allclose(*results, atol=1e-5)


def test_a_clipped_grid_loses_its_last_plane() -> None:
    coords = torch.tensor([[0, 0, 0], [4, 0, 0], [3, 1, 0]])
    cache = ClippedKernelMaps(coords, torch.zeros(3, dtype=torch.long), least=2)
    assert cache.shape.tolist() == [5, 2, 2]
    assert cache.strided(0).pairs == 2
    assert cache.voxels(1)[0].tolist() == [[0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("official", [False, True])
def test_padding_counts_in_the_official_fusion_alone(official: bool) -> None:
    torch.manual_seed(0)
    fusion = WordFusion(6, 8, 2, official=official).eval()
    feats, words = torch.randn(5, 8), torch.randn(1, 3, 6)
    padded = torch.cat([words, torch.randn(1, 2, 6)], 1)
    one = fusion(feats, [5], words, torch.ones(1, 3, dtype=torch.bool))
    other = fusion(feats, [5], padded, torch.tensor([[True] * 3 + [False] * 2]))
    assert torch.allclose(one, other, atol=1e-6) is not official


@pytest.mark.parametrize("fusion", ["levels", "late", "queries", "none"])
def test_a_sentence_alone_and_among_ten(fusion: str) -> None:
    settings = recipe(fusion=fusion)
    model, scene = model_of(settings), room()
    texts = [TEXTS[place % 4] for place in range(10)]
    together = predict(model, scene, texts)
    alone = predict(model, scene, texts[1:2])[0]
    assert np.allclose(together[1].scores, alone.scores, atol=1e-5)
    assert together[1].presence == pytest.approx(alone.presence, abs=1e-5)


def test_places_make_two_of_a_kind_different() -> None:
    scene = room()
    twice = np.concatenate([scene.points, scene.points + np.array([20, 0, 0])]).astype(np.float32)
    assert scene.colors is not None
    both = Scene(twice, colors=np.concatenate([scene.colors] * 2))
    for places in (False, True):
        model = model_of(recipe(fusion="late", features=["color"], places=places))
        first, second = np.split(predict(model, both, TEXTS[:1])[0].scores, 2)
        assert np.allclose(first, second, atol=1e-4) is not places


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
        first = Words(words.vectors[:1], words.mask[:1], words.sentence[:1], words.texts[:1])
        alone = model(one, first)[0]
    assert torch.allclose(pair[0].logits, alone.logits, atol=1e-4)
    assert len(pair[1].logits) == len(half)


def test_explanation_shares_sum_to_one() -> None:
    for fusion in ("levels", "late", "queries"):
        found = predict(model_of(recipe(fusion=fusion)), room(), TEXTS[:2], explain=True)
        assert [word for word, _ in found[1].words] == words_of(TEXTS[1])
        assert sum(share for _, share in found[1].words) == pytest.approx(1, abs=1e-4)


def test_view_words_stop_mirroring() -> None:
    assert view_dependent("the chair left of the table")
    assert not view_dependent("the leftover box next to the table")
    scene = room()
    scene.sentences = [Referral("the block on the right", 1)]
    _, free = draw_sentences(scene, 1, np.random.default_rng(0))
    assert not free
    make = MakeReferSample(0.1, ("coord", "color"), augment=True)
    for seed in range(5):  # what is on the far side of x stays there
        sample = make(scene, np.random.default_rng(seed))
        target = sample.targets[0]
        assert sample.sample.centers[target, 0].mean() > sample.sample.centers[:, 0].mean()


def test_what_asks_for_several_things() -> None:
    for text in (
        "all chairs at the table",
        "Find both lamps.",
        "the two chairs",
        "every white chair",
        "show me all cups",
    ):
        assert plural(text)
    for text in ("the chair", "Of all windows, I mean the one nearest to the door.", "the second of three chairs",
                 "find the one of the two lamps", "the tall lamp", "overall", "These are shoes."):  # fmt: skip
        assert not plural(text)


def test_names_in_the_plural() -> None:
    for text in ("the red kitchen cabinets", "Please mark the bookshelves.", "look for the shoes by the door"):
        assert names_many(text)
    for text in (
        "the chair nearest to the red cabinets", "the chest of drawers", "the glass", "the canvas on the wall", "a bus",
        "Among the windows, find the one next to the table.", "this is a pair of shoes", "the mattress", "",
    ):  # fmt: skip
        assert not names_many(text)


def test_sentences_about_all_of_a_kind() -> None:
    scene = room()
    texts = set()
    for seed in range(30):
        ((text, instances),) = all_of_a_kind(scene, np.random.default_rng(seed))
        assert sorted(instances) == [0, 1]
        assert plural(text)
        texts.add(text)
    assert "all blocks" in texts
    scene.boxes = scene.boxes[:1]
    assert all_of_a_kind(scene, np.random.default_rng(0)) == []
    sample = MakeReferSample(0.1, ("coord",), 2, augment=False, several=1.0)(room(), np.random.default_rng(0))
    assert sample.targets[-1].sum() > sample.targets[0].sum()


def test_sentences_about_what_another_scene_has() -> None:
    scene, other, generator = room(), room(1), np.random.default_rng(0)
    assert strange_here(scene, other, generator) == []  # it has blocks too
    other.boxes = [replace(box, name="piano") for box in other.boxes]
    assert strange_here(scene, other, generator) == []  # their class still says what they are
    other = replace(other, labels=None)
    assert sorted(strange_here(scene, other, generator)) == sorted(TEXTS[:2])
    assert strange_here(replace(scene, boxes=[], labels=None), other, generator) == []


def test_a_sentence_from_elsewhere_means_nothing(tmp_path: Path) -> None:
    root = write_rooms(tmp_path, train=1)
    make = MakeReferSample(0.1, ("coord",), 1, augment=False, strange=1.0, others=scene_paths(root, "train"))
    lamp = room()
    lamp.boxes, lamp.labels = [replace(box, name="lamp") for box in lamp.boxes], None
    sample = make(lamp, np.random.default_rng(0))
    assert sample.texts[0] in TEXTS
    assert not sample.targets[0].any()


def test_queries_of_much_weight_are_merged() -> None:
    masks = torch.tensor([[9.0, -9, -9], [-9, 9, -9], [-9, -9, 9]])
    weights = torch.tensor([0.5, 0.3, 0.2])
    reply = Reply(weights @ masks, masks.T, Proposals(masks, masks), weights, torch.tensor(0.0), None)
    assert (together_of(reply) > 0).tolist() == [True, True, False]
    assert (reply.logits > 0).tolist() == [False, False, False]


def test_overfits_one_scene() -> None:
    settings = recipe(edge=0.5, dice=1.0, presence=1.0, sentences=3, positive=5)
    torch.manual_seed(0)
    model, scene = LESS(settings, GRUEncoder(VOCABULARY, 16)), room()
    make = MakeReferSample(settings.voxel, settings.features, 3, augment=False)
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
    from scanwise.training.recipe import read_recipe

    for path in sorted((Path(__file__).parents[3] / "recipes").glob("less-*.yaml")):
        assert read_recipe(path, ReferRecipe).text
