"""What was computed once and may be needed again, under the user's cache folder, keyed by content.

`SCANWISE_CACHE` names another folder. Nothing in it is precious, and it never costs a run: entries that are damaged or
missing are made again, the oldest give way when the whole exceeds `SCANWISE_CACHE_GB` (10), and where nothing can be
kept the work goes on without. Several processes may share it: an entry appears whole, by one rename, and disappears by
one, so that whoever reads at that moment finds it or does not.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import hashlib
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import OutputError, ScanwiseWarning
from scanwise.files import disk_is_full, replacing_folder

GIGABYTES = 10.0  # that are kept at most, where SCANWISE_CACHE_GB does not say
UNFINISHED = 3600.0  # seconds after which an entry that was begun and not ended is taken to be nobody's
_ANOTHER_WAS_FASTER = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)
_UNITS = {"": 1e9, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SIZE = re.compile(r"(\d*\.?\d+(?:e[+-]?\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_OURS = re.compile(r"[0-9a-f]{32}|\d{6}|\.scanwise-.*")  # names of entries: keys, numbers of pictures, unfinished ones


def cache_dir() -> Path:
    """The folder that holds everything cached; a temporary one where the user's cannot be written."""
    return _writable(_wanted())


def _wanted() -> Path | None:
    """Where the user's cache belongs; None where neither the environment nor the system knows a home."""
    try:
        if chosen := os.environ.get("SCANWISE_CACHE"):
            return Path(chosen).expanduser()
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / "scanwise" / "cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "scanwise"
        named = os.environ.get("XDG_CACHE_HOME")
        return (Path(named) if named else Path.home() / ".cache") / "scanwise"
    except RuntimeError:  # no HOME, and a user whom the system does not know, as in many a container
        return None


@functools.cache
def _writable(wanted: Path | None) -> Path:
    if wanted is None:
        _note("no home folder, so nothing is kept for the next time")
        return _temporary(Path("scanwise-cache"))
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError as error:
        _note(f"the cache {wanted} cannot be written ({error.strerror}), so nothing is kept for the next time")
    return _temporary(wanted)


def _temporary(otherwise: Path) -> Path:
    """A folder for this run alone; `otherwise`, where nothing can be kept, on a machine that has no room for one."""
    try:
        temporary = tempfile.mkdtemp(prefix="scanwise-cache-")
    except OSError:
        return otherwise
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _note(text: str) -> None:
    warnings.warn(f"{text}; SCANWISE_CACHE=FOLDER names another place", ScanwiseWarning, stacklevel=3)


_kept: set[Path] = set()


def kept() -> Path | None:
    """The folder, where something of this run stays in it for the next one."""
    wanted = _wanted()
    return wanted if wanted in _kept else None


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
        names = sorted(os.listdir(folder))
        found = {Path(name).stem: np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in names}
        os.utime(folder)
        return found if found and sorted(os.listdir(folder)) == names else None
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # never there, just removed, or another user's
        return None
    except (OSError, ValueError, EOFError):
        _remove(folder)
        return None


def save_arrays(kind: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Stores an entry whole; a cache that cannot be written is no reason to lose the result.

    Args:
        kind: of entries.
        key: of the entry.
        arrays: by name.
    """
    folder = cache_dir()
    try:
        with replacing_folder(folder / kind / key) as place:
            for name, array in arrays.items():
                np.save(place / f"{name}.npy", array)
        _kept.add(folder)
    except OutputError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno not in _ANOTHER_WAS_FASTER:
            reason = "the disk is full" if disk_is_full(cause) else cause.strerror or cause
            _note(f"the cache {folder} cannot be written ({reason}), so not all is kept for the next time")
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


@dataclass(frozen=True)
class Part:
    """The entries of one kind.

    Attributes:
        name: of the kind.
        entries: how many there are.
        size: bytes of them all.
    """

    name: str
    entries: int
    size: int


def parts() -> list[Part]:
    """What the cache holds, the largest kind first."""
    sizes: dict[str, list[int]] = {}
    for entry in _entries():
        sizes.setdefault(entry.parent.name, []).append(_size(entry))
    found = [Part(name, len(each), sum(each)) for name, each in sizes.items()]
    return sorted(found, key=lambda part: (-part.size, part.name))


def clear() -> None:
    """Removes every entry; what else is in the folder, such as the user's furniture, stays."""
    for entry in _entries():
        _remove(entry)
        with contextlib.suppress(OSError):
            entry.parent.rmdir()


def prune() -> None:
    """Removes the entries used longest ago until the cache is within its limit."""
    entries = [(_used(entry), _size(entry), entry) for entry in _entries()]
    total, limit = sum(size for _, size, _ in entries), limit_bytes()
    for _, size, entry in sorted(entries, key=lambda item: item[0]):
        if total <= limit:
            return
        _remove(entry)
        total -= size


def limit_bytes() -> float:
    """Bytes that the cache holds at most: `SCANWISE_CACHE_GB`, in gigabytes or with a unit ("500 MB")."""
    said = os.environ.get("SCANWISE_CACHE_GB", "").strip()
    understood = _SIZE.fullmatch(said.replace(",", "."))
    if understood:
        return float(understood[1]) * _UNITS[understood[2].upper()]
    if said:
        text = f'SCANWISE_CACHE_GB="{said}" is no size, so the cache holds up to {GIGABYTES:g} GB; write 5 or "500 MB"'
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
    return GIGABYTES * 1e9


def _entries() -> list[Path]:
    """The folders of all entries, but for those that a run is writing just now.

    What else there is is left alone: SCANWISE_CACHE may name a folder that has a use of its own.
    """
    found = [entry for kind in _listed(cache_dir()) for entry in _listed(kind) if _OURS.fullmatch(entry.name)]
    begun = time.time() - UNFINISHED
    return [entry for entry in found if entry.is_dir() and not (entry.name.startswith(".") and _used(entry) > begun)]


def _listed(folder: Path) -> list[Path]:
    """What is in a folder just now; another process may take it away at any moment."""
    try:
        return [folder / name for name in os.listdir(folder)]
    except OSError:
        return []


def _used(entry: Path) -> float:
    """When an entry was last used, seconds; 0 where it is gone."""
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def _size(entry: Path) -> int:
    """Bytes of the files in a folder; of those that are gone, none."""
    total = 0
    for folder, _, files in os.walk(entry):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _remove(entry: Path) -> None:
    """Takes an entry away by one rename, and then its files, so that nobody finds a part of it."""
    aside = entry.with_name(f".scanwise-old-{secrets.token_hex(8)}")
    with contextlib.suppress(OSError):
        entry = entry.rename(aside)
    shutil.rmtree(entry, ignore_errors=True)
