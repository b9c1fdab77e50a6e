"""What is known of the words of scans before anything is learned: labelled copies, tables of points, corrections.

    a store of corrections     room.ply.corrections.db
    a labelled scan            room-labelled.ply: as many points in the same order; -1 and "unlabelled" are not known
    a table (CSV)              x,y,z,word with a header, in the frame of the scan's file; scan,x,y,z,word of several

Shapes: N points of a scan.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import read_bytes
from scanwise.formats.registry import read_scene
from scanwise.scene import Scene
from scanwise.understand.corrected import known_words
from scanwise.understand.corrections import SUFFIX, CorrectionStore, store_path
from scanwise.understand.labels import check_lengths
from scanwise.understand.prepared import Prepared

NOTHING = {"", "unlabelled", "unlabeled", "unknown", "none", "unclassified", "never classified", "ignore", "-"}
"""Names of classes that say that nothing is known."""
_FAR = 0.1  # metres from a point of a table to the scan


@dataclass(eq=False)
class KnownScan:
    """A scan, and what is known of it.

    Attributes:
        path: of the scan.
        prepared: the scan, made ready.
        known: (N,) int32 row of the words, -1 = not known.
        reviewed: it was corrected by a person who saw its labels.
    """

    path: Path
    prepared: Prepared
    known: np.ndarray = field(init=False)
    reviewed: bool = False

    def __post_init__(self) -> None:
        self.known = np.full(len(self.prepared.scene), -1, np.int32)


def know(scans: Sequence[KnownScan], labels: Sequence[Path]) -> list[str]:
    """Puts what files say of scans into them; later files overrule earlier ones.

    Args:
        scans: are changed.
        labels: files; none = the stores of corrections beside the scans, and the labels that scans have themselves.

    Returns:
        The words.

    Raises:
        InputError: a file is none of these, fits no scan, or nothing is known after all.
    """
    words: list[str] = []
    if labels:
        for path in labels:
            _from_file(path, scans, words)
    else:
        for each in scans:
            _from_beside(each, words)
    if not any((each.known >= 0).any() for each in scans):
        raise InputError(
            "no point has a known word: correct something in `scanwise serve`, or give --labels: a labelled copy of a "
            "scan, a CSV with x,y,z,word, or a store of corrections"
        )
    return words


def _from_beside(scan: KnownScan, words: list[str]) -> None:
    scene = scan.prepared.scene
    if scene.labels is not None and scene.classes is not None:
        _put(scan, scene.labels, scene.classes, words)
    path = store_path(scan.path)
    if path.exists():
        _from_store(path, [scan], words)


def _from_file(path: Path, scans: Sequence[KnownScan], words: list[str]) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file", option="labels")
    if path.name.endswith((SUFFIX, ".db", ".sqlite")):
        _from_store(path, scans, words)
    elif path.suffix.lower() == ".csv":
        _from_table(path, scans, words)
    else:
        _from_copy(path, scans, words)


def _from_store(path: Path, scans: Sequence[KnownScan], words: list[str]) -> None:
    for each in scans:
        try:
            store = CorrectionStore(path, each.prepared.scene)
        except InputError:
            if len(scans) == 1:
                raise
            continue
        with store:
            known, own = known_words(store.corrections(), len(each.known))
        _put(each, known, own, words)
        each.reviewed = True
        return
    raise InputError(f"{path}: is of none of these {len(scans)} scans", option="labels")


def _from_copy(path: Path, scans: Sequence[KnownScan], words: list[str]) -> None:
    copy = read_scene(path)
    if copy.labels is None:
        raise InputError(f"{path}: has no labels; a labelled scan has a class a point", option="labels")
    fitting = [each for each in scans if _same(each.prepared.scene, copy)]
    if not fitting:
        text = f"{path}: its {len(copy):,} points are those of none of these scans; labels go by the order of points"
        raise InputError(text, option="labels")
    if copy.classes is None:
        raise InputError(f"{path}: numbers its classes without naming them; name them in the file", option="labels")
    _put(fitting[0], copy.labels, copy.classes, words)


def _same(scene: Scene, other: Scene) -> bool:
    if len(scene) != len(other):
        return False
    rows = np.linspace(0, len(scene) - 1, min(len(scene), 100)).astype(int)
    one, two = (np.asarray(each.points_in_source()[rows], np.float64) for each in (scene, other))
    return bool(np.allclose(one, two, atol=1e-3, equal_nan=True))


def _put(scan: KnownScan, labels: np.ndarray, classes: Sequence[str], words: list[str]) -> None:
    """Labels (N,) of some classes become known words."""
    place = np.full(len(classes) + 1, -1, np.int32)
    for number in np.unique(labels[(labels >= 0) & (labels < len(classes))]).tolist():
        if classes[number].strip().casefold() not in NOTHING:
            place[number] = _row(words, classes[number])
    found = place[np.where((labels >= 0) & (labels < len(classes)), labels, len(classes))]
    scan.known = np.where(found >= 0, found, scan.known)


def _row(words: list[str], word: str) -> int:
    word = " ".join(word.split())
    for number, each in enumerate(words):
        if each.casefold() == word.casefold():
            return number
    check_lengths([word], "word")
    words.append(word)
    return len(words) - 1


def _from_table(path: Path, scans: Sequence[KnownScan], words: list[str]) -> None:
    """Points with words: what a point says is true of the part that it lies on."""
    rows = list(csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8-sig", "replace"))))
    if not rows or not {"x", "y", "z", "word"} <= rows[0].keys():
        raise InputError(
            f"{path}: a table of points begins with the line x,y,z,word, or scan,x,y,z,word", option="labels"
        )
    far = 0
    for number, row in enumerate(rows, 2):
        scan = _scan_of(row.get("scan"), scans, f"{path}, line {number}")
        try:
            point = np.array([float(row[axis]) for axis in "xyz"])
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}, line {number}: x, y and z are numbers", option="labels") from error
        part = part_at(scan.prepared, point)
        if part is None or not (row["word"] or "").strip():
            far += 1
            continue
        scan.known[part] = _row(words, row["word"])
    if far:
        text = f"{path}: {far} of {len(rows)} points have no word, or lie more than {_FAR} m from the scan, and are left out"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)


def _scan_of(name: str | None, scans: Sequence[KnownScan], where: str) -> KnownScan:
    if name is None or not name.strip():
        if len(scans) == 1:
            return scans[0]
        raise InputError(f"{where}: say which of the {len(scans)} scans, in a column scan", option="labels")
    for each in scans:
        if name.strip() in (each.path.name, each.path.stem, str(each.path)):
            return each
    raise InputError(f"{where}: {name} is none of the scans; they are called by their file names", option="labels")


def part_at(prepared: Prepared, point: np.ndarray) -> np.ndarray | None:
    """(N,) bool: the part of a scan that a place (3,) in the file's frame lies on; None where there is none.

    Where labels are of points alone, it is the nearest point.
    """
    scene, surface = prepared.scene, prepared.surface
    inside = (np.linalg.inv(scene.to_source) @ np.append(point, 1.0))[:3]
    distance, voxel = cKDTree(surface.centers).query(inside)
    if not distance <= _FAR:
        return None
    things = prepared.things
    rows = surface.voxels.of_point
    mask = np.zeros(len(scene), bool)
    mask[surface.finite] = rows == voxel if things is None else things.of_voxel[rows] == things.of_voxel[voxel]
    return mask
