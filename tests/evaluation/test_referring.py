"""Metrics of referring, by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from scanwise.data.surface import Surface
from scanwise.evaluation.referring import (
    Prediction,
    SentenceResult,
    best_threshold,
    breakdown,
    evaluate_sentences,
    mask_iou,
    metrics,
    second_pass,
    unique_instances,
)
from scanwise.nn.sharpening import Sharpener
from scanwise.scene import Box, Scene
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
