"""What LESS is trained on: sentences about all of a kind, about what is elsewhere, and masks that stay true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scanwise.data.datasets import scene_paths
from scanwise.data.referring import plural
from scanwise.errors import InputError
from scanwise.methods.less.data import MakeReferSample, all_of_a_kind, collate_refer, strange_here
from scanwise.methods.less.recipe import LESSRecipe
from scanwise.scene import Referral
from tests.rooms_with_sentences import TEXTS, room, write_rooms


def recipe(**changes: object) -> LESSRecipe:
    return LESSRecipe.model_validate({"data": ".", "voxel": 0.1, "features": ["coord", "color"]} | changes)


def test_a_scene_is_not_mirrored_where_a_sentence_has_view_words() -> None:
    scene = room()
    scene.sentences = [Referral("the block on the right", 1)]
    make = MakeReferSample(recipe(sentences=1))
    for seed in range(5):  # what is on the far side of x stays there
        sample = make(scene, np.random.default_rng(seed))
        target = sample.targets[0]
        assert sample.sample.centers[target, 0].mean() > sample.sample.centers[:, 0].mean()


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
    sample = MakeReferSample(recipe(sentences=2, augment=False, several=1.0))(room(), np.random.default_rng(0))
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
    make = MakeReferSample(recipe(sentences=1, augment=False, strange=1.0), scene_paths(root, "train"))
    lamp = room()
    lamp.boxes, lamp.labels = [replace(box, name="lamp") for box in lamp.boxes], None
    sample = make(lamp, np.random.default_rng(0))
    assert sample.texts[0] in TEXTS
    assert not sample.targets[0].any()


def test_sentences_of_a_batch_lie_scene_by_scene_for_each_place() -> None:
    make = MakeReferSample(recipe(sentences=3, augment=False))
    samples = [make(room(seed), np.random.default_rng(seed)) for seed in (0, 1)]
    batch = collate_refer(samples)
    assert batch.texts == [sample.texts[place] for place in range(3) for sample in samples]
    rows = [torch.from_numpy(sample.targets[place]) for place in range(3) for sample in samples]
    assert torch.equal(batch.targets, torch.cat(rows))
    assert batch.present.tolist() == [bool(row.any()) for row in rows]
    assert len(batch.targets) == 3 * len(batch.clouds.coords)


def test_a_scene_without_instances_is_refused() -> None:
    with pytest.raises(InputError, match="has no instances"):
        MakeReferSample(recipe())(replace(room(), instances=None), np.random.default_rng(0))
