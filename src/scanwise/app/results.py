"""The folders that `scanwise label` and `scanwise ask` leave: clouds, summaries, pictures and a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scanwise.app.crop import FOUND, crop_of, muted
from scanwise.errors import OutputError
from scanwise.files import adding_files, write_text
from scanwise.formats.registry import write_scene
from scanwise.geometry.units import unit_of
from scanwise.scene import Scene
from scanwise.show.raster import rasterise
from scanwise.understand.answer import Answer

_SIZE = (1600, 900)  # of an answer's picture
_RUNNERS_UP = np.array([40, 120, 220])


def new_folder(scan: Path, *, verb: str = "") -> Path:
    """A folder in out/ for what is made of a scan now: its name, the verb, date and time."""
    parts = (scan.resolve().stem or "scan", verb, f"{datetime.now():%Y%m%d-%H%M%S}")
    return Path("out") / "-".join(part for part in parts if part)


def check_out(folder: Path, source: Path) -> None:
    """Finds out before the long work whether results can be written.

    Args:
        folder: for the results.
        source: where the scan is.

    Raises:
        OutputError: a file is there, the folder cannot be written, or it is the scan's own folder.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; --out names a folder")
    if source.is_dir() and folder.resolve() == source.resolve():
        raise OutputError(
            f"{folder}: is the scan itself; choose another --out, the results would be read as part of it"
        )
    made = not folder.exists()
    with adding_files(folder):
        pass
    if made:
        folder.rmdir()


# Answers


def write_answers(folder: Path, scene: Scene, answers: Sequence[Answer], summary: dict[str, Any]) -> None:
    """Writes answer-N.ply, answer-N.png, answer-N-crop.png of what was found, and answers.json; all of it, or nothing.

    Args:
        folder: for the results; other files there stay.
        scene: that was asked.
        answers: numbered from 1.
        summary: what answers.json says first.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    shown = scene.finite
    normals = None if scene.normals is None else scene.normals[shown]
    raster = rasterise(scene.points[shown], size=_SIZE, normals=normals)
    with adding_files(folder) as place:
        for number, answer in enumerate(answers, 1):
            columns = {"mask": answer.mask.astype(np.uint8), "score": answer.scores}
            write_scene(scene.with_columns(**columns), place / f"answer-{number}.ply")
            colors = muted(scene)
            for other in answer.runners_up:
                colors[other.rows] = _RUNNERS_UP
            colors[answer.mask] = FOUND
            picture = raster.paint(colors[shown].clip(0, 255).astype(np.uint8))
            Image.fromarray(picture).save(place / f"answer-{number}.png")
            if answer.place is not None:
                Image.fromarray(crop_of(scene, answer.place)).save(place / f"answer-{number}-crop.png")
        facts = {"answers": [answer_summary(scene, each) for each in answers]}
        _write_summary(place / "answers.json", summary | facts)


def answer_summary(scene: Scene, answer: Answer) -> dict[str, Any]:
    """What answers.json holds of an answer, in the scan's own frame and unit."""
    return {
        "text": answer.text,
        "unit": unit_of(scene),
        "found": answer.found,
        "presence": round(answer.presence, 4),
        "object": None if answer.place is None else answer.place.facts(),
        "objects": [each.facts() for each in answer.objects],
        "runners_up": [each.facts() for each in answer.runners_up],
        "words": [[word, round(share, 4)] for word, share in answer.words],
    }


def _write_summary(path: Path, summary: dict[str, Any]) -> None:
    write_text(path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
