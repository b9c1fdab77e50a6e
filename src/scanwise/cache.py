"""What was computed once and may be needed again, under the user's cache folder, keyed by content.

`SCANWISE_CACHE` names another folder. Nothing in it is precious: entries that are damaged or missing are made
again, and the oldest give way when the whole exceeds `SCANWISE_CACHE_GB` (10).
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from scanwise.errors import OutputError, ScanwiseWarning
from scanwise.files import replacing_folder


def cache_dir() -> Path:
    """The folder that holds everything cached; a temporary one where the user's cannot be written."""
    return _writable(_wanted())


def _wanted() -> Path:
    if chosen := os.environ.get("SCANWISE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "scanwise" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "scanwise"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "scanwise"


@functools.cache
def _writable(wanted: Path) -> Path:
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError as error:
        warnings.warn(
            f"the cache {wanted} cannot be written ({error.strerror}), so nothing is kept for the next time; "
            "SCANWISE_CACHE=FOLDER names another place",
            ScanwiseWarning,
            stacklevel=2,
        )
    temporary = tempfile.mkdtemp(prefix="scanwise-cache-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def key_of(*parts: str) -> str:
    """A short name for the combination of these strings."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def load_arrays(kind: str, key: str) -> dict[str, np.ndarray] | None:
    """The arrays of an entry, memory-mapped, or None when there is no whole one.

    Args:
        kind: of entries.
        key: of the entry, as of `key_of`.
    """
    folder = cache_dir() / kind / key
    try:
        arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in folder.glob("*.npy")}
    except (OSError, ValueError, EOFError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    if arrays:
        os.utime(folder)
    return arrays or None


def save_arrays(kind: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Stores an entry whole; a cache that cannot be written is no reason to lose the result.

    Args:
        kind: of entries.
        key: of the entry.
        arrays: by name.
    """
    try:
        with replacing_folder(cache_dir() / kind / key) as folder:
            for name, array in arrays.items():
                np.save(folder / f"{name}.npy", array)
    except OutputError:
        return
    prune()


def arrays(kind: str, key: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The entry's arrays, made and stored when they are not there yet.

    Args:
        kind: of entries.
        key: of the entry.
        make: makes the arrays.
    """
    found = load_arrays(kind, key)
    if found is None:
        found = make()
        save_arrays(kind, key, found)
    return found


def prune() -> None:
    """Removes the entries used longest ago until the cache is within its limit."""
    limit = float(os.environ.get("SCANWISE_CACHE_GB", "10")) * 1e9
    entries = [
        (entry.stat().st_mtime, sum(file.stat().st_size for file in entry.rglob("*")), entry)
        for entry in cache_dir().glob("*/*")
        if entry.is_dir()
    ]
    total = sum(size for _, size, _ in entries)
    for _, size, entry in sorted(entries, key=lambda item: item[0]):
        if total <= limit:
            return
        shutil.rmtree(entry, ignore_errors=True)
        total -= size
