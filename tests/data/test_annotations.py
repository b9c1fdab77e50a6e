"""Annotations: what is written comes back, whole lines alone, and scenes to train on come out."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scanwise
from scanwise.data.annotations import AnnotatedScene, Annotation, annotated_scenes, append, read
from scanwise.errors import InputError
from scanwise.scene import Scene


@settings(max_examples=20, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=70), st.text(min_size=1).filter(lambda text: text.split()))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, bits: list[bool], text: str) -> None:
    path = tmp_path_factory.mktemp("a") / "ours.jsonl"
    append(Annotation(path.parent / "scan.ply", text, np.array(bits)), path)
    (found,) = read(path)
    assert found.mask.tolist() == bits
    assert found.text == " ".join(text.split()).encode("utf-8", "replace").decode()
    assert found.scene.resolve() == (path.parent / "scan.ply").resolve()


def test_lines_are_added_and_a_broken_end_is_not_glued_to(tmp_path: Path) -> None:
    path, one = tmp_path / "ours.jsonl", Annotation(tmp_path / "s.ply", "the cup", np.array([True, False]))
    append(one, path)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(Annotation(one.scene, "the pot", one.mask), path)
    assert [each.text for each in read(path)] == ["the cup", "the pot"]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"scene": "s.ply", "text": "a", "points": 9, "mask": "eJw="}', '{"scene": "s.ply"}']
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ours.jsonl"
    append(Annotation(tmp_path / "s.ply", "the cup", np.array([True])), path)
    with path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(InputError, match="line 2: not an annotation"):
        read(path)


def test_empty_sentences_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empty"):
        append(Annotation(tmp_path / "s.ply", "  ", np.array([True])), tmp_path / "ours.jsonl")
    assert not (tmp_path / "ours.jsonl").exists()
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no annotations"):
        read(tmp_path / "none.jsonl")


def test_masks_that_overlap_become_scenes_of_their_own(tmp_path: Path) -> None:
    scene, path = tmp_path / "s.ply", tmp_path / "ours.jsonl"
    scanwise.write_scene(Scene(np.random.default_rng(0).random((6, 3))), scene)
    chair, seat = np.arange(6) < 3, np.arange(6) < 2
    for text, mask in (
        ("chair", chair),
        ("the chair", chair),
        ("seat", seat),
        ("pot", ~chair),
        ("piano", chair & ~chair),
    ):
        append(Annotation(scene, text, mask), path)
    first, second = (each.read() for each in annotated_scenes(path))
    assert [(each.text, each.instance) for each in first.sentences] == [
        ("chair", 0), ("the chair", 0), ("pot", 1), ("piano", -1),
    ]  # fmt: skip
    assert first.instances is not None
    assert first.instances.tolist() == [0, 0, 0, 1, 1, 1]
    assert second.instances is not None
    assert second.instances.tolist() == [0, 0, -1, -1, -1, -1]


def test_a_scan_that_changed_is_refused(tmp_path: Path) -> None:
    scanwise.write_scene(Scene(np.zeros((4, 3))), tmp_path / "s.ply")
    annotated = AnnotatedScene(tmp_path / "s.ply", (Annotation(tmp_path / "s.ply", "cup", np.ones(5, bool)),))
    with pytest.raises(InputError, match="has 4 points, but was annotated with 5"):
        annotated.read()
