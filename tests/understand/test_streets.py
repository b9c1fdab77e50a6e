"""Words outdoors: what is a street, what classes are called, clusters over the ground."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Scene
from scanwise.training.checkpoints import load
from scanwise.understand import prepared
from scanwise.understand.outdoors import WORDS, is_outdoors, words_of
from scanwise.understand.prepared import Prepared
from scanwise.understand.shapes import STREETS, Shapes, check_shapes
from scanwise.understand.streets import FEWEST, street_things

CLASSES = ["road", "car", "vegetation", "person"]


def street():
    """A road of 80 m with two cars, a long hedge behind one of them, and a person; and which is which."""
    random = np.random.default_rng(0)
    blocks = [((0, 0, 0), (80, 80, 0.02), 9000, 0), ((-9, 3, 0.25), (4, 1.7, 1.4), 500, 1),
              ((9, 3, 0.25), (4, 1.7, 1.4), 500, 1), ((0, 9, 0.25), (40, 1, 1.5), 3000, 2),
              ((0, -5, 0.3), (0.5, 0.5, 1.4), 60, 3)]  # fmt: skip
    points, kinds = [], []
    for low, size, count, kind in blocks:
        inside = random.uniform(-0.5, 0.5, (count, 3)) * size + low
        inside[:, 2] = low[2] + random.uniform(0, 1, count) * size[2]
        points.append(inside)
        kinds += [kind] * count
    return Scene(np.concatenate(points).astype(np.float32), intensity=np.full(len(kinds), 0.3)), np.array(kinds)


def seen(surface, kinds, wrong=0.0):
    """What a network says that is wrong of a share of the voxels."""
    truth = kinds[surface.finite[surface.voxels.first]]
    random = np.random.default_rng(1)
    said = np.where(random.random(len(truth)) < wrong, random.integers(0, len(CLASSES), len(truth)), truth)
    return Shapes(np.eye(len(CLASSES), dtype=np.float32)[said] * 0.7 + 0.075, CLASSES, {}), truth


def test_streets_are_wide_and_without_colours():
    scene, _ = street()
    assert is_outdoors(scene)
    assert not is_outdoors(replace(scene, colors=np.zeros((len(scene), 3), np.uint8)))
    assert not is_outdoors(replace(scene, points=scene.points / 3))


def test_votes_mend_what_a_network_says_here_and_there():
    scene, kinds = street()
    surface = Surface(scene)
    shapes, truth = seen(surface, kinds, wrong=0.3)
    things = street_things(surface, shapes)
    voted = things.votes(torch.from_numpy(shapes.probabilities))
    torch.testing.assert_close(voted.sum(1), torch.ones(len(things)))
    over = np.isin(truth, (1, 3))  # cars and the person stand apart
    alone = (shapes.probabilities.argmax(1) == truth)[over].mean()
    together = (voted.argmax(1).numpy() == truth)[over].mean()
    assert alone < 0.82
    assert together > 0.95


def test_cars_are_counted_and_the_road_is_no_object():
    scene, kinds = street()
    surface = Surface(scene)
    shapes, truth = seen(surface, kinds)
    objects = street_things(surface, shapes).objects(truth.astype(np.int32))
    assert (objects[truth == 0] == -1).all()
    for kind, count in ((1, 2), (3, 1)):
        found = objects[truth == kind]
        assert len(np.unique(found[found >= 0])) == count
    sizes = np.bincount(objects[objects >= 0])
    assert len(sizes) == objects.max() + 1
    assert sizes.min() >= FEWEST


def test_classes_are_called_what_people_call_them():
    shapes = Shapes(np.eye(3, dtype=np.float32), ["road", "trunk", "other-vehicle"], {})
    probabilities, known = shapes.of_texts(["pavement", "asphalt", "tree", "bus"])
    assert probabilities.argmax(1).tolist() == [1, 2, 3]
    assert (known[1:] > 0.9).all()
    assert words_of("sofa") == ("sofa",)
    assert all(words[0].replace(" ", "") in name.replace("-", "") or name == "trunk" for name, words in WORDS.items())


def test_a_street_is_labelled_without_pictures_by_the_network_for_streets():
    scene, _ = street()
    assert check_shapes(None, scene) == STREETS
    ready = Prepared(scene, up=None)
    with pytest.warns(ScanwiseWarning, match="taken for outdoors"):
        labels = ready.label(["road", "car", "vegetation", "person"])
    assert ready.weights is None
    assert ready.vision is None
    np.testing.assert_allclose(labels.scores.sum(1), 1, atol=1e-4)
    assert {each.text for each in labels.objects} <= {"car", "vegetation", "person"}


def test_the_network_for_streets_is_a_head_on_shipped_features():
    found, under = load(STREETS), load(STREETS.with_name("dos-streets-small"))
    for name, value in under.under("backbone.").items():
        assert found.tensors[f"backbone.{name}"].equal(value)


def test_sentences_are_refused_outdoors_unless_a_model_is_given(monkeypatch):
    scene, _ = street()
    with pytest.raises(InputError, match="outdoors"):
        Prepared(scene, up=None).ask("the red car")
    monkeypatch.setattr(prepared, "load_model", lambda path: (_ for _ in ()).throw(InputError(f"{path}: asked")))
    with pytest.raises(InputError, match="mine: asked"):
        Prepared(scene, up=None, model="mine").ask("the red car")
