"""What people said of a scan, kept beside it: "this is a chair", "these are one thing", "this is what I meant".

    with CorrectionStore(store_path(path), scene, scan=path) as store:
        store.add(Correction("word", mask, "chair", how="click", whole=True))
        store.undo()
        corrected(labels, store.corrections())     # `understand.corrected`

One SQLite file a scan. What `add`, `undo`, `redo`, `adopt` and `revert` did is on the disk when they return, whatever
happens to the process or the machine then (write-ahead log, `synchronous=FULL`).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scanwise import cache
from scanwise.data.annotations import mask_bytes, mask_of
from scanwise.errors import InputError, OutputError
from scanwise.scene import Scene
from scanwise.understand.labels import check_lengths
from scanwise.understand.words import check_word

if TYPE_CHECKING:
    from scanwise.understand.learning import Learned

Kind = Literal["word", "thing", "meant"]
SUFFIX = ".corrections.db"
_MARK = 0x53435749  # PRAGMA application_id: the file is ours
_SAMPLES = 64  # points by which a scan is known again
_WAIT = 10.0  # seconds for another process that is writing
_SCHEMA = """
CREATE TABLE scan (points INTEGER, sample BLOB, read TEXT);
CREATE TABLE corrections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL, author TEXT, kind TEXT, text TEXT, how TEXT, whole INTEGER,
    mask BLOB, undone INTEGER
);
CREATE TABLE heads (id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL, facts TEXT, head BLOB, undone INTEGER);
CREATE TABLE revision (number INTEGER);
INSERT INTO revision VALUES (0);
"""  # undone: the revision at which it was taken back; NULL = in force


class Correction:
    """Something that a person said of some points of a scan of N points.

    The mask is kept packed, and unpacked at every touch, so that a thousand corrections of a large scan fit in memory.

    Args:
        kind: "word": the points are called `text`; "thing": they are one thing; "meant": they are what the sentence
            `text` means.
        mask: (N,) bool; at least one point, but for "meant": none = nothing in the scan is meant.
        text: the word; "" = they have no word that is known, and nothing is to be learned from them. The sentence.
        how: for the record: "click", "brush", "lasso", "grow", "shrink", "split", "merge".
        whole: of a word: the points are one thing too.
        author: who said it.
        id: number in its store, 0 = not stored.
        created: seconds since 1970.

    Raises:
        InputError: no such kind, no points, no sentence, or a text that no word can be.
    """

    def __init__(
        self, kind: Kind, mask: np.ndarray, text: str = "", *, how: str = "", whole: bool = False, author: str = "",
        id: int = 0, created: float = 0.0,
    ) -> None:  # fmt: skip
        mask = np.asarray(mask)
        if kind not in get_args(Kind):
            raise InputError(f"{kind}: a correction is of the kind {', '.join(get_args(Kind))}")
        if mask.dtype != bool or mask.ndim != 1:
            raise InputError(f"a mask is one truth value a point, not {mask.dtype} {mask.shape}")
        if not mask.any() and kind != "meant":
            raise InputError("no point is marked; mark what the correction is about")
        text = " ".join(text.split())
        if kind == "thing" and text:
            raise InputError(f'"{text}": a thing has no word of its own here; give it one by a correction of kind word')
        if text or kind == "meant":
            check_lengths([text], "sentence" if kind == "meant" else "word")
        if text and kind == "word":
            check_word(text)
        self.kind, self.text, self.how, self.author = kind, text, how, author
        self.whole = whole and kind == "word"
        self.id, self.created = id, created
        self._count, self._packed = len(mask), mask_bytes(mask)

    @property
    def mask(self) -> np.ndarray:
        """(N,) bool."""
        return mask_of(self._packed, self._count)

    @property
    def points(self) -> int:
        """How many points are marked."""
        return int(self.mask.sum())

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Correction({self.id}: {self.kind} {self.text!r}, {self.points:,} of {self._count:,} points)"


def store_path(scan: Path) -> Path:
    """Where the corrections of a scan are: beside it, or in the cache folder where nothing can be written there.

    Args:
        scan: its file or folder.
    """
    scan = scan.resolve()
    beside = scan.with_name(scan.name + SUFFIX)
    if beside.exists() or _can_write(beside.parent):
        return beside
    return cache.cache_dir() / "corrections" / (cache.key_of(str(scan)) + SUFFIX)


def _can_write(folder: Path) -> bool:
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class CorrectionStore:
    """The corrections of one scan, in an SQLite file. Several threads and processes may use it at once.

    Args:
        path: of the file, which is made where it is missing.
        scene: the scan, as it was read; it may stand upright by now.
        scan: where it is, for who reads it again to train on it; None = as the file says.
        up: how it was read, as of `brought_inside`.
        unit: likewise.
        columns: likewise, as of `read_scene`.

    Raises:
        InputError: the file is of another scan, or no store.
        OutputError: it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        scene: Scene,
        *,
        scan: Path | None = None,
        up: str = "auto",
        unit: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        self.path, self._count = path, len(scene)
        self._lock = threading.RLock()
        read = {"up": up, "unit": unit, "columns": None if columns is None else list(columns)}
        known = json.dumps({"scan": None if scan is None else str(scan.resolve()), **read})
        self._connection = _connected(path)
        try:
            with self._writing() as database:
                _make(database, path, len(scene), _sample(scene), known)
                if scan is not None:
                    database.execute("UPDATE scan SET read = ?", (known,))
                points, sample = database.execute("SELECT points, sample FROM scan").fetchone()
            _check_same(path, scene, points, np.frombuffer(sample, np.float64))
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> CorrectionStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; another store may be opened on it at any time."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on the disk when it ends; none of it where it fails."""
        with self._lock, _told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, _told(self.path):
            return self._connection.execute(query, values).fetchall()

    # How the scan was read

    @property
    def read(self) -> dict[str, Any]:
        """How the scan was read: "scan" (its path, None = not known), "up", "unit", "columns"."""
        return dict(json.loads(self._rows("SELECT read FROM scan")[0][0]))

    @property
    def revision(self) -> int:
        """Grows with every change, of other processes too."""
        return int(self._rows("SELECT number FROM revision")[0][0])

    # Corrections

    def add(self, correction: Correction) -> Correction:
        """Keeps a correction; what its author could have redone is forgotten.

        Returns:
            The same, with its number and its time.

        Raises:
            InputError: it is of another number of points.
            OutputError: it cannot be written.
        """
        if len(correction) != self._count:
            raise InputError(f"a correction of {len(correction)} points for a scan of {self._count}")
        created = time.time()
        row = (
            created, correction.author, correction.kind, correction.text, correction.how, int(correction.whole),
            correction._packed,
        )  # fmt: skip
        with self._writing() as database:
            database.execute("DELETE FROM corrections WHERE undone IS NOT NULL AND author = ?", (correction.author,))
            columns = "created, author, kind, text, how, whole, mask"
            added = database.execute(f"INSERT INTO corrections ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            _step(database)
            assert added.lastrowid is not None
            return self._correction((added.lastrowid, *row))

    def corrections(self) -> list[Correction]:
        """Those in force, the oldest first."""
        return [self._correction(row) for row in self._rows(f"{_SELECT} WHERE undone IS NULL ORDER BY id")]

    def undo(self, author: str | None = None) -> Correction | None:
        """Takes back the last correction in force.

        Args:
            author: whose; None = anyone's.

        Returns:
            It; None where there is none.
        """
        with self._writing() as database:
            number = _step(database)
            found = _last(database, "undone IS NULL", author, "id")
            if found is not None:
                database.execute("UPDATE corrections SET undone = ? WHERE id = ?", (number, found[0]))
        return None if found is None else self._correction(found)

    def redo(self, author: str | None = None) -> Correction | None:
        """Puts back what was last taken back.

        Args:
            author: whose; None = anyone's.

        Returns:
            It; None where there is none.
        """
        with self._writing() as database:
            _step(database)
            found = _last(database, "undone IS NOT NULL", author, "undone")
            if found is not None:
                database.execute("UPDATE corrections SET undone = NULL WHERE id = ?", (found[0],))
        return None if found is None else self._correction(found)

    def can_undo(self, author: str | None = None) -> bool:
        """Whether there is something to undo; of an author, or of anyone."""
        with self._lock, _told(self.path):
            return _last(self._connection, "undone IS NULL", author, "id") is not None

    def can_redo(self, author: str | None = None) -> bool:
        """Whether there is something to redo; of an author, or of anyone."""
        with self._lock, _told(self.path):
            return _last(self._connection, "undone IS NOT NULL", author, "undone") is not None

    def meant(self, sentence: str) -> np.ndarray | None:
        """(N,) bool: what was last said to be meant by a sentence, case and spaces apart; None = nothing was said."""
        wanted = " ".join(sentence.split()).casefold()
        said = [each for each in self.corrections() if each.kind == "meant" and each.text.casefold() == wanted]
        return said[-1].mask if said else None

    def _correction(self, row: tuple[Any, ...]) -> Correction:
        number, created, author, kind, text, how, whole, packed = row
        made = Correction.__new__(Correction)  # what is stored was checked, and need not be unpacked for it
        made.kind, made.text, made.how, made.whole, made.author = kind, text, how, bool(whole), author
        made.id, made.created, made._count, made._packed = number, created, self._count, packed
        return made

    # What was learned

    def adopt(self, learned: Learned | None, facts: Mapping[str, Any] | None = None) -> None:
        """Labels of this scan go by a head from now on.

        Args:
            learned: the head; None = as shipped.
            facts: for the record, beside the head's own.
        """
        told = json.dumps({**({} if learned is None else learned.facts), **(facts or {})})
        packed = None if learned is None else learned.packed()
        with self._writing() as database:
            _step(database)
            row = (time.time(), told, packed)
            database.execute("INSERT INTO heads (created, facts, head) VALUES (?, ?, ?)", row)

    def learned(self) -> Learned | None:
        """The head that labels go by; None = as shipped."""
        from scanwise.understand.learning import Learned

        found = self._rows("SELECT head FROM heads WHERE undone IS NULL ORDER BY id DESC LIMIT 1")
        return None if not found or found[0][0] is None else Learned.unpacked(found[0][0], str(self.path))

    def revert(self) -> Learned | None:
        """Goes back to the head before; gives the one that is in force then, None = as shipped."""
        with self._writing() as database:
            number = _step(database)
            last = "SELECT id FROM heads WHERE undone IS NULL ORDER BY id DESC LIMIT 1"
            database.execute(f"UPDATE heads SET undone = ? WHERE id = ({last})", (number,))
        return self.learned()

    def history(self) -> list[dict[str, Any]]:
        """What was adopted, the oldest first: "id", "created", "facts", "shipped" (no head), "reverted"."""
        rows = self._rows("SELECT id, created, facts, head IS NULL, undone IS NOT NULL FROM heads ORDER BY id")
        names = ("id", "created", "facts", "shipped", "reverted")
        return [dict(zip(names, (*row[:2], json.loads(row[2]), *map(bool, row[3:])), strict=True)) for row in rows]


_SELECT = "SELECT id, created, author, kind, text, how, whole, mask FROM corrections"


def _connected(path: Path) -> sqlite3.Connection:
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
        return connection


def _make(database: sqlite3.Connection, path: Path, count: int, sample: np.ndarray, read: str) -> None:
    """Makes the tables where the file has none.

    Raises:
        InputError: it is a database of something else.
    """
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    if mark == _MARK:
        return
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark or tables:
        raise InputError(f"{path}: a database of something else; name another file for the corrections")
    for statement in filter(str.strip, _SCHEMA.split(";")):
        database.execute(statement)
    database.execute("INSERT INTO scan VALUES (?, ?, ?)", (count, sample.tobytes(), read))
    database.execute(f"PRAGMA application_id = {_MARK}")


def _sample(scene: Scene) -> np.ndarray:
    """(k, 3) float64 some of its points in the frame of its file, by which it is known again."""
    rows = np.linspace(0, max(len(scene) - 1, 0), min(_SAMPLES, len(scene))).astype(np.int64)
    return np.asarray(scene.points_in_source()[rows], np.float64)


def _check_same(path: Path, scene: Scene, points: int, sample: np.ndarray) -> None:
    here = _sample(scene)
    if points == len(scene) and np.allclose(sample.reshape(-1, 3), here, rtol=1e-6, atol=1e-3, equal_nan=True):
        return
    text = f"of {points:,} points" if points != len(scene) else "whose points lie elsewhere"
    raise InputError(
        f"{path}: holds the corrections of another scan, {text}; {scene.name} has {len(scene):,}. "
        "Move the file away to begin anew"
    )


def _step(database: sqlite3.Connection) -> int:
    database.execute("UPDATE revision SET number = number + 1")
    (number,) = database.execute("SELECT number FROM revision").fetchone()
    return int(number)


def _last(database: sqlite3.Connection, state: str, author: str | None, order: str) -> tuple[Any, ...] | None:
    """The last correction of a state, and of an author; None where there is none."""
    whose, values = ("", ()) if author is None else (" AND author = ?", (author,))
    query = f"{_SELECT} WHERE {state}{whose} ORDER BY {order} DESC LIMIT 1"
    row: tuple[Any, ...] | None = database.execute(query, values).fetchone()
    return row


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Faults of SQLite in words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(f"{path}: the corrections cannot be written ({error})") from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: no store of corrections, or damaged ({error})") from error
    except OSError as error:
        raise OutputError(f"{path}: the corrections cannot be written ({error.strerror or error})") from error
