"""Which scans are meant: one, or those of a folder, a glob or a list; and what each one's results are called."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanwise.errors import InputError

_MAGIC = "*?["


@dataclass(frozen=True)
class Scan:
    """One of many scans.

    Attributes:
        path: of the scan.
        name: of its folder of results, below that of all.
        size: bytes of its files.
        key: changes when the scan's files or the question do.
    """

    path: Path
    name: str
    size: int
    key: str


def are_many(given: Path) -> bool:
    """Whether what was given for a scan stands for several: a glob, `@LIST`, or a folder that is no recording itself.

    A folder that scanwise reads as one scan (a recording, a scene folder, a scene of a data set) is that scan, whatever
    else lies in it.

    Raises:
        InputError: nothing is there.
    """
    if given.name.startswith("@") or _is_glob(given):
        return True
    from scanwise.formats.registry import check_there, find_scenes

    check_there(given)
    if not given.is_dir():
        return False

    scenes, _ = find_scenes(given)
    return bool(scenes) and scenes != [given]


def find_scans(given: Path, out: Path, question: Mapping[str, Any]) -> tuple[list[Scan], str]:
    """The scans that were given, in the order of their names.

    Args:
        given: a folder, a glob, or `@LIST`: a text file with a path a line, relative to itself; `#` begins a remark.
        out: folder of the results, in which none is looked for.
        question: what they are asked, as far as results depend on it.

    Returns:
        The scans, and what was passed over, "" = nothing.

    Raises:
        InputError: there is no such list, or no scan.
    """
    paths, others = _paths(given)
    inside = out.resolve()
    paths = [path for path in paths if inside not in (path.resolve(), *path.resolve().parents)]
    if not paths:
        raise InputError(f"{given}: no scan in it")
    kinds = Counter(path.suffix or path.name for path in others)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
    names = _names(paths)
    scans = [_scan(path, name, question) for path, name in zip(paths, names, strict=True)]
    return scans, f"passed over, of no known format: {told}" if told else ""


def _is_glob(given: Path) -> bool:
    return any(sign in str(given) for sign in _MAGIC) and not given.exists()


def _paths(given: Path) -> tuple[list[Path], list[Path]]:
    from scanwise.formats.registry import find_scenes

    if given.name.startswith("@"):
        return _listed(given.with_name(given.name[1:])), []
    if not _is_glob(given):
        return find_scenes(given)
    root = Path(given.anchor or ".")
    pattern = str(given.relative_to(given.anchor)) if given.anchor else str(given)
    found = [find_scenes(path) for path in sorted(root.glob(pattern))]
    return [path for scenes, _ in found for path in scenes], [path for _, others in found for path in others]


def _listed(file: Path) -> list[Path]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as a list of scans, a path a line ({error})") from error
    paths = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return list(dict.fromkeys(file.parent / path for path in paths))


def _names(paths: Sequence[Path]) -> list[str]:
    """Paths below the folder that they share, without suffixes where that leaves them apart."""
    absolute = [Path(os.path.abspath(path)) for path in paths]
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    full = [path.relative_to(root) for path in absolute]
    short = [path if whole.is_dir() else path.with_suffix("") for path, whole in zip(full, paths, strict=True)]
    times = Counter(short)
    return [(path if times[path] == 1 else whole).as_posix() for path, whole in zip(short, full, strict=True)]


def _scan(path: Path, name: str, question: Mapping[str, Any]) -> Scan:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    stats = [file.stat() for file in files if file.exists()]
    size, newest = sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)
    told = json.dumps([str(path.resolve()), size, newest, question], sort_keys=True, default=str)
    return Scan(path, name, size, hashlib.sha256(told.encode()).hexdigest()[:32])
