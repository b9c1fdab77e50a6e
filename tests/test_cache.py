import os
import time

import numpy as np
import pytest

from scanwise import cache
from scanwise.errors import ScanwiseWarning


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "cache"))


def test_made_once_and_read_back():
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(5), "b": np.ones((2, 3), np.float16)}

    for _ in range(2):
        entry = cache.arrays("kind", "key", make)
        np.testing.assert_array_equal(entry["a"], np.arange(5))
        assert entry["b"].dtype == np.float16
    assert made == [1]


def test_a_damaged_entry_is_made_again():
    cache.save_arrays("kind", "key", {"a": np.arange(1000)})
    path = cache.cache_dir() / "kind" / "key" / "a.npy"
    path.write_bytes(path.read_bytes()[:200])
    assert cache.load_arrays("kind", "key") is None
    assert cache.arrays("kind", "key", lambda: {"a": np.arange(3)})["a"].tolist() == [0, 1, 2]


def test_the_entry_used_longest_ago_gives_way(monkeypatch):
    for name in ("old", "new", "newest"):
        cache.save_arrays("kind", name, {"a": np.zeros(1000)})
        os.utime(cache.cache_dir() / "kind" / name, (time.time(), {"old": 1, "new": 2}.get(name, 3)))
    cache.load_arrays("kind", "old")  # used just now
    monkeypatch.setenv("SCANWISE_CACHE_GB", "17e-6")
    cache.prune()
    assert sorted(path.name for path in (cache.cache_dir() / "kind").iterdir()) == ["newest", "old"]


def test_a_cache_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SCANWISE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(ScanwiseWarning, match="cannot be written"):
        assert cache.arrays("kind", "key", lambda: {"a": np.arange(3)})["a"].tolist() == [0, 1, 2]
