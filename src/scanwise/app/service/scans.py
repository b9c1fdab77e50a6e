"""Which scans there are: below the root, and uploaded. A scan is known by an id; no request names a path."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scanwise.app.service.problems import Problem, not_found
from scanwise.errors import ScanwiseError
from scanwise.formats.registry import find_scenes

_LOOK_AGAIN = 5.0  # seconds after which the root is looked through anew


@dataclass(frozen=True)
class Scan:
    """A scan that can be opened.

    Attributes:
        id: made of its place.
        name: its place below the root, or what an upload was called.
        path: of the file or folder.
        uploaded: whether it came by an upload, and can be deleted.
    """

    id: str
    name: str
    path: Path
    uploaded: bool = False


class Scans:
    """The scans of a service.

    Args:
        root: folder that is looked through at any depth; hidden names and links that lead out of it are passed over.
        uploads: folder of uploads, "ID/NAME".
        only: the one scan below the root that counts; None = all.
    """

    def __init__(self, root: Path, uploads: Path, only: Path | None = None) -> None:
        self._root, self._uploads, self._only = root, uploads, only
        self._lock = threading.Lock()
        self._found: dict[str, Scan] = {}
        self._looked = -1e9

    def all(self) -> list[Scan]:
        """By name, uploads last."""
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_AGAIN:
                self._found, self._looked = {scan.id: scan for scan in self._look()}, time.monotonic()
            return list(self._found.values())

    def find(self, number: str) -> Scan:
        """A scan by its id.

        Raises:
            Problem: 404.
        """
        for fresh in (False, True):
            if fresh:
                self.forget()
            for scan in self.all():
                if scan.id == number:
                    return scan
        raise not_found("scan")

    def forget(self) -> None:
        """Looks again at the next question."""
        self._looked = -1e9

    def _look(self) -> list[Scan]:
        root = self._root.resolve()
        paths = [self._only] if self._only else self._below(root)
        found = []
        for path in paths:
            if self._only is None and not path.resolve().is_relative_to(root):
                continue
            name = path.name if self._only else str(path.relative_to(self._root))
            found.append(Scan(_id(str(path.resolve())), name, path))
        return [*found, *self._uploaded()]

    def _below(self, root: Path) -> list[Path]:
        try:
            return [path for path in find_scenes(self._root)[0] if path != root]
        except (OSError, ScanwiseError) as error:
            raise Problem(f"the folder of scans cannot be read ({error})", 503, "root") from error

    def _uploaded(self) -> list[Scan]:
        if not self._uploads.is_dir():
            return []
        folders = [folder for folder in sorted(self._uploads.iterdir()) if not folder.name.startswith(".")]
        files = [(folder, next(_clouds(folder), None)) for folder in folders if folder.is_dir()]
        return [Scan(folder.name, path.name, path, True) for folder, path in files if path is not None]


def _clouds(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if ".corrections.db" not in path.name)


def _id(place: str) -> str:
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:16]
