"""Corrections kept beside a scan: undo and redo, two at once, kill -9, other people's files."""

import random
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanwise.errors import InputError
from scanwise.scene import Scene
from scanwise.understand.corrections import Correction, CorrectionStore, store_path


def line_of_points(count: int = 10) -> Scene:
    return Scene(np.column_stack([np.arange(count), np.zeros(count), np.zeros(count)]), name="line")


def mask(*rows: int, count: int = 10) -> np.ndarray:
    result = np.zeros(count, bool)
    result[list(rows)] = True
    return result


@pytest.fixture
def store(tmp_path):
    with CorrectionStore(tmp_path / "line.ply.corrections.db", line_of_points()) as opened:
        yield opened


def texts(store: CorrectionStore) -> list[str]:
    return [each.text for each in store.corrections()]


def test_what_was_added_is_read_back(store):
    before = time.time()
    said = store.add(Correction("word", mask(1, 2), "  office   chair ", how="click", whole=True, author="ann"))
    assert said.id == 1 and before <= said.created <= time.time()
    (found,) = store.corrections()
    np.testing.assert_array_equal(found.mask, mask(1, 2))
    assert (found.kind, found.text, found.how, found.whole, found.author) == (
        "word", "office chair", "click", True, "ann",
    )  # fmt: skip
    assert (found.id, found.created, found.points, len(found)) == (1, said.created, 2, 10)


def test_undo_and_redo(store):
    for word in ("a", "b", "c"):
        store.add(Correction("word", mask(0), word))
    assert store.undo().text == "c" and store.undo().text == "b"
    assert texts(store) == ["a"]
    assert store.redo().text == "b"
    store.add(Correction("word", mask(1), "d"))
    assert texts(store) == ["a", "b", "d"]
    assert not store.can_redo() and store.redo() is None
    for word in ("d", "b", "a"):
        assert store.can_undo() and store.undo().text == word
    assert not store.can_undo() and store.undo() is None


def test_undo_of_one_author_leaves_the_others(store):
    store.add(Correction("word", mask(0), "hers", author="ann"))
    store.add(Correction("word", mask(1), "his", author="bob"))
    assert store.undo("ann").text == "hers"
    assert texts(store) == ["his"]
    store.add(Correction("word", mask(2), "more", author="bob"))
    assert store.can_redo("ann") and not store.can_redo("bob")
    store.redo("ann")
    assert texts(store) == ["hers", "his", "more"]


