"""Poses as text: every way that recorders write them, and every way that says that tracking was lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.poses import pose_of, read_pose
from scanwise.formats.recording import find_file, posed

POSE = np.array([[0.0, -1, 0, 1.5], [1, 0, 0, -2.25], [0, 0, 1, 0.125], [0, 0, 0, 1]])
ROWS = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in POSE)


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        ROWS.replace("\n", " "),
        ROWS.replace("\n", " ").replace(" ", ","),
        ROWS.replace(" ", "; "),
        ROWS.replace(".", ","),
        "# camera to world\n" + ROWS,
        "\n".join(ROWS.splitlines()[:3]),
        "[[" + ROWS.replace(" ", ", ").replace("\n", "],\n[") + "]]",
        ROWS.replace("\n", "\r\n") + "\r\n\r\n",
        "\n".join(ROWS.split()),
    ],
)
def test_ways_to_write_a_pose(tmp_path: Path, text: str) -> None:
    (tmp_path / "pose.txt").write_text(text)
    np.testing.assert_allclose(read_pose(tmp_path / "pose.txt"), POSE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" ".join(["-1.#INF"] * 16), "not finite"),
        (" ".join(["1.#QNAN"] * 16), "not finite"),
        (" ".join(["-nan(ind)"] * 16), "not finite"),
        (" ".join(["nan"] * 16), "not finite"),
        (ROWS.replace("1.500000", "inf"), "not finite"),
        (" ".join(["0"] * 16), "all zeros"),
        ("0 0 0 0\n0 0 0 0\n0 0 0 0\n0 0 0 1", "all zeros"),
        ("", "an empty file"),
        ("\n \n", "an empty file"),
        ("INVALID", "'INVALID' is not a number"),
        ("1 2 3", "has 3 numbers"),
        (ROWS.replace("-1.000000", "-2.000000"), "not rigid"),
        (ROWS.replace("-1.000000", "1.000000"), "not rigid"),
        ("\n".join(" ".join(map(str, row)) for row in POSE.T), "transposed"),
    ],
)
def test_what_is_no_pose_says_why(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "pose.txt").write_text(text)
    assert reason in read_pose(tmp_path / "pose.txt")


def test_no_file_is_no_pose(tmp_path: Path) -> None:
    assert read_pose(tmp_path / "pose.txt") == "no pose"


@pytest.mark.parametrize("given", [POSE, POSE[:3], POSE.ravel().tolist(), POSE[:3].ravel().tolist()])
def test_shapes_of_a_pose(given: object) -> None:
    np.testing.assert_allclose(pose_of(given), POSE)


@pytest.mark.parametrize("given", [None, "pose", [[1, 2], [3]], {"a": 1}, [[None] * 4] * 4])
def test_what_is_no_matrix(given: object) -> None:
    assert isinstance(pose_of(given), str)


def test_reasons_are_counted_and_the_first_of_each_is_named(tmp_path: Path) -> None:
    frames = [
        ("a", POSE),
        ("b", "its pose is not rigid"),
        ("c", POSE),
        ("d", "its pose is not rigid"),
        ("e", "no pose"),
    ]
    with pytest.warns(
        ScanwiseWarning, match=r"3 of 5 frames left out \(2, such as b: its pose is not rigid; e: no pose"
    ):
        assert [name for name, _ in posed(frames, tmp_path)] == ["a", "c"]


def test_most_frames_damaged_is_an_error(tmp_path: Path) -> None:
    frames = [("a", POSE), ("b", "its pose is not rigid"), ("c", "its pose is all zeros")]
    with pytest.raises(
        InputError, match=r"2 of 3 frames cannot be used \(b: its pose is not rigid; c: its pose is all"
    ):
        posed(frames, tmp_path)


def test_most_frames_without_a_pose_is_none(tmp_path: Path) -> None:
    with pytest.warns(ScanwiseWarning, match="2 of 3 frames left out"):
        assert len(posed([("a", POSE), ("b", "no pose"), ("c", "no pose")], tmp_path)) == 1


@pytest.mark.parametrize(
    "name", ["images/a.jpg", "images\\a.jpg", ".\\images\\a.jpg", "C:\\Users\\me\\room\\images\\a.jpg",
             "/home/me/room/images/a.jpg", "../room/images/a.jpg", "images/a"],
)  # fmt: skip
def test_files_are_found_however_they_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"a picture")
    assert find_file(tmp_path, name, (".png", ".jpg")).samefile(tmp_path / "images" / "a.jpg")
    assert find_file(tmp_path, name + "x", (".png", ".jpg")) is None
