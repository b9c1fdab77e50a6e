"""Corrections put into labels, masks edited, and what a head learns from them, on made scenes with known answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import scanwise
from scanwise.data.surface import Surface
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Scene
from scanwise.understand.corrected import corrected, known_words
from scanwise.understand.corrections import Correction, CorrectionStore
from scanwise.understand.editing import brush, grow, shrink, shrink_corrections, split_thing, thing_at
from scanwise.understand.gain import kept_apart, measured
from scanwise.understand.known import KnownScan, know, part_at
from scanwise.understand.labels import Labels
from scanwise.understand.learning import (
    Described,
    Learned,
    examples_of,
    fit,
    learn_head,
    trusted,
)
from scanwise.understand.objects import objects_in
from scanwise.understand.prepared import Prepared
from scanwise.understand.things import Things
from tests.box_on_floor import box_on_floor
from tests.worlds import ColourVision, corner_scene

WORDS = ["floor", "box"]


@pytest.fixture(scope="module")
def scene_and_box():
    return box_on_floor()


def labels_of(scene: Scene, box: np.ndarray) -> Labels:
    """Everything is called floor with .7: one object of it, and the box another."""
    scores = np.tile(np.array([0.7, 0.3], np.float32), (len(scene), 1))
    object_of = box.astype(np.int32)
    objects = objects_in(scene, object_of, scores, WORDS)
    return Labels(np.zeros(len(scene), np.int32), scores, WORDS, object_of, objects, scene, {"points": len(scene)})


# Applying


def test_no_correction_changes_nothing(scene_and_box):
    labels = labels_of(*scene_and_box)
    assert corrected(labels, []) is labels
    assert corrected(labels, [Correction("meant", scene_and_box[1], "the box")]) is labels


def test_a_thing_gets_its_word(scene_and_box):
    scene, box = scene_and_box
    before = labels_of(scene, box)
    found = corrected(before, [Correction("word", box, "Box", whole=True)])
    np.testing.assert_array_equal(found.indices, box.astype(int))
    np.testing.assert_array_equal(found.confidence[box], 1)
    np.testing.assert_allclose(found.confidence[~box], 0.7)
    assert sorted(each.name for each in found.objects) == ["box 1", "floor 1"]
    assert found.facts["corrections"] == {"count": 1, "points": int(box.sum())}
    assert not before.indices.any()
    assert before.scores[0, 0] == np.float32(0.7)


def test_new_words_come_last_and_later_corrections_overrule(scene_and_box):
    scene, box = scene_and_box
    said = [Correction("word", box, "parcel"), Correction("word", box, "crate"), Correction("word", ~box, "")]
    found = corrected(labels_of(scene, box), said)
    assert found.texts == ["floor", "box", "parcel", "crate"]
    np.testing.assert_array_equal(found.indices, np.where(box, 3, -1))
    assert not found.scores[~box].any()
    assert [each.name for each in found.objects] == ["crate 1"]
    known, words = known_words(said, len(scene))
    assert words == ["crate"]
    np.testing.assert_array_equal(known, np.where(box, 0, -1))


def test_things_are_merged_and_split(scene_and_box):
    scene, box = scene_and_box
    merged = corrected(labels_of(scene, box), [Correction("thing", np.ones(len(scene), bool), how="merge")])
    assert len(merged.objects) == 1
    half = box & (scene.points[:, 0] < 1)
    split = corrected(labels_of(scene, box), [Correction("thing", half, how="split")])
    assert sorted(len(each.place.rows) for each in split.objects) == sorted(
        [int((~box).sum()), int(half.sum()), int((box & ~half).sum())]
    )
    named = [Correction("word", half, "box"), Correction("thing", box, how="merge")]
    found = corrected(labels_of(scene, box), named)
    assert (found.indices[box] == 1).all(), "what a person said of half of it outweighs the votes of the rest"


def test_brushed_points_join_the_thing_that_they_touch(scene_and_box):
    scene, box = scene_and_box
    top = box & (scene.points[:, 2] > 0.4)
    start = [Correction("word", box & ~top, "box", whole=True)]
    found = corrected(labels_of(scene, box), [*start, Correction("word", top, "box", how="brush")])
    assert [each.name for each in found.objects if each.text == "box"] == ["box 1"]
    far = ~box & (scene.points[:, 0] < 0.3)
    apart = corrected(labels_of(scene, box), [*start, Correction("word", far, "box", how="brush")])
    assert [each.name for each in apart.objects if each.text == "box"] == ["box 1", "box 2"]


# Editing


@pytest.fixture(scope="module")
def surface(scene_and_box):
    return Surface(scene_and_box[0])


def test_grow_and_shrink_by_voxels(scene_and_box, surface):
    scene, _ = scene_and_box
    floor = scene.points[:, 2] < 0.01
    middle = floor & (np.abs(scene.points[:, :2] - 0.4) < 0.1).all(1)
    grown = grow(surface, middle, 2)
    x = scene.points[grown & floor, 0]
    assert (grown | ~middle).all()
    assert 0.24 <= x.min() <= 0.28
    assert 0.52 <= x.max() <= 0.56
    smaller = shrink(surface, middle)
    x = scene.points[smaller, 0]
    assert (middle | ~smaller).all()
    assert 0.31 <= x.min() <= 0.345
    assert 0.455 <= x.max() <= 0.49
    back = shrink(surface, grow(surface, middle))
    assert (back & middle).sum() >= 0.95 * middle.sum()
    assert back.sum() <= 1.3 * middle.sum()
    everything = np.ones(len(scene), bool)
    assert shrink(surface, everything).all(), "an open edge of a scan is no border"


def test_what_is_shrunk_away_goes_to_what_lies_beside(scene_and_box, surface):
    scene, box = scene_and_box
    labels = corrected(labels_of(scene, box), [Correction("word", box, "box", whole=True)])
    said = shrink_corrections(labels, surface, box)
    assert [each.text for each in said] == ["box", "floor"]
    found = corrected(labels, said)
    border = box & ~said[0].mask
    assert border.any()
    assert (found.indices[border] == 0).all()
    assert (scene.points[border, 2] < 0.08).all()
    with pytest.raises(InputError, match="nothing would be left"):
        shrink_corrections(labels, surface, np.arange(len(scene)) == len(scene) - 1)


def test_a_brush_reaches_as_far_as_it_says(scene_and_box):
    scene, _ = scene_and_box
    mask = brush(scene, np.array([[0.4, 0.4, 0.0], [0.5, 0.4, 0.0]]), 0.1)
    away = np.minimum(*(np.linalg.norm(scene.points - at, axis=1) for at in ([0.4, 0.4, 0], [0.5, 0.4, 0])))
    np.testing.assert_array_equal(mask, away <= 0.1)
    mm = replace(scene, to_source=np.diag([1000.0, 1000, 1000, 1]))
    np.testing.assert_array_equal(mask, brush(mm, np.array([[400, 400, 0], [500, 400, 0]]), 0.1))
    with pytest.raises(InputError, match="no point is under the brush"):
        brush(scene, np.array([[9, 9, 9]]), 0.1)


def test_a_thing_falls_into_its_pieces(scene_and_box):
    scene, box = scene_and_box
    prepared = Prepared(scene, up=None, shapes="off")
    everything = np.ones(len(scene), bool)
    pieces = split_thing(prepared, everything)
    assert len(pieces) > 1
    np.testing.assert_array_equal(np.sum(pieces, 0), 1)
    assert any(
        (piece & box).sum() > 0.1 * box.sum() and not (piece & ~box).sum() > 0.1 * piece.sum() for piece in pieces
    )
    assert thing_at(labels_of(scene, box), len(scene) - 1).sum() == box.sum()


# Learning


def two_parts(count: int) -> Things:
    return Things(np.arange(count, dtype=np.int32), np.zeros((0, 2), np.int64), np.zeros(0, np.float32), {})


def test_nothing_is_learned_from_what_is_right_already():
    things, features = two_parts(40), torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    logarithms = torch.log_softmax(torch.randn(40, 4, generator=torch.Generator().manual_seed(2)) * 4, 1)
    counts = np.concatenate([np.zeros((40, 4), int), np.ones((40, 1), int)], 1)
    found = [examples_of(things, features, logarithms, counts)]
    head = Learned(list("abcd"), *fit(found), "s", {})
    after = head(logarithms, list("abcd"), Described(features, "s", "c"))
    np.testing.assert_array_equal(after.argmax(1), logarithms.argmax(1))


def test_a_few_corrections_carry_to_what_is_alike_and_no_further():
    """Parts of feature +1 are a called b; a tenth of them is corrected."""
    random = torch.Generator().manual_seed(1)
    which = torch.arange(200) % 2 == 1
    features = torch.where(which[:, None], 1.0, -1.0) + 0.1 * torch.randn(200, 2, generator=random)
    logarithms = torch.tensor([[0.2, 0.7, 0.1]]).log().expand(200, 3)
    logarithms = torch.where(which[:, None], logarithms, torch.tensor([[0.1, 0.1, 0.8]]).log())
    counts = np.zeros((200, 4), int)
    counts[:, 3] = 1
    counts[1:40:2] = [100, 0, 0, 0]
    big = Things(np.repeat(np.arange(200), 300).astype(np.int32), np.zeros((0, 2), np.int64), np.zeros(0), {})
    made = examples_of(big, features, logarithms, counts)
    assert made.corrected == 20
    assert made.weights[1] == 1
    assert made.weights[0] == pytest.approx(0.8)
    torch.testing.assert_close(made.targets[1], torch.tensor([1.0, 0, 0]))
    head = Learned(["a", "b", "c"], *fit([made], pull=1.0), "s", {})
    after = head(logarithms, ["a", "b", "c"], Described(features, "s", "c"))
    assert (after.exp().sum(1) - 1).abs().max() < 1e-5
    assert (after[~which].argmax(1) == 2).all()
    assert after[which, 0].mean() > logarithms[which, 0].mean() + 0.1


def test_texts_that_were_not_learned_stay_as_they_are_beside_those_that_were():
    head = Learned(
        ["chair", "table"], torch.tensor([[1.0, -1.0]]), torch.zeros(2), torch.zeros(1), torch.ones(1), "s",
        {"seen": trusted(10**6)},
    )  # fmt: skip
    before = torch.tensor([[0.2, 0.2, 0.6]]).log()
    texts = ["the tables", "Chairs", "lamp"]
    after = head(before, texts, Described(torch.tensor([[1.0]]), "s", "other"))
    wanted = before + torch.tensor([[-1.0, 1.0, 0.0]])
    torch.testing.assert_close(after, wanted.log_softmax(1))
    torch.testing.assert_close(
        head(before, texts, Described(torch.tensor([[1.0]]), "another network", "other")), before
    )
    torch.testing.assert_close(head(before, texts, Described(torch.tensor([[1.0]]), "s", "seen")), before)


def test_a_head_is_kept_whole(tmp_path):
    head = Learned(
        ["a", "b"], torch.randn(3, 2), torch.randn(2), torch.zeros(3), torch.ones(3), "s", {"x": 0.5}, {"n": 1}
    )
    head.save(tmp_path / "head.ckpt")
    for again in (Learned.load(tmp_path), Learned.unpacked(head.packed(), "here")):
        torch.testing.assert_close(again.weight, head.weight)
        assert (again.words, again.kept, again.facts, again.source) == (["a", "b"], {"x": 0.5}, {"n": 1}, "s")
    with pytest.raises(InputError, match="damaged"):
        Learned.unpacked(head.packed()[:40], "here")
    with pytest.raises(InputError, match="nothing that was learned"):
        Learned.load(scanwise.understand.things.SHIPPED)


@pytest.fixture(scope="module")
def prepared():
    return Prepared(corner_scene(), up=None, vision=ColourVision(), shapes="off")


def test_learn_label_adopt_and_revert(prepared, tmp_path):
    scene, texts = prepared.scene, ["red", "green", "blue"]
    before = prepared.label(texts)
    wrong = Correction("word", before.indices == 0, "blue", how="click", whole=True)
    known, words = known_words([wrong], len(scene))
    learned = learn_head([(prepared, known)], words, texts=texts)
    assert learned.words[0] == "blue"
    assert set(learned.words) == set(texts)
    with CorrectionStore(tmp_path / "s.db", scene) as store:
        store.adopt(learned, {"why": "a test"})
        prepared.learned = store.learned()
        after = prepared.label(texts)
        assert after.scores[before.indices == 0, 2].mean() > before.scores[before.indices == 0, 2].mean()
        np.testing.assert_allclose(after.scores.sum(1), 1, rtol=1e-5)
        assert after.facts["learned"]["corrected_things"] >= 1
        assert store.revert() is None
        assert [(each["reverted"], each["facts"]["why"]) for each in store.history()] == [(True, "a test")]
        prepared.learned = store.learned()
        np.testing.assert_array_equal(prepared.label(texts).scores, before.scores)
    for wanted, given in (("no point has a known word", np.full(len(scene), -1)), ("5 known words", np.zeros(5, int))):
        with pytest.raises(InputError, match=wanted):
            learn_head([(prepared, given)], words, texts=texts)
    with pytest.raises(InputError, match="the only word"):
        learn_head([(prepared, known)], words)


def test_what_does_not_count_is_said(prepared):
    head = Learned(["cat", "dog"], torch.zeros(14, 2), torch.zeros(2), torch.zeros(14), torch.ones(14), "elsewhere", {})
    prepared.learned = head
    with pytest.warns(ScanwiseWarning, match="another 3D network"):
        prepared.label(["red", "green"])
    prepared.learned = replace(head, source=prepared.described.source)
    with pytest.warns(ScanwiseWarning, match="knows other words \\(cat, dog\\)"):
        prepared.label(["red", "green"])
    prepared.learned = None


# What is known


def test_known_from_copies_tables_and_stores(prepared, tmp_path):
    scene = prepared.scene
    labels = np.where(scene.points[:, 2] < 0.05, 0, np.where(scene.points[:, 0] < 0.05, 1, 2))
    copy = tmp_path / "copy.ply"
    scanwise.write_scene(replace(scene, labels=labels.astype(np.int32), classes=["floor", "wall", "unlabelled"]), copy)
    scan = KnownScan(tmp_path / "corner.ply", prepared)
    assert know([scan], [copy]) == ["floor", "wall"]
    np.testing.assert_array_equal(scan.known, np.where(labels == 2, -1, labels))
    spot = scene.points[1000]
    table = tmp_path / "points.csv"
    table.write_text("x,y,z,word\n{:f},{:f},{:f},crate\n9,9,9,crate\n".format(*spot))
    scan = KnownScan(tmp_path / "corner.ply", prepared)
    with pytest.warns(ScanwiseWarning, match="1 of 2 points have no word"):
        assert know([scan], [table]) == ["crate"]
    np.testing.assert_array_equal(scan.known == 0, part_at(prepared, spot))
    assert scan.known[1000] == 0
    assert not scan.reviewed
    with CorrectionStore(tmp_path / "corner.ply.corrections.db", scene) as store:
        store.add(Correction("word", labels == 1, "wall"))
    scan = KnownScan(tmp_path / "corner.ply", prepared)
    assert know([scan], []) == ["wall"]
    assert scan.reviewed
    np.testing.assert_array_equal(scan.known == 0, labels == 1)


def test_labels_that_fit_nothing_are_refused(prepared, tmp_path):
    scan = KnownScan(tmp_path / "x.ply", prepared)
    with pytest.raises(InputError, match="no point has a known word"):
        know([scan], [])
    with pytest.raises(InputError, match="no such file"):
        know([scan], [tmp_path / "none.csv"])
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="begins with the line x,y,z,word"):
        know([scan], [tmp_path / "bad.csv"])
    (tmp_path / "bad2.csv").write_text("x,y,z,word\n1,2,three,chair\n")
    with pytest.raises(InputError, match="line 2: x, y and z are numbers"):
        know([scan], [tmp_path / "bad2.csv"])
    box, _ = box_on_floor()
    scanwise.write_scene(replace(box, labels=np.zeros(len(box), np.int32), classes=["a"]), tmp_path / "other.ply")
    with pytest.raises(InputError, match="none of these scans"):
        know([scan], [tmp_path / "other.ply"])


def test_a_quarter_is_kept_apart_and_measured(prepared):
    scan = KnownScan(prepared.scene, prepared)
    things = prepared.things
    parts = things.of_voxel[prepared.surface.voxels.of_point]
    colours = np.abs(
        prepared.scene.colors.astype(int)[:, None] - np.array([[220, 30, 30], [30, 200, 40], [40, 60, 220]])
    )
    scan.known[prepared.surface.finite] = colours.sum(2).argmin(1)[prepared.surface.finite]
    fitted, tested = kept_apart([scan])
    if not (tested[0] >= 0).any():  # a corner has few things: parts of a word by themselves
        assert measured([scan], fitted, tested, ["red", "green", "blue"], []) == {}
        tested = [
            np.where(np.isin(np.arange(len(scan.known)), prepared.surface.finite[parts % 3 == 0]), scan.known, -1)
        ]
        fitted = [np.where(tested[0] >= 0, -1, scan.known)]
    assert not ((fitted[0] >= 0) & (tested[0] >= 0)).any()
    np.testing.assert_array_equal(np.maximum(fitted[0], tested[0]), scan.known)
    found = measured([scan], fitted, tested, ["red", "green", "blue"], [])
    assert found["shipped"]["accuracy"] > 0.9
    assert found["learned"]["accuracy"] >= found["shipped"]["accuracy"] - 0.02
    assert 0 < found["from scratch"]["accuracy"] <= 1
