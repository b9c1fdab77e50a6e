"""PTX: scans with their poses, beams without a return, and headers that promise more than follows."""

from __future__ import annotations

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.registry import read_scene

POSE = "0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
UNIT = "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"
MOVED = "0 1 0 0\n-1 0 0 0\n0 0 1 0\n10 20 30 1\n"  # x becomes y, y becomes -x, then moved


def scan(rows: list[str], matrix: str = UNIT, size: str = "") -> str:
    return (size or f"{len(rows)}\n1\n") + POSE + matrix + "".join(f"{row}\n" for row in rows)


def read(tmp_path, content: str):
    (tmp_path / "a.ptx").write_text(content)
    return read_scene(tmp_path / "a.ptx")


def test_one_scan(tmp_path):
    scene = read(tmp_path, scan(["1 2 3 0.5 255 0 9", "4 5 6 0.25 0 1 2"]))
    assert scene.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert scene.intensity.tolist() == [0.5, 0.25]
    assert scene.colors.tolist() == [[255, 0, 9], [0, 1, 2]]
    assert scene.attributes == {}


@pytest.mark.parametrize("matrix", [MOVED, "0 -1 0 10\n1 0 0 20\n0 0 1 30\n0 0 0 1\n"])
def test_scans_are_brought_together_by_their_poses(tmp_path, matrix):
    content = scan(["1 2 3 0.5", "0 0 0 0.5"]) + scan(["1 0 0 0.25"], matrix)
    with pytest.warns(ScanwiseWarning, match="2 scans are put together by their poses; 1 beams without a return"):
        scene = read(tmp_path, content)
    assert scene.points.tolist() == [[1, 2, 3], [10, 21, 30]]
    assert scene.attributes["scan"].tolist() == [0, 1]


def test_a_scan_far_away_keeps_its_precision(tmp_path):
    far = "1 0 0 0\n0 1 0 0\n0 0 1 0\n412345.125 5412345.5 0 1\n"
    scene = read(tmp_path, scan(["0.001 0.5 1 0.5", "2 2 2 0.5"], far))
    assert np.abs(scene.points).max() < 10
    assert scene.points_in_source().tolist() == [[412345.126, 5412346.0, 1], [412347.125, 5412347.5, 2]]


def test_a_scan_that_breaks_off(tmp_path):
    with pytest.warns(ScanwiseWarning, match="9 beams are promised, 1 follow"):
        assert len(read(tmp_path, scan(["1 2 3 0.5"], size="3\n3\n"))) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1 2 3\n4 5 6\n", "does not begin with a PTX header"),
        (scan(["1 2 3 0.5", "1 2 3"]), "line 12 is not 4 numbers"),
        (scan(["1 2 3 0.5", "1 2 3 x"]), "line 12 is not 4 numbers"),
        (scan(["1 2 3"]), "line 11: has 3 numbers"),
        (scan(["1 2 3 4"], "1 0 0\n" * 4), "line 7: a pose"),
        ("2\n2\n", "line 7: a pose"),
        ("", "PTX header"),
    ],
)
def test_damage_is_one_line(tmp_path, content, words):
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
