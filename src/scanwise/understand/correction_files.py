"""Corrections as files: labelled clouds, sentences with masks, a table."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scanwise.data.annotations import Annotation, line_of
from scanwise.errors import InputError
from scanwise.files import write_text
from scanwise.formats.registry import write_scene
from scanwise.understand.corrections import CorrectionStore
from scanwise.understand.label_files import labelled_scene
from scanwise.understand.labels import Labels

if TYPE_CHECKING:
    from scanwise.scene import Scene

_COLUMNS = (
    "id", "created", "author", "kind", "how", "text", "whole", "points", "center_x", "center_y", "center_z", "size_x",
    "size_y", "size_z",
)  # fmt: skip


def export_cloud(labels: Labels, path: Path, said: np.ndarray | None = None) -> None:
    """Writes the scan with label, confidence and object of each point, in the format of the path's suffix.

    Args:
        labels: with corrections put into them, as of `corrected`.
        path: of the file.
        said: (N,) bool, points that a person gave a word, for a column `corrected`; None = no such column.

    Raises:
        InputError: no such format.
        OutputError: it cannot be written.
    """
    suffix = path.suffix.lstrip(".").lower()
    source = labels.scene if labels.scene.source_format == suffix else replace(labels.scene, source_format=suffix)
    cloud = labelled_scene(replace(labels, scene=source))
    write_scene(cloud if said is None else cloud.with_columns(corrected=said.astype(np.uint8)), path)


def export_sentences(store: CorrectionStore, path: Path) -> int:
    """Writes what sentences mean as `scanwise train less --from` reads it; gives the number of lines.

    Args:
        store: of a scan whose file is known.
        path: of the file (JSONL).

    Raises:
        InputError: no sentence was corrected, or where the scan is is not known.
        OutputError: it cannot be written.
    """
    text = sentences_text(store, path.resolve().parent)
    if not text:
        raise InputError(f"{store.path}: no sentence was corrected, so there is nothing to learn sentences from")
    write_text(path, text)
    return text.count("\n")


def sentences_text(store: CorrectionStore, folder: Path) -> str:
    """The lines of `export_sentences`; "" where no sentence was corrected.

    Args:
        store: of a scan whose file is known.
        folder: in which the lines are to be, as they name the scan from there.

    Raises:
        InputError: where the scan is is not known.
    """
    read = store.read
    said = {each.text.casefold(): each for each in store.corrections() if each.kind == "meant"}
    if said and read["scan"] is None:
        raise InputError(f"{store.path}: does not say where its scan is; open it with `scan`")
    how = read["up"], read["unit"], read["columns"]
    lines = [line_of(Annotation(Path(read["scan"]), each.text, each.mask, *how), folder) for each in said.values()]
    return "".join(line + "\n" for line in lines)


def export_csv(store: CorrectionStore, path: Path, scene: Scene) -> int:
    """Writes a row a correction; gives their number.

    Args:
        store: of the scan.
        path: of the file.
        scene: the scan.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, csv_text(store, scene))
    return len(store.corrections())


def csv_text(store: CorrectionStore, scene: Scene) -> str:
    """The table of `export_csv`: corrections in force, with the box of what is marked along the axes of the scan's file.

    Args:
        store: of the scan.
        scene: the scan.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    points = np.asarray(scene.points_in_source(), np.float64)
    for each in store.corrections():
        marked = points[each.mask & scene.finite]
        box = [""] * 6
        if len(marked):
            low, high = marked.min(0), marked.max(0)
            box = [f"{value:.4f}" for value in (*((low + high) / 2), *(high - low))]
        when = datetime.fromtimestamp(each.created, UTC).isoformat(timespec="milliseconds")
        first = (each.id, when, each.author, each.kind, each.how, each.text, int(each.whole), each.points)
        writer.writerow([*first, *box])
    return stream.getvalue()
