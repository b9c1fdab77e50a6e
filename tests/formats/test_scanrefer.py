"""ScanRefer files, written by the test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError
from scanwise.formats.scanrefer import read_scanrefer, with_sentences
from scanwise.scene import Referral, Scene


def entry(scene: str, number: str, text: str) -> dict[str, object]:
    words = {"object_name": "chair", "ann_id": "0", "token": text.split()}
    return {"scene_id": scene, "object_id": number, "description": text} | words


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ScanRefer_filtered_val.json"
    entries = [entry("scene0011_00", "1", "the brown chair"), entry("scene0011_01", "0", "a desk")]
    path.write_text(json.dumps([*entries, entry("scene0011_00", "0", "the desk by the door")]))
    return path


def room(instances: list[int] | None) -> Scene:
    return Scene(np.zeros((3, 3)), instances=None if instances is None else np.array(instances), name="scene0011_00")


def test_sentences_reach_their_scene(path: Path) -> None:
    scene = with_sentences(room([0, 1, -1]), read_scanrefer(path))
    assert scene.sentences == [Referral("the brown chair", 1), Referral("the desk by the door", 0)]


def test_other_scenes_stay_as_they_are(path: Path) -> None:
    scene = Scene(np.zeros((1, 3)), name="elsewhere")
    assert with_sentences(scene, read_scanrefer(path)) is scene


@pytest.mark.parametrize(("instances", "said"), [(None, "no instances"), ([0, 0, -1], "object 1")])
def test_objects_that_are_not_there(path: Path, instances: list[int] | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_sentences(room(instances), read_scanrefer(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [("[", "damaged JSON"), ("{}", "a list"), ('[{"scene_id": "a"}]', "entry 0"), ("[3]", "entry 0")],
)
def test_damage_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=said):
        read_scanrefer(tmp_path / "a.json")
