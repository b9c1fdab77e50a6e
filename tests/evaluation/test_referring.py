"""Metrics of referring, by hand."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing

from scanwise.data.surface import Surface
from scanwise.evaluation.referring import (
    Prediction,
    SentenceResult,
    best_threshold,
    breakdown,
    evaluate_sentences,
    failures,
    mask_iou,
    metrics,
    second_pass,
    unique_instances,
)
from scanwise.formats import folder
from scanwise.nn.sharpening import Sharpener
from scanwise.scene import Box, Referral, Scene
from tests.rooms_with_sentences import TEXTS, room, write_rooms


def test_iou_and_the_official_fallback() -> None:
    scores = np.zeros(8000)
    scores[:4] = (0.9, 0.8, 0.4, 0.6)
    target = np.zeros(8000, bool)
    target[:3] = True
    assert mask_iou(scores, target) == pytest.approx(2 / 4)
    assert mask_iou(scores, target, fallback=True) == pytest.approx(3 / 5000)
    assert mask_iou(np.zeros(8000), target) == 0


def test_metrics_by_hand() -> None:
    results = [
        SentenceResult(0.6, 0.9, True, True, "the lamp"),
        SentenceResult(0.3, 0.8, True, False, "the chair next to the large table in the corner"),
        SentenceResult(0.0, 0.2, True, False, "the chair left of the desk"),
        SentenceResult(0.0, 0.1, False, None, "the piano"),
        SentenceResult(0.0, 0.7, False, None, "the boat"),
    ]
    result = metrics(results)
    assert result["miou"] == pytest.approx(0.3)
    assert result["acc25"] == pytest.approx(2 / 3)
    assert result["acc50"] == pytest.approx(1 / 3)
    assert result["unique_miou"] == pytest.approx(0.6)
    assert result["multiple_miou"] == pytest.approx(0.15)
    assert result["found"] == pytest.approx(2 / 3)
    assert result["not_here"] == pytest.approx(0.5)
    parts = breakdown(results)
    assert parts["near"]["miou"] == pytest.approx(0.3)
    assert parts["view"]["sentences"] == 1
    assert parts["no relation"]["miou"] == pytest.approx(0.6)
    assert parts["7-12 words"]["sentences"] == 1


def test_the_threshold_parts_best() -> None:
    def results(here: list[float], absent: list[float]) -> list[SentenceResult]:
        return [SentenceResult(0, p, True, None, "a") for p in here] + [
            SentenceResult(0, p, False, None, "a") for p in absent
        ]

    assert 0.3 < best_threshold(results([0.9, 0.6], [0.3, 0.1])) < 0.6
    assert best_threshold(results([0.9], [])) == 0.5
    hard = results([0.8, 0.2], [0.5, 0.1])
    assert metrics(hard, best_threshold(hard))["balanced"] == pytest.approx(0.75)


def test_unique_by_class_of_points_or_name_of_box() -> None:
    points = np.zeros((4, 3), np.float32)
    scene = Scene(points, labels=np.array([1, 1, 1, 2]), instances=np.array([0, 0, 1, 2]))
    assert unique_instances(scene) == {0: False, 1: False, 2: True}
    boxes = [Box(number, name, (0, 0, 0), (1, 1, 1)) for number, name in enumerate(("chair", "chair", "sofa"))]
    assert unique_instances(Scene(points, boxes=boxes)) == {0: False, 1: False, 2: True}


def test_all_sentences_of_a_scene_are_asked_at_once(tmp_path: Path) -> None:
    data = write_rooms(tmp_path, val=2)
    asked = []

    def knowing(scene: Scene, texts: Sequence[str]) -> list[Prediction]:
        """The red block for every sentence."""
        asked.append(list(texts))
        assert scene.instances is not None
        red = (scene.instances == 0).astype(np.float32)
        return [Prediction(red, 0.9 if "block" in text else 0.1) for text in texts]

    found = evaluate_sentences(knowing, [data / "val" / "0000", data / "val" / "0001"])
    assert asked == [TEXTS[:3], TEXTS[:3]]
    assert [each.iou for each in found.sentences] == [1, 0, 0, 1, 0, 0]
    assert [each.here for each in found.sentences] == [True, True, False] * 2
    assert [each.unique for each in found.sentences[:3]] == [False, False, None]
    assert len(found.seconds) == len(found.cpu_seconds) == 2
    timing = found.timing()
    assert timing["seconds_a_scene"] == pytest.approx(3 * timing["seconds_a_sentence"])
    assert metrics(found.sentences)["balanced"] == 1


def test_the_second_pass_keeps_the_piece_of_the_surest_point() -> None:
    scene = room()
    assert scene.instances is not None
    red, blue = scene.instances == 0, scene.instances == 1
    scores = np.where(red, 0.8, np.where(blue, 0.7, 0.1)).astype(np.float32)
    sharpen = Sharpener(Surface(scene), 0.1)
    one = second_pass(sharpen, "the block", Prediction(scores, 0.9))
    assert (one.scores[red] > 0.5).mean() > 0.9
    assert (one.scores[blue] <= 0.5).all()
    assert one.scores[blue].max() > 0.25  # still a runner-up
    assert one.presence == 0.9
    several = second_pass(sharpen, "all blocks", Prediction(scores, 0.9, several=scores))
    assert several.several is not None
    assert (several.several[red | blue] > 0.5).mean() > 0.9
    nothing = np.zeros(len(scene), np.float32)
    assert (second_pass(sharpen, "the block", Prediction(nothing, 0.1)).scores == 0).all()


def test_the_second_pass_is_measured(tmp_path: Path) -> None:
    root = write_rooms(tmp_path, test=1)

    def predict(scene: Scene, texts: Sequence[str]) -> list[Prediction]:
        assert scene.instances is not None
        return [Prediction((0.6 + 0.1 * (scene.instances == 1)).astype(np.float32), 1.0)] * len(texts)

    raw, refined = (
        evaluate_sentences(predict, [root / "test" / "0000"], reach=reach).sentences for reach in (0.0, 0.1)
    )
    assert refined[1].iou != raw[1].iou


def test_failures_by_hand() -> None:
    def here(iou: float, presence: float, unique: bool | None, right: bool, name: bool | None) -> SentenceResult:
        return SentenceResult(iou, presence, True, unique, "a", right, False, name, 0.8)

    results = [
        here(0.6, 0.9, True, True, True),
        here(0.4, 0.5, False, True, True),
        here(0.1, 0.5, False, False, True),
        SentenceResult(0.0, 0.3, True, False, "a", False, True, False, 0.6),
        here(0.2, 0.8, None, False, None),
        SentenceResult(0.0, 0.1, False, None, "a", absence="kind"),
        SentenceResult(0.0, 0.4, False, None, "a", absence="kind"),
        SentenceResult(0.0, 0.5, False, None, "a", absence="attribute"),
    ]
    found = failures(results)
    assert found["all"] == pytest.approx(
        {"object_right": 2 / 5, "name_right": 3 / 4, "nothing": 1 / 5, "iou_when_right": 0.5, "ceiling": 0.76,
         "sentences": 5}
    )  # fmt: skip
    assert found["unique"] == pytest.approx(
        {"object_right": 1, "name_right": 1, "nothing": 0, "iou_when_right": 0.6, "ceiling": 0.8, "sentences": 1}
    )
    assert found["multiple"]["object_right"] == pytest.approx(1 / 3)
    assert found["multiple"]["name_right"] == pytest.approx(2 / 3)
    assert found["multiple"]["iou_when_right"] == pytest.approx(0.4)
    assert found["presence"] == pytest.approx(
        {"auc": (5 + 4 + 3) / 15, "sentences": 3, "kind_auc": (5 + 4) / 10, "kind_sentences": 2,
         "attribute_auc": (2 + 2 / 2) / 5, "attribute_sentences": 1}
    )  # fmt: skip
    assert "iou_when_right" not in failures(results[2:4])["all"]
    assert "presence" not in failures(results[:5])
    assert failures([]) == {}


def test_failures_of_a_scene_are_taken_apart(tmp_path: Path) -> None:
    data = write_rooms(tmp_path, val=1)

    def knowing(scene: Scene, texts: Sequence[str]) -> list[Prediction]:
        """Half of the red block and a tenth of the blue one, whatever is asked for."""
        assert scene.instances is not None
        scores = np.zeros(len(scene), np.float32)
        scores[np.flatnonzero(scene.instances == 0)[:200]] = 0.9
        scores[np.flatnonzero(scene.instances == 1)[:40]] = 0.9
        return [Prediction(scores, 0.9)] * len(texts)

    red, blue, lamp = evaluate_sentences(knowing, [data / "val" / "0000"]).sentences
    assert (red.object_right, red.name_right, red.nothing, red.absence) == (True, True, False, "")
    assert red.iou == pytest.approx(200 / 440)
    assert (blue.object_right, blue.name_right, blue.nothing) == (False, True, False)
    assert (lamp.object_right, lamp.name_right, lamp.ceiling, lamp.absence) == (None, None, None, "kind")
    assert red.ceiling is None  # not asked for

    def blind(scene: Scene, texts: Sequence[str]) -> list[Prediction]:
        return [Prediction(np.zeros(len(scene), np.float32), 0.9)] * len(texts)

    red, blue, _ = evaluate_sentences(blind, [data / "val" / "0000"]).sentences
    assert (red.object_right, red.name_right, red.nothing) == (blue.object_right, blue.name_right, blue.nothing)
    assert (red.object_right, red.name_right, red.nothing) == (False, False, True)


def test_the_ceiling_is_that_of_the_true_mask_in_voxels(tmp_path: Path) -> None:
    """One row of points, 0.1 m apart; voxels of 0.3 m hold three of them each, and the object is five."""
    points = np.column_stack([0.1 * np.arange(12) + 0.05, np.zeros(12), np.zeros(12)])
    points[11] = np.nan
    instances = np.array([-1, -1, 0, 0, 0, 0, 0, -1, -1, 1, -1, 1])
    scene = Scene(points, instances=instances, sentences=[Referral("it", 0), Referral("that", 1)], name="row")
    folder.write(scene, tmp_path / "row")

    def none(scene: Scene, texts: Sequence[str]) -> list[Prediction]:
        return [Prediction(np.zeros(len(scene), np.float32), 0.9)] * len(texts)

    found = evaluate_sentences(none, [tmp_path / "row"], voxel=0.3).sentences
    assert found[0].ceiling == pytest.approx(3 / 5)  # of 2 3 4 5 6 the voxel of 3 4 5 has all, the others one of three
    assert found[1].ceiling == 0  # one of two, and a point that is nowhere
    assert evaluate_sentences(none, [tmp_path / "row"], voxel=0.1).sentences[0].ceiling == 1


def found_in(data: Path, rank: int, world: int) -> list[dict[str, dict[str, float]]]:
    """What a process says of three rooms, of which it has answered its share."""

    def guessing(scene: Scene, texts: Sequence[str]) -> list[Prediction]:
        generator = np.random.default_rng(len(scene.name) + int(1000 * scene.points[0, 0]))
        return [Prediction(generator.random(len(scene), np.float32), generator.random()) for _ in texts]

    fabric = SimpleNamespace(global_rank=rank, world_size=world)
    paths = [data / "val" / f"{number:04d}" for number in range(3)]
    sentences = evaluate_sentences(guessing, paths, fabric, voxel=0.1).sentences  # type: ignore[arg-type]
    return [failures(sentences), {"all": metrics(sentences)}, dict(breakdown(sentences))]


def answer(rank: int, world: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    torch.save(found_in(Path(folder), rank, world), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_say_what_one_does(tmp_path: Path) -> None:
    write_rooms(tmp_path, val=3)
    multiprocessing.spawn(answer, (2, str(tmp_path)), nprocs=2)
    alone = found_in(tmp_path, 0, 1)
    assert alone[0]["all"]["sentences"] == 6
    for rank in range(2):
        for here, there in zip(torch.load(tmp_path / f"{rank}.pt"), alone, strict=True):
            assert here.keys() == there.keys()
            for name, values in there.items():
                assert here[name] == pytest.approx(values)
