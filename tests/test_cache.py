import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from scanwise import cache
from scanwise.errors import ScanwiseWarning

KEY = cache.key_of("key")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_home(monkeypatch):
    """A user of whom neither the environment nor the system knows a home."""

    def fail(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("SCANWISE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", fail)
    monkeypatch.setattr(Path, "expanduser", fail)
    cache._writable.cache_clear()
    yield
    cache._writable.cache_clear()


def three() -> dict[str, np.ndarray]:
    return {"a": np.arange(3)}


def test_made_once_and_read_back():
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(5), "b": np.ones((2, 3), np.float16)}

    for _ in range(2):
        entry = cache.arrays("kind", KEY, make)
        np.testing.assert_array_equal(entry["a"], np.arange(5))
        assert entry["b"].dtype == np.float16
    assert made == [1]


def test_a_damaged_entry_is_made_again():
    cache.save_arrays("kind", KEY, {"a": np.arange(1000)})
    path = cache.cache_dir() / "kind" / KEY / "a.npy"
    path.write_bytes(path.read_bytes()[:200])
    assert cache.load_arrays("kind", KEY) is None
    assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]


def test_the_entry_used_longest_ago_gives_way(monkeypatch):
    names = {name: cache.key_of(name) for name in ("old", "new", "newest")}
    for number, key in enumerate(names.values(), 1):
        cache.save_arrays("kind", key, {"a": np.zeros(1000)})
        os.utime(cache.cache_dir() / "kind" / key, (number, number))
    cache.load_arrays("kind", names["old"])  # used just now
    monkeypatch.setenv("SCANWISE_CACHE_GB", "17e-6")
    cache.prune()
    left = sorted(path.name for path in (cache.cache_dir() / "kind").iterdir())
    assert left == sorted([names["old"], names["newest"]])


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("", 10e9), ("5", 5e9), ("5 GB", 5e9), ("500MB", 5e8), ("0.5gb", 5e8), ("1,5 G", 1.5e9), ("2 TiB", 2e12),
        (" 700 kB ", 7e5), ("0", 0), ("17e-6", 17e3), (".5", 5e8),
    ],
)  # fmt: skip
def test_its_limit_may_have_a_unit(said, size, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE_GB", said)
    assert cache.limit_bytes() == pytest.approx(size)


@pytest.mark.parametrize("said", ["five", "-3", "5 bananas", "1.2.3 GB", "nan", "GB"])
def test_a_limit_that_is_none_is_told_and_costs_nothing(said, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE_GB", said)
    with pytest.warns(ScanwiseWarning, match=r"SCANWISE_CACHE_GB=.* is no size, so the cache holds up to 10 GB"):
        assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]


def test_a_cache_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(ScanwiseWarning, match="cannot be written"):
        assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), OSError("800 requested and 96 written")])
def test_a_disk_that_is_full_is_told_and_loses_nothing(fault, monkeypatch):
    def full(*_: object) -> None:
        raise fault

    monkeypatch.setattr(np, "save", full)
    with pytest.warns(ScanwiseWarning, match=r"cannot be written \(the disk is full\), so not all is kept"):
        assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]


def test_a_user_without_a_home_goes_without(no_home):
    with pytest.warns(ScanwiseWarning, match="no home folder"):
        assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]
    assert cache.load_arrays("kind", KEY) is not None  # for this run


def test_a_named_folder_needs_no_home(no_home, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_dir() == tmp_path / "xdg" / "scanwise"


def test_no_room_anywhere_is_no_reason_to_stop(tmp_path, monkeypatch):
    def nowhere(*_: object, **__: object) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "file" / "nowhere"))
    monkeypatch.setattr(cache.tempfile, "mkdtemp", nowhere)
    with pytest.warns(ScanwiseWarning, match="cannot be written"):
        assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]


def test_what_other_processes_remove_meanwhile_is_missing_and_no_error(monkeypatch):
    """Each step at which another process may have been faster: listing, reading, measuring, marking as used."""
    for step in ("listdir", "utime", "lstat"):
        cache.save_arrays("kind", KEY, {"a": np.arange(3), "b": np.arange(4)})
        usual = getattr(os, step)

        def first_removed(path, *rest, usual=usual):
            found = usual(path, *rest) if usual.__name__ == "listdir" else None
            shutil.rmtree(cache.cache_dir() / "kind", ignore_errors=True)
            return found if found is not None else usual(path, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(cache.os, step, first_removed)
            assert cache.load_arrays("kind", KEY) is None or step == "lstat"
            cache.prune()
        assert cache.arrays("kind", KEY, three)["a"].tolist() == [0, 1, 2]
        cache.clear()


def test_an_entry_of_which_a_part_was_seen_is_none(monkeypatch):
    cache.save_arrays("kind", KEY, {"a": np.arange(3), "b": np.arange(4)})
    seen = iter([["a.npy"], ["a.npy", "b.npy"]])
    monkeypatch.setattr(cache.os, "listdir", lambda path: next(seen))
    assert cache.load_arrays("kind", KEY) is None


def test_several_at_once_on_a_cache_that_holds_next_to_nothing(monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE_GB", "20e-6")
    failed = []

    def work(number: int) -> None:
        generator = np.random.default_rng(number)
        try:
            for _ in range(30):
                value = int(generator.integers(6))
                made = {"a": np.full(1000, value), "b": np.full(10, value)}
                found = cache.arrays("kind", cache.key_of(str(value)), lambda made=made: made)
                assert found["a"][7] == found["b"][7] == value
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed


def test_nothing_but_entries_is_counted_or_cleared(tmp_path):
    cache.save_arrays("lifted", KEY, {"a": np.zeros(1000)})
    cache.save_arrays("maps-0", "000001", {"a": np.zeros(10)})
    ours = tmp_path / "cache"
    for path in ("furniture/Tiny.sh3f", "photos/holiday/1.jpg", "notes.txt"):
        (ours / path).parent.mkdir(parents=True, exist_ok=True)
        (ours / path).write_text("mine")
    assert [(part.name, part.entries) for part in cache.parts()] == [("lifted", 1), ("maps-0", 1)]
    assert cache.parts()[0].size > 8000
    cache.clear()
    assert cache.parts() == []
    left = sorted(path.relative_to(ours).as_posix() for path in ours.rglob("*") if path.is_file())
    assert left == ["furniture/Tiny.sh3f", "notes.txt", "photos/holiday/1.jpg"]


def test_an_entry_that_is_being_written_is_left_alone(tmp_path):
    for name, age in (("begun", 0), ("left", 2 * cache.UNFINISHED)):
        folder = tmp_path / "cache" / "kind" / f".scanwise-{name}"
        folder.mkdir(parents=True)
        changed = folder.stat().st_mtime - age
        os.utime(folder, (changed, changed))
    cache.clear()
    assert [path.name for path in (tmp_path / "cache" / "kind").iterdir()] == [".scanwise-begun"]
