"""Parts of a made scene, what is known of their pairs, and a network that learns which belong together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from scanwise.data.datasets import Draw
from scanwise.data.surface import Surface
from scanwise.errors import InputError
from scanwise.formats.registry import write_scene
from scanwise.methods.things.data import PairDataset, collate, owners, scene_pairs, true_things
from scanwise.methods.things.model import PairNet, load_things
from scanwise.methods.things.pairs import COLOURS, GEOMETRY, NETWORK, Seen, pair_facts, part_means
from scanwise.methods.things.parts import FACTS, parts_of
from scanwise.methods.things.recipe import ThingsRecipe
from scanwise.methods.things.train import train
from scanwise.scene import Scene
from tests.box_on_floor import box_on_floor


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))


def scene_of(turn: float = 0.0, **changes: object) -> Scene:
    """A floor of 2 x 2 m and a red box on it, turned by some radians; the floor is no instance."""
    scene, box = box_on_floor()
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    instances = np.where(box, 0, -1).astype(np.int32)
    return replace(scene.turned(rotation), **({"labels": box.astype(np.int32), "instances": instances} | changes))


def look(surface: Surface) -> Seen:
    """A network that knows the floor from the box, and where the box's middle is."""
    high = surface.centers[:, 2] > 0.03
    away = np.where(high[:, None], surface.centers[high].mean(0) - surface.centers, 0)
    return Seen(np.stack([~high, high], 1).astype(np.float32), away.astype(np.float32))


def test_a_part_is_of_one_thing_and_every_voxel_in_one():
    scene = scene_of()
    surface = Surface(scene)
    parts = parts_of(surface)
    assert sorted(set(parts.of_voxel.tolist())) == list(range(len(parts)))
    truth = true_things(scene)[surface.finite][surface.voxels.first]
    owner = owners(parts.of_voxel, truth)
    assert (owner[parts.of_voxel] == truth).mean() > 0.97
    assert (parts.pairs[:, 0] < parts.pairs[:, 1]).all()


def test_facts_of_the_floor():
    parts = parts_of(Surface(scene_of()))
    floor = parts.facts[parts.facts[:, FACTS.index("size")].argmax()]
    known = dict(zip(FACTS, floor.tolist(), strict=True))
    assert known["upright"] > 0.9
    assert known["flat"] < 0.03
    assert known["low"] == pytest.approx(0, abs=0.02)
    assert known["long"] == pytest.approx(2 / 12**0.5, abs=0.1)  # of an even spread over 2 m


def test_what_is_not_known_is_nan():
    scene = scene_of()
    parts = parts_of(Surface(scene))
    facts = pair_facts(parts, None, 2, coloured=False)
    assert facts.shape == (len(parts.pairs), GEOMETRY + COLOURS + NETWORK + 4)
    assert np.isfinite(facts[:, :GEOMETRY]).all()
    assert np.isnan(facts[:, GEOMETRY:]).all()
    seen = pair_facts(parts, look(Surface(scene)), 2)
    assert np.isfinite(seen).all()
    without_offsets = pair_facts(parts, Seen(look(Surface(scene)).probabilities), 2)
    assert np.isnan(without_offsets).any(0).sum() == NETWORK - 2


def test_the_box_points_to_one_middle():
    surface = Surface(scene_of())
    parts = parts_of(surface)
    facts = pair_facts(parts, look(surface), 2)
    high = part_means(surface.centers, parts.of_voxel)[:, 2] > 0.03
    inside = high[parts.pairs].all(1)
    apart = facts[:, GEOMETRY + COLOURS + 2]  # distance of where both point to
    assert apart[inside].max(initial=0) < 0.02


def test_scenes_without_instances_are_refused():
    with pytest.raises(InputError, match="labels and instances"):
        scene_pairs(scene_of(instances=None), look, 2)


def test_sometimes_colours_or_the_network_are_hidden():
    scene = scene_pairs(scene_of(), look, 2)
    dataset = PairDataset([scene], blind=0.5)
    kinds = set()
    for number in range(30):
        missing = dataset[Draw(0, (number,))].facts[:, [0, GEOMETRY, GEOMETRY + COLOURS]].isnan()
        kinds |= {tuple(row) for row in missing.tolist()}
    assert kinds == {(False, a, b) for a in (False, True) for b in (False, True)}


def test_the_loss_is_that_of_the_pairs():
    net = PairNet(ThingsRecipe(data="x", dropout=0, noise=0), ["a", "b"])
    batch = collate([scene_pairs(scene_of(), look, 2)])
    net.scale_by(batch.facts)
    found = net.training_step(batch, 0.0)
    logits = torch.from_numpy(net.logits(batch.facts.numpy()))
    expected = -(batch.same * logits.sigmoid().log() + (1 - batch.same) * (1 - logits.sigmoid()).log()).mean()
    torch.testing.assert_close(found["loss"].detach(), expected)
    assert net.logits(np.full((1, 29 + 8 + 7 + 4), np.nan, np.float32)).shape == (1,)  # nothing known: no NaN either
    assert np.isfinite(net.logits(np.full((1, 48), np.nan, np.float32))).all()


def test_it_learns_what_belongs_together(tmp_path):
    for number in range(4):
        write_scene(scene_of(0.3 * number, classes=["floor", "box"]), tmp_path / "data" / "val" / f"room-{number}")
    recipe = ThingsRecipe(data=tmp_path / "data", steps=60, batch=2, validate_every=30, learning_rate=0.01)
    fabric = Fabric(accelerator="cpu", devices=1)
    metrics = train(recipe, tmp_path / "run", fabric, look=look, classes=["floor", "box"])
    assert metrics["right"] > 0.9
    net = load_things(tmp_path / "run")
    assert net.classes == ["floor", "box"]
    again = train(recipe, tmp_path / "again", fabric, look=look, classes=["floor", "box"])
    assert again == metrics


def test_one_scene_is_too_few(tmp_path):
    write_scene(scene_of(classes=["floor", "box"]), tmp_path / "data" / "val" / "room")
    with pytest.raises(InputError, match="there must be two"):
        train(ThingsRecipe(data=tmp_path / "data"), tmp_path, Fabric(accelerator="cpu"), look=look, classes=["a", "b"])
