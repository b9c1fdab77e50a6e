"""What survives a restart: results in SQLite, their arrays in files beside it."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.app.service.problems import not_found
from scanwise.errors import InputError
from scanwise.files import replacing

_MOST = 200  # results of a scan that are kept; the oldest go
_TABLES = """
CREATE TABLE IF NOT EXISTS results (
    id TEXT PRIMARY KEY, scan TEXT NOT NULL, content TEXT NOT NULL, kind TEXT NOT NULL, created REAL NOT NULL,
    request TEXT NOT NULL, facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_scan ON results (scan, kind, created);
CREATE TABLE IF NOT EXISTS ends (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, scan TEXT NOT NULL, state TEXT NOT NULL, ended REAL NOT NULL,
    error TEXT NOT NULL, result TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Result:
    """What a job left.

    Attributes:
        id: of it.
        scan: id of the scan.
        content: digest of the scan's points; a file that changed has other results.
        kind: "labels" or "answer".
        created: seconds since 1970.
        request: what was asked.
        facts: what came out, without arrays.
    """

    id: str
    scan: str
    content: str
    kind: str
    created: float
    request: dict[str, Any]
    facts: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in ("id", "scan", "kind", "created", "request", "facts")}


class Records:
    """The results of a service.

    Args:
        folder: where they are kept.

    Raises:
        InputError: what is there is no database of ours.
    """

    def __init__(self, folder: Path) -> None:
        self._files = folder / "results"
        self._files.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        path = folder / "service.db"
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)
        except sqlite3.Error as error:
            raise InputError(f"{path}: no database of scanwise ({error}); choose another place") from error

    def add(
        self, scan: str, content: str, kind: str, request: dict[str, Any], facts: dict[str, Any], arrays: dict[str, Any]
    ) -> Result:
        """Keeps a result; it is on disk when this returns."""
        result = Result(secrets.token_hex(8), scan, content, kind, time.time(), request, facts)
        with replacing(self._path(result.id)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        row = (*(getattr(result, name) for name in ("id", "scan", "content", "kind", "created")),)
        with self._lock:
            self._base.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, json.dumps(request), json.dumps(facts))
            )
        self._forget_old(scan)
        return result

    def find(self, number: str) -> Result:
        """A result by its id.

        Raises:
            Problem: 404.
        """
        with self._lock:
            row = self._base.execute("SELECT * FROM results WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise not_found("result")
        return _result(row)

    def of(self, scan: str, kind: str | None = None) -> list[Result]:
        """The results of a scan, the newest first."""
        kinds = ("labels", "answer") if kind is None else (kind, kind)
        query = "SELECT * FROM results WHERE scan = ? AND kind IN (?, ?) ORDER BY created DESC, rowid DESC"
        with self._lock:
            return [_result(row) for row in self._base.execute(query, (scan, *kinds)).fetchall()]

    def arrays(self, number: str) -> dict[str, np.ndarray]:
        """The arrays of a result.

        Raises:
            Problem: 404, its file is gone.
        """
        try:
            with np.load(self._path(number), allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError) as error:
            raise not_found("result") from error

    def remove(self, number: str) -> None:
        """Takes a result away."""
        with self._lock:
            self._base.execute("DELETE FROM results WHERE id = ?", (number,))
        self._path(number).unlink(missing_ok=True)

    def remove_scan(self, scan: str) -> None:
        """Takes all results of a scan away."""
        for result in self.of(scan):
            self.remove(result.id)

    def job_ended(self, facts: dict[str, Any]) -> None:
        """Writes down how a job ended, so that who asks after a restart is told."""
        names = ("id", "kind", "scan", "state", "ended", "error")
        row = (*(facts[name] for name in names), json.dumps(facts["result"]))
        with self._lock:
            self._base.execute("INSERT OR REPLACE INTO ends VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self._base.execute("DELETE FROM ends WHERE ended < ?", (time.time() - 30 * 86400,))

    def ended(self, number: str) -> dict[str, Any] | None:
        """How a job ended that an earlier run of the service did; None = it knows of none."""
        with self._lock:
            row = self._base.execute("SELECT * FROM ends WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        number, kind, scan, state, ended, error, result = row
        end = {"id": number, "kind": kind, "scan": scan, "state": state, "ended": ended, "error": error}
        return end | {"result": json.loads(result)}

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._base.close()

    def _path(self, number: str) -> Path:
        return self._files / f"{number}.npz"

    def _forget_old(self, scan: str) -> None:
        for result in self.of(scan)[_MOST:]:
            self.remove(result.id)


def _result(row: tuple[Any, ...]) -> Result:
    number, scan, content, kind, created, request, facts = row
    return Result(number, scan, content, kind, created, json.loads(request), json.loads(facts))
