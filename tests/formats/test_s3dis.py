"""S3DIS rooms, written by the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.registry import read_scene


@pytest.fixture
def room(tmp_path: Path) -> Path:
    place = tmp_path / "Area_5" / "hallway_6"
    (place / "Annotations").mkdir(parents=True)
    (place / "Annotations" / "chair_1.txt").write_text("1.5 2 3 10 20 30\n1.5 2 4 10 20 30\n")
    (place / "Annotations" / "chair_10.txt").write_text("5 5 5 1 2 3\n")
    (place / "Annotations" / "chair_2.txt").write_text("4 5 5 1 2 3\n")
    (place / "Annotations" / "stairs_1.txt").write_text("0 0 0 255 255 255\n")
    (place / "hallway_6.txt").write_text("0 0 0 255 255 255\n")
    return place


def test_a_room_is_its_annotations(room: Path) -> None:
    scene = read_scene(room)
    assert scene.name == "Area_5_hallway_6"
    assert len(scene) == 5
    assert [scene.classes[k] for k in scene.labels] == ["chair"] * 4 + ["clutter"]
    assert scene.instances.tolist() == [0, 0, 1, 2, 3]
    assert scene.points[2:4, 0].tolist() == [4, 5]
    assert scene.colors[0].tolist() == [10, 20, 30]
    assert scene.boxes[0].center == (1.5, 2, 3.5)
    assert scene.boxes[3].name == "stairs"


def test_the_broken_line_is_repaired(room: Path) -> None:
    (room / "Annotations" / "chair_1.txt").write_bytes(b"1.5 2 3 10 20 30\n1.5 2 4 185\x10187 30\n")
    with pytest.warns(ScanwiseWarning, match="line 2 has a character"):
        scene = read_scene(room)
    np.testing.assert_array_equal(scene.colors[1], [185, 187, 30])


def test_a_character_within_a_number_is_dropped(room: Path) -> None:
    (room / "Annotations" / "chair_1.txt").write_bytes(b"1.5 2 3 10 20 30\n1.5 2 4 18\x105 187 30\n")
    with pytest.warns(ScanwiseWarning, match="line 2 has a character"):
        scene = read_scene(room)
    np.testing.assert_array_equal(scene.colors[1], [185, 187, 30])


@pytest.mark.parametrize("text", ["1 2 3 4 5\n", "1 2 3 4 5 6 7\n", "1 2 3 4 5 6-\n"])
def test_damage_is_one_line(room: Path, text: str) -> None:
    (room / "Annotations" / "chair_1.txt").write_text(text)
    with pytest.raises(InputError, match=r"chair_1\.txt: "):
        read_scene(room)
