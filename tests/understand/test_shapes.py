"""Classes of a 3D network as evidence for any words, beside pictures and without them."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

import scanwise
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.geometry.normals import inwards
from scanwise.scene import Scene
from scanwise.understand.shapes import FUSION, SHAPES_WRONG, SHIPPED, Shapes, check_shapes, with_pictures
from tests.worlds import ColourVision

CLASSES = ["wall", "chair", "sofa", "otherfurniture"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def room() -> Scene:
    return scanwise.read_scene(str(files("scanwise") / "demo"))


def test_a_text_has_the_chance_of_the_classes_it_is_like():
    probabilities = np.eye(4, dtype=np.float16)
    found, known = Shapes(probabilities, CLASSES, {}).of_texts(["couch", "chair", "a wall", "espresso machine"])
    torch.testing.assert_close(found.sum(1), torch.ones(4), atol=1e-3, rtol=0)
    assert found[:3].argmax(1).tolist() == [2, 1, 0]
    torch.testing.assert_close(found[3], torch.full((4,), 0.25))  # a class without a name says nothing
    assert known[:3].min() > 0.8
    assert known[3] < 0.2


def test_pictures_outweigh_shapes_only_where_the_words_are_strange_to_the_network():
    shapes = torch.tensor([[1 - SHAPES_WRONG / 2, SHAPES_WRONG / 2]])
    pictures = torch.tensor([[-20.0, 20.0]])
    right, wrong = 1 - FUSION.pictures_wrong / 2, FUSION.pictures_wrong / 2
    both_known = with_pictures(pictures, shapes, torch.ones(2))
    expected = torch.tensor([[wrong * (1 - SHAPES_WRONG / 2), right * SHAPES_WRONG / 2]]).log()
    torch.testing.assert_close(both_known, expected)
    assert both_known.argmax(1).item() == 0
    assert with_pictures(pictures, shapes, torch.tensor([1.0, 0.0])).argmax(1).item() == 1


def test_a_room_in_colour_without_pictures_is_labelled(room):
    bare = Scene(room.points, room.colors, name="bare")
    texts = ["couch", "bookcase", "the wall", "floor", "dining table"]
    with pytest.warns(ScanwiseWarning, match="no pictures"):
        prepared = scanwise.prepare(bare)
    labels = prepared.label(texts)
    assert list(labels.facts["models"]) == ["shapes", "things"]
    low = bare.points[:, 2] < np.percentile(bare.points[:, 2], 2) + 0.03
    assert (labels.indices[low] == 3).mean() > 0.7
    with_views = scanwise.prepare(replace(bare, views=room.views), vision=ColourVision())
    assert with_views.shapes is not None
    np.testing.assert_array_equal(np.array(with_views.shapes.probabilities), np.array(prepared.shapes.probabilities))


def test_shapes_can_be_left_out(room):
    assert check_shapes("off", room) is None
    assert check_shapes(None, room) == SHIPPED
    assert check_shapes(None, replace(room, colors=None)) is None
    assert check_shapes(None, replace(room, points=room.points * 20)) is None
    bare = Scene(room.points[:100], room.colors[:100])
    with pytest.raises(InputError, match="has no pictures"):
        scanwise.prepare(bare, shapes="off").label(["wall", "floor"])


@pytest.mark.parametrize("weights", ["nothing-like-it", "no/such/run"])
def test_weights_that_are_not_there(room, weights):
    with pytest.raises(InputError, match=weights):
        check_shapes(weights, room)


@pytest.mark.filterwarnings("ignore:no pictures")
def test_weights_of_something_else(room):
    with pytest.raises(InputError, match="holds no segmenter"):
        scanwise.prepare(Scene(room.points[:100], room.colors[:100]), shapes=Path("dos-rooms-small"))


def test_normals_of_a_room_look_into_it():
    places = np.array([[0, 1, 1], [2, 1, 1], [1, 1, 0]], np.float32)
    normals = np.array([[-1, 0, 0], [-1, 0, 0], [0, 0, 1]], np.float32)
    assert inwards(places, normals).tolist() == [[1, 0, 0], [-1, 0, 0], [0, 0, 1]]
