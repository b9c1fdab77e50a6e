"""`prepare` and `label` on a corner whose floor and walls have plain colours."""

import numpy as np
import pytest
import torch

import scanwise
from scanwise import cache
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Scene
from scanwise.understand.labels import check_texts
from tests.worlds import COLOURS, ColourVision, corner_scene

NAMES = ["red", "green", "blue"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))


def truth(scene: Scene) -> np.ndarray:
    palette = np.array([COLOURS[name] for name in NAMES])
    return np.abs(scene.colors[:, None].astype(int) - palette).sum(2).argmin(1)


def test_every_point_gets_the_word_of_its_colour():
    scene = corner_scene()
    labels = scanwise.label(scene, NAMES, vision=ColourVision())
    assert (labels.indices == truth(scene)).mean() > 0.98
    assert labels.scores.shape == (len(scene), 3)
    np.testing.assert_allclose(labels.scores.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(labels.scores.argmax(1), labels.indices)
    np.testing.assert_array_equal(labels.confidence, labels.scores.max(1))


def test_asking_again_uses_the_cache_and_gives_the_same():
    scene, vision = corner_scene(), ColourVision()
    first = scanwise.label(scene, NAMES, vision=vision)
    assert vision.encoded == 3
    again = scanwise.label(corner_scene(), NAMES, vision=vision)
    assert vision.encoded == 3
    np.testing.assert_array_equal(first.scores, again.scores)
    other = scanwise.label(corner_scene(), ["green", "red"], vision=vision)
    assert vision.encoded == 3
    floor = truth(scene) == 1
    assert (other.indices[floor] == 0).mean() > 0.98
    assert not list(cache.cache_dir().glob("maps-*"))


def test_a_changed_picture_is_another_scene():
    scene, vision = corner_scene(), ColourVision()
    scanwise.label(scene, NAMES, vision=vision)
    scene.views[0].image[0, 0] = 7
    scanwise.label(scene, NAMES, vision=vision)
    assert vision.encoded == 6


def test_an_interrupted_run_goes_on_where_it_stopped():
    class Interrupted(ColourVision):
        def encode_image(self, image):
            if self.encoded == 2:
                raise KeyboardInterrupt
            return super().encode_image(image)

    with pytest.raises(KeyboardInterrupt):
        scanwise.label(corner_scene(), NAMES, vision=Interrupted())
    vision = ColourVision()
    resumed = scanwise.label(corner_scene(), NAMES, vision=vision)
    assert vision.encoded == 1
    unbroken = scanwise.label(corner_scene(), NAMES, vision=ColourVision())
    np.testing.assert_array_equal(resumed.scores, unbroken.scores)


def test_without_a_cache_that_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "file" / "x"))
    with pytest.warns(ScanwiseWarning, match="cannot be written"):
        labels = scanwise.label(corner_scene(), NAMES, vision=ColourVision())
    assert (labels.indices == truth(corner_scene())).mean() > 0.98


def test_rows_that_are_not_finite_stay_and_are_unlabelled():
    scene = corner_scene()
    points = scene.points.copy()
    points[5], points[17, 1] = np.nan, np.inf
    scene = Scene(points, scene.colors, views=scene.views)
    labels = scanwise.label(scene, NAMES, vision=ColourVision())
    assert labels.indices[[5, 17]].tolist() == [-1, -1]
    assert (labels.scores[[5, 17]] == 0).all()
    assert (np.delete(labels.indices, [5, 17]) >= 0).all()


def test_without_colours_it_goes_on_and_says_what_that_costs():
    scene = corner_scene()
    scene = Scene(scene.points, views=scene.views)
    with pytest.warns(ScanwiseWarning, match="no colours"):
        labels = scanwise.label(scene, NAMES, vision=ColourVision())
    assert (labels.indices == truth(corner_scene())).mean() > 0.97


@pytest.mark.filterwarnings("ignore:no colours")
@pytest.mark.parametrize("count", [1, 2])
def test_clouds_of_one_and_two_points(count):
    points = np.array([[0.5, 3.0, 1.0], [0.5, 2.0, 0.0]])[:count]
    labels = scanwise.label(Scene(points, views=corner_scene().views), NAMES, vision=ColourVision())
    assert labels.indices[0] == 0


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (Scene(np.zeros((0, 3))), "no point"),
        (Scene(np.full((4, 3), np.nan)), "no point"),
        (Scene(np.zeros((4, 3))), "has no pictures"),
        (Scene(np.full((4, 3), 90.0), views=corner_scene().views), "no picture sees any point"),
    ],
)
@pytest.mark.filterwarnings("ignore:no colours")
def test_scenes_that_cannot_be_labelled(scene, message):
    with pytest.raises(InputError, match=message):
        scanwise.label(scene, NAMES, vision=ColourVision())


def test_texts_are_trimmed_and_duplicates_dropped():
    with pytest.warns(ScanwiseWarning, match="more than once"):
        assert check_texts([" tea  cup", "wall", "tea cup"]) == ["tea cup", "wall"]
    with pytest.warns(ScanwiseWarning, match="every point"):
        assert check_texts(["wall"]) == ["wall"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [([], "give 1 to"), (["wall", " "], "text 2 of 2 is empty"), (["x" * 10_000], "10000 characters"), ("a,b", "list")],
)
def test_texts_that_cannot_be_asked(texts, message):
    with pytest.raises(InputError, match=message):
        check_texts(texts)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_gives_the_same_labels():
    on_cpu = scanwise.prepare(corner_scene(), vision=ColourVision(), device="cpu").label(NAMES)
    cache_free = scanwise.prepare(corner_scene(), vision=ColourVision(), device="cuda").label(NAMES)
    np.testing.assert_allclose(on_cpu.scores, cache_free.scores, atol=1e-4)
