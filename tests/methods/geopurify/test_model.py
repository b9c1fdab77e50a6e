"""GeoPurify's student on a corner of three plain colours: lessons, rates, choice of scenes, training, use."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import scanwise
from scanwise.data.datasets import Draw
from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.evaluation.probes import Frozen
from scanwise.formats import folder
from scanwise.geometry.neighbours import neighbour_table
from scanwise.methods.geopurify.data import Lessons, Studied, collate_lessons, make_lesson
from scanwise.methods.geopurify.evaluate import Noise, exam_of, marks, spoilt
from scanwise.methods.geopurify.model import (
    GeoPurify,
    GeoPurifyRecipe,
    choose_scenes,
    layer_groups,
    load_student,
    most_diverse,
    train,
)
from scanwise.methods.geopurify.network import contrast_pairs
from scanwise.methods.geopurify.student import Student, StudentConfig
from scanwise.nn.sparse import SparseTensor
from scanwise.scene import Scene
from scanwise.training.backbones import random_backbone
from scanwise.training.launch import make_fabric
from tests.worlds import COLOURS, ColourVision, corner_scene

CLASSES = ["red", "green", "blue"]
TINY = {"reduced": 3, "hidden": 8, "channels": 8, "blocks": 1, "crop": 2000, "anchors": 64, "val_scenes": 1}


def coloured(seed: int) -> Scene:
    """The corner, with its points moved by up to a centimetre and its colours as labels."""
    scene = corner_scene()
    points = scene.points + np.random.default_rng(seed).uniform(-0.01, 0.01, scene.points.shape)
    palette = np.array([COLOURS[name] for name in CLASSES])
    labels = np.abs(scene.colors[:, None].astype(int) - palette).sum(2).argmin(1)
    return replace(scene, points=points, labels=labels, classes=CLASSES, name=f"corner-{seed}")


@pytest.fixture(scope="module")
def teacher() -> Frozen:
    return random_backbone("tiny", 0.2, ("color", "normal"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("corners")
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            folder.write(coloured(10 * count + number), root / split / f"{number:04d}")
    return root


def recipe(data, **more) -> GeoPurifyRecipe:
    return GeoPurifyRecipe.model_validate(
        {"data": data, "batch": 2, "steps": 8, "scenes": 2, "validate_every": 4, "learning_rate": 0.01} | TINY | more
    )


@pytest.fixture(scope="module")
def run(data, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, train(recipe(data), out, make_fabric(device="cpu"), teacher=teacher, vision=ColourVision())


def studied(seed: int = 0, voxels: int = 4000) -> Studied:
    random = np.random.default_rng(seed)
    coords = np.unique(random.integers(0, 30, (voxels, 3)), axis=0).astype(np.int32)
    place = np.unique(coords // 5, axis=0, return_inverse=True)[1].reshape(-1)
    feats = random.normal(size=(place.max() + 1, 6)).astype(np.float16)
    inputs = random.normal(size=(len(coords), 12)).astype(np.float16)
    return Studied("cloud", coords, inputs, neighbour_table(coords, 24), feats, place)


def test_training_leaves_a_student_and_the_names_of_its_scenes(run, data):
    out, metrics = run
    assert {"score", "miou", "off", "geometry"} <= metrics.keys()
    assert metrics["off"] > 0.9
    assert metrics["miou"] > 0.9
    names = json.loads((out / "scenes.json").read_text())["scenes"]
    assert len(names) == 2
    assert all(name.startswith(str(data / "train")) for name in names)
    student = load_student(out)
    assert student.config == StudentConfig("colour", 4, 3, 8, 8, 1)
    assert student.basis.abs().sum() > 0


def test_labels_by_the_trained_student(run):
    scene = coloured(77)
    labels = scanwise.label(scene, CLASSES, vision=ColourVision(), purify=run[0])
    assert (labels.indices == scene.labels).mean() > 0.97
    others = {way: scanwise.label(scene, CLASSES, vision=ColourVision(), purify=way) for way in ("off", "geometry")}
    assert not np.allclose(labels.scores, others["off"].scores)
    assert not np.allclose(labels.scores, others["geometry"].scores)
    default = scanwise.label(scene, CLASSES, vision=ColourVision())
    np.testing.assert_array_equal(default.scores, others["geometry"].scores)


def test_a_student_of_another_2d_model_is_refused(run):
    other = ColourVision()
    other.name = "shades"
    with pytest.raises(InputError, match="features of colour, not of shades"):
        scanwise.prepare(coloured(77), vision=other, purify=run[0])


def test_a_changed_student_is_not_taken_from_the_cache(run, data, teacher, tmp_path):
    more = recipe(data, seed=2, steps=2)
    train(more, tmp_path, make_fabric(device="cpu"), teacher=teacher, vision=ColourVision())
    scene = coloured(77)
    first = scanwise.label(scene, CLASSES, vision=ColourVision(), purify=run[0])
    second = scanwise.label(scene, CLASSES, vision=ColourVision(), purify=tmp_path)
    assert not np.array_equal(first.scores, second.scores)


def test_the_shipped_student_gives_way_to_geometry_for_another_2d_model(run, monkeypatch, tmp_path):
    monkeypatch.setattr("scanwise.training.checkpoints.SHIPPED", tmp_path)
    with pytest.raises(InputError, match="no student is shipped"):
        scanwise.prepare(coloured(77), vision=ColourVision(), purify="learned")
    monkeypatch.setattr("scanwise.understand.purification.DEFAULT_PURIFY", str(run[0]))
    other = ColourVision()
    other.name = "shades"
    with pytest.warns(ScanwiseWarning, match="does not know features of shades"):
        labels = scanwise.label(coloured(77), CLASSES, vision=other)
    by_geometry = scanwise.label(coloured(77), CLASSES, vision=other, purify="geometry")
    np.testing.assert_array_equal(labels.scores, by_geometry.scores)


@pytest.mark.parametrize("purify", ["learnt", "no/such.ckpt"])
def test_no_such_student(purify):
    with pytest.raises(InputError, match="no such student"):
        scanwise.prepare(coloured(1), vision=ColourVision(), purify=purify)


def test_without_labels_it_is_chosen_by_the_loss_on_other_anchors(teacher, tmp_path):
    for split in ("train", "val"):
        folder.write(replace(coloured(3), labels=None, classes=None), tmp_path / "data" / split / "one")
    settings = recipe(tmp_path / "data", scenes=1, batch=1, steps=10, validate_every=5, reduced=0)
    found = train(settings, tmp_path / "out", make_fabric(device="cpu"), teacher=teacher, vision=ColourVision())
    assert found["score"] == -found["val_loss"]
    assert found["val_loss"] < np.log(64) + 1
    assert load_student(tmp_path / "out").config.vision == ""


def test_rates_of_the_three_layers(data):
    settings = recipe(data)
    model = GeoPurify(settings, StudentConfig("", 0, 0, 8, 4, 2))
    groups = layer_groups(model.student, settings)
    rate = {id(parameter): group["scale"] for group in groups for parameter in group["params"]}
    names = {name: rate[id(parameter)] for name, parameter in model.named_parameters()}
    assert {name: value for name, value in names.items() if value == 0.1}.keys() == {
        "student.network.stem.weight", "student.network.norm.weight", "student.network.norm.bias",
    }  # fmt: skip
    assert [name for name, value in names.items() if value == 5.0] == ["student.network.head.weight"]
    assert all(value == 1.0 for name, value in names.items() if ".blocks." in name)
    assert len(names) == 3 + 1 + 2 * 6


def test_one_scene_of_each_kind_is_chosen():
    kinds = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    random = np.random.default_rng(0)
    summaries = np.repeat(kinds, [20, 3, 7, 2], axis=0) + random.normal(0, 0.3, (32, 2))
    chosen = most_diverse(summaries, 4, seed=0)
    assert np.unique(np.repeat(np.arange(4), [20, 3, 7, 2])[chosen]).tolist() == [0, 1, 2, 3]
    assert chosen == most_diverse(summaries, 4, seed=0)


def test_as_many_scenes_as_there_are_even_if_they_are_all_the_same(teacher):
    assert len(set(most_diverse(np.ones((5, 3)), 3, seed=1))) == 3
    with pytest.raises(InputError, match="pool of 2"):
        choose_scenes([None, None], teacher, 3)


def test_a_lesson_has_one_voxel_of_each_place_and_anchors_with_all_neighbours():
    whole = studied()
    lesson = make_lesson(whole, 1500, 50, np.random.default_rng(4))
    assert len(lesson) == 1500
    rows = {tuple(row): place for row, place in zip(whole.coords.tolist(), whole.place, strict=True)}
    places = np.array([rows[tuple(row)] for row in lesson.coords.tolist()])
    assert sorted(places[lesson.among]) == sorted(set(places))
    assert len(lesson.anchors) == 50
    assert set(lesson.anchors.tolist()) <= set(lesson.among.tolist())
    near = lesson.neighbours[lesson.anchors]
    assert (near >= 0).all()
    expected = whole.coords[whole.neighbours]
    index = {tuple(row): number for number, row in enumerate(whole.coords.tolist())}
    for anchor in lesson.anchors[:5].tolist():
        own = index[tuple(lesson.coords[anchor].tolist())]
        np.testing.assert_array_equal(lesson.coords[lesson.neighbours[anchor]].numpy(), expected[own])
    np.testing.assert_array_equal(lesson.teacher.numpy(), whole.teacher[places])


def test_positives_and_macro_negatives_are_of_other_places():
    lesson = make_lesson(studied(), 0, 40, np.random.default_rng(1))
    positive, negative = contrast_pairs(
        lesson.teacher, lesson.neighbours, lesson.anchors, among=lesson.among, macro=5, micro=3
    )
    unit = torch.nn.functional.normalize(lesson.teacher, dim=1)
    cosine = unit[lesson.anchors] @ unit[lesson.among].T
    cosine[lesson.anchors[:, None] == lesson.among] = np.nan
    best = np.nanargmax(cosine.numpy(), 1)
    assert torch.equal(positive, lesson.among[best])
    least = torch.argsort(torch.nan_to_num(cosine, nan=9), 1)[:, :5]
    assert torch.equal(negative[:, :5], lesson.among[least])
    assert (negative[:, 5:, None] == lesson.neighbours[lesson.anchors][:, None]).any(2).all()


def test_a_batch_of_two_has_the_mean_of_both_losses(data):
    torch.manual_seed(0)
    model = GeoPurify(recipe(data), StudentConfig("", 0, 3, 8, 8, 1)).eval()
    lessons = Lessons([studied(0), studied(1)], 0, 64)
    both = [lessons[Draw(place, (7, place))] for place in range(2)]
    with torch.no_grad():
        losses = [float(model.training_step(collate_lessons(part), 0.0)["loss"]) for part in (both[:1], both[1:], both)]
    assert losses[2] == pytest.approx(np.mean(losses[:2]), rel=1e-4)


def test_a_scene_in_slabs_is_embedded_as_in_one():
    torch.manual_seed(0)
    student = Student(StudentConfig("", 0, 3, 8, 5, 2)).eval()
    cloud = studied(3)
    coords = cloud.coords * np.array([1, 1, 4], np.int32) // np.array([1, 1, 2], np.int32)
    coords = np.unique(coords, axis=0)
    inputs = torch.randn(len(coords), 12)
    whole = student(SparseTensor(torch.from_numpy(coords), inputs, torch.zeros(len(coords), dtype=torch.long)))
    torch.testing.assert_close(student.embed(coords, inputs, most=900), whole.detach(), rtol=1e-4, atol=1e-5)


def test_true_labels_in_place_of_a_2d_model_label_nearly_everything(run):
    scene, student = coloured(5), load_student(run[0])
    clean = exam_of(scene, student, ColourVision(), noise=Noise("flip", 0.0))
    assert marks([clean], "off").metrics()["miou"] > 0.9  # not all, as edges hide a part
    flipped = exam_of(scene, student, ColourVision(), noise=Noise("flip", 0.5))
    off, geometry = (marks([flipped], way).metrics()["miou"] for way in ("off", "geometry"))
    assert off < 0.85
    assert geometry > off + 0.1
    assert len(flipped.scores) == len(Surface(scene))


def test_noise_spoils_what_it_says():
    random = np.random.default_rng(0)
    labels = np.repeat([[0, 1, -1]], 60, axis=0).repeat(20, axis=1)
    objects = labels.copy()
    flipped = spoilt(labels, objects, 3, Noise("flip", 0.6), random)
    assert (flipped.argmax(0).numpy() != labels)[:, :40].mean() == pytest.approx(0.4, abs=0.05)  # a third are their own
    assert flipped[:, :, 40:].sum() == 0
    regions = [spoilt(labels, objects, 3, Noise("region", 0.6), random).argmax(0).numpy() for _ in range(200)]
    assert all(len(np.unique(region[:, :20])) == 1 for region in regions)
    assert np.mean([region[0, 0] != 0 for region in regions]) == pytest.approx(0.4, abs=0.12)
    blurred = spoilt(labels, objects, 3, Noise("blur", 4.0), random)
    assert blurred[0, 30, 5] == pytest.approx(1, abs=1e-3)
    assert blurred[0, 30, 19] + blurred[1, 30, 19] == pytest.approx(1, abs=1e-3)
    assert 0.5 < blurred[0, 30, 19] < 0.7


@pytest.mark.parametrize("text", ["flip", "flip:2", "swap:0.1", "blur:-1", "region:x"])
def test_noise_that_is_none(text):
    with pytest.raises(InputError, match="--noise"):
        Noise.parse(text)