@given(st.lists(st.sampled_from(["add", "undo", "redo"]), max_size=25))
def test_it_does_as_a_list_and_a_stack_do(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("store") / "s.db"
    with CorrectionStore(path, line_of_points()) as store:
        inside, undone = list[str](), list[str]()
        for number, step in enumerate(steps):
            if step == "add":
                store.add(Correction("word", mask(0), f"w{number}"))
                inside, undone = [*inside, f"w{number}"], []
            elif step == "undo":
                found = store.undo()
                assert (None if found is None else found.text) == (inside[-1] if inside else None)
                undone += inside[-1:]
                inside = inside[:-1]
            else:
                found = store.redo()
                assert (None if found is None else found.text) == (undone[-1] if undone else None)
                inside += undone[-1:]
                undone = undone[:-1]
            assert texts(store) == inside
    with CorrectionStore(path, line_of_points()) as again:
        assert texts(again) == inside
        assert again.can_redo() == bool(undone)


def test_the_revision_grows_with_changes_of_others_too(store):
    seen = [store.revision]
    with CorrectionStore(store.path, line_of_points()) as other:
        other.add(Correction("word", mask(3), "x"))
        seen.append(store.revision)
        other.undo()
        seen.append(store.revision)
    assert seen == sorted(set(seen))


def test_several_threads_and_stores_at_once(store):
    def work(number: int) -> None:
        with CorrectionStore(store.path, line_of_points()) as own:
            for place in range(8):
                own.add(Correction("word", mask(place), f"{number}-{place}"))
                store.add(Correction("word", mask(place), f"{number}+{place}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = {f"{number}{sign}{place}" for number in range(4) for sign in "-+" for place in range(8)}
    assert set(texts(store)) == wanted and len(texts(store)) == len(wanted)


SESSION = """
import sys
from pathlib import Path
from scanwise.understand.corrections import Correction, CorrectionStore
from tests.understand.test_corrections import line_of_points, mask
with CorrectionStore(Path(sys.argv[1]), line_of_points()) as store:
    start = len(store.corrections())
    for number in range(start, 10**6):
        store.add(Correction("word", mask(number % 10), f"w{number}"))
        print(number, flush=True)
        if number % 7 == 6:
            store.undo()
            store.redo()
"""


def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path):
    path, acknowledged = tmp_path / "s.db", -1
    moments = random.Random(1)
    for _ in range(3):
        acknowledged = max(acknowledged, killed_after(path, moments.uniform(0.02, 0.15)))
        with CorrectionStore(path, line_of_points()) as store:
            found = texts(store)
            assert found == [f"w{number}" for number in range(len(found))]
            assert len(found) + store.can_redo() > acknowledged


def killed_after(path, seconds: float) -> int:
    """Number of the last correction that a session acknowledged before it was killed."""
    session = subprocess.Popen([sys.executable, "-c", SESSION, str(path)], stdout=subprocess.PIPE, text=True)
    assert session.stdout is not None
    said = [session.stdout.readline()]
    threading.Timer(seconds, session.kill).start()
    said += session.stdout.readlines()
    session.wait()
    return max(int(line) for line in said if line.endswith("\n"))


def test_sentences_are_found_again_by_what_they_say(store):
    store.add(Correction("meant", mask(1), "the chair by the window"))
    store.add(Correction("meant", mask(4, 5), "The  chair by the window"))
    store.add(Correction("meant", mask(), "the piano"))
    np.testing.assert_array_equal(store.meant("the chair by the Window"), mask(4, 5))
    assert not store.meant("the piano").any()
    assert store.meant("the table") is None


def test_what_is_no_correction_is_refused():
    for kind, marked, text, said in [
        ("wrd", mask(1), "x", "of the kind"), ("word", mask(), "chair", "no point"), ("thing", mask(), "", "no point"),
        ("thing", mask(1), "chair", "no word of its own"), ("meant", mask(1), "", "empty"),
        ("word", mask(1), "x" * 501, "501 characters"), ("word", mask(1), "not the sofa", "not what they are not"),
        ("word", np.zeros((2, 2), bool), "x", "truth value"), ("word", np.arange(3), "x", "truth value"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=said):
            Correction(kind, marked, text)


def test_a_store_is_of_one_scan(store, tmp_path):
    with pytest.raises(InputError, match="10 points for a scan|another scan, of 10 points"):
        CorrectionStore(store.path, line_of_points(11))
    moved = line_of_points()
    moved.points[3] += 0.5
    with pytest.raises(InputError, match="whose points lie elsewhere"):
        CorrectionStore(store.path, moved)
    with pytest.raises(InputError, match="9 points for a scan of 10"):
        store.add(Correction("word", mask(1, count=9), "x"))
    turned = replace(line_of_points(), to_source=np.diag([2.0, 2, 2, 1]), source_points=line_of_points().points)
    CorrectionStore(store.path, turned).close()  # the same file, read another way


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "text.db").write_text("this is no database, but long enough to be looked at " * 20)
    with pytest.raises(InputError, match="no store of corrections"):
        CorrectionStore(tmp_path / "text.db", line_of_points())
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine (a)")
    other.commit()
    other.close()
    with pytest.raises(InputError, match="something else"):
        CorrectionStore(tmp_path / "other.db", line_of_points())
    names = sqlite3.connect(tmp_path / "other.db").execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("mine",)]


def test_it_lies_beside_the_scan_or_in_the_cache(tmp_path, monkeypatch):
    scan = tmp_path / "room.ply"
    assert store_path(scan) == tmp_path / "room.ply.corrections.db"
    monkeypatch.setattr("scanwise.understand.corrections._can_write", lambda folder: False)
    away = store_path(scan)
    assert away.parent.name == "corrections" and away == store_path(scan)
    with CorrectionStore(away, line_of_points()) as store:
        store.add(Correction("word", mask(1), "x"))
    from scanwise import cache

    cache.clear()
    assert away.exists()


def test_how_the_scan_was_read_is_kept(tmp_path):
    path = tmp_path / "s.db"
    CorrectionStore(path, line_of_points(), scan=tmp_path / "line.ply", up="y", unit="mm", columns=["x", "y"]).close()
    with CorrectionStore(path, line_of_points()) as store:
        assert store.read == {"scan": str(tmp_path / "line.ply"), "up": "y", "unit": "mm", "columns": ["x", "y"]}
