"""The folders that `scanwise label` and `scanwise ask` leave: clouds, summaries, pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from scanwise.app.crop import FOUND, crop_of, muted
from scanwise.errors import OutputError
from scanwise.files import adding_files, summary_text, take_away, write_text, written_before
from scanwise.formats.registry import write_scene
from scanwise.geometry.units import unit_of
from scanwise.scene import Scene
from scanwise.show.page import ClassLayer, ColorLayer, Layer, write_page
from scanwise.show.raster import rasterise
from scanwise.show.report import report_font
from scanwise.understand.answer import Answer, Candidate
from scanwise.understand.label_files import output_suffix

_SIZE = (1600, 900)  # of an answer's picture
_RUNNERS_UP, _THIRD = np.array([40, 120, 220]), np.array([110, 170, 60])
_UNSURE, _ABSENT = np.array([240, 160, 20]), np.array([60, 60, 60])
_STRIPE = 0.04  # metres
_CAPTION, _LONGEST = 76, 110  # pixels, characters


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


def write_answers(folder: Path, scene: Scene, answers: Sequence[Answer], summary: dict[str, Any]) -> list[Path]:
    """Writes the folder; all of it, or nothing. What an earlier run left, and this one has not, goes.

    answers.ply (or the scan's own format) has of sentence N the columns mask_N and score_N; answer-N.png shows the
    scan, answer-N-crop.png what was found or comes nearest; ask.html all of them in 3D; answers.json the rest.

    Args:
        folder: for the results; other files there stay.
        scene: that was asked.
        answers: numbered from 1.
        summary: what answers.json says first.

    Returns:
        The files' paths.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    before = written_before(folder / "answers.json", older=_of_first_version)
    shown = scene.finite
    normals = None if scene.normals is None else scene.normals[shown]
    raster = rasterise(scene.points[shown], size=_SIZE, normals=normals)
    columns: dict[str, np.ndarray] = {}
    with adding_files(folder) as place:
        for number, answer in enumerate(answers, 1):
            columns |= {f"mask_{number}": answer.mask.astype(np.uint8), f"score_{number}": answer.scores}
            picture = raster.paint(_painted(scene, answer)[shown].clip(0, 255).astype(np.uint8))
            _captioned(picture, number, answer).save(place / f"answer-{number}.png")
            if answer.place is not None:
                Image.fromarray(crop_of(scene, answer.place)).save(place / f"answer-{number}-crop.png")
        suffix = output_suffix(scene)
        write_scene(scene.with_columns(**columns), place / f"answers.{suffix}")
        _write_answer_page(place / "ask.html", scene, answers)
        names = sorted([*(path.name for path in place.iterdir()), "answers.json"])
        facts = {"answers": [answer_summary(scene, each) for each in answers], "files": names}
        write_text(place / "answers.json", summary_text(summary | facts))
    take_away(folder, [name for name in before if name not in names])
    return [folder / name for name in names]


def in_words(answer: Answer, unit: str) -> str:
    """An answer in one line."""
    if answer.place is None:
        return "nothing like it here"
    center = ", ".join(f"{value:.2f}" for value in answer.place.center)
    several = f"{len(answer.objects)} objects, " if len(answer.objects) > 1 else ""
    what = f"{several}{int(answer.mask.sum()):,} points about ({center}) {unit}"
    sure = f"confidence {answer.confidence:.2f}"
    if answer.status == "found":
        return f"{what}, {sure}"
    if answer.status == "not here":
        return f"not here ({answer.reason or 'nothing fits'}); the nearest: {what}, {sure}"
    others = ", ".join(f"{each.text} {each.confidence:.2f}" for each in answer.candidates)
    return f"not sure ({answer.reason}); the likeliest: {others}; the first: {what}, {sure}"


def answer_summary(scene: Scene, answer: Answer) -> dict[str, Any]:
    """What answers.json holds of an answer, in the scan's own frame and unit."""
    return {
        "text": answer.text,
        "unit": unit_of(scene),
        "status": answer.status,
        "found": answer.found,
        "confidence": round(answer.confidence, 4),
        "presence": round(answer.presence, 4),
        "reason": answer.reason,
        "not_understood": list(answer.unread),
        "points": int(answer.mask.sum()),
        "object": None if answer.place is None else answer.place.facts(),
        "objects": [each.facts() for each in answer.objects],
        "candidates": [each.facts() for each in answer.candidates],
        "runners_up": [each.facts() for each in answer.runners_up],
        "words": [[word, round(share, 4)] for word, share in answer.words],
    }


def _painted(scene: Scene, answer: Answer) -> np.ndarray:
    """(N, 3) colours: the answer red where it was found, amber where unsure, else stripes of grey; rivals blue."""
    colors = muted(scene)
    for other in answer.candidates[1:] or answer.runners_up[:2]:
        colors[other.place.rows if isinstance(other, Candidate) else other.rows] = _RUNNERS_UP
    if answer.status == "not here":
        stripes = np.floor(scene.points.sum(1) / _STRIPE) % 2 == 0
        colors[answer.mask & stripes] = _ABSENT
    else:
        colors[answer.mask] = FOUND if answer.found else _UNSURE
    return colors


def _captioned(picture: np.ndarray, number: int, answer: Answer) -> Image.Image:
    """The picture under the sentence, with a legend."""
    result = Image.new("RGB", (picture.shape[1], picture.shape[0] + _CAPTION), "white")
    result.paste(Image.fromarray(picture), (0, _CAPTION))
    draw = ImageDraw.Draw(result)
    text = answer.text if len(answer.text) <= _LONGEST else f"{answer.text[: _LONGEST - 1]}…"
    draw.text((16, 8), f"{number}. {text}", "black", report_font(24))
    first = {"found": ("found", FOUND), "not sure": ("not sure: the likeliest", _UNSURE)}.get(
        answer.status, ("not here: the nearest", _ABSENT)
    )
    left = 16.0
    others = [("other candidates", _RUNNERS_UP)] if answer.candidates[1:] or answer.runners_up else []
    for name, color in [(f"{first[0]}, confidence {answer.confidence:.2f}", first[1]), *others]:
        draw.rectangle((left, 46, left + 18, 64), fill=tuple(int(value) for value in color))
        draw.text((left + 26, 44), name, "dimgray", report_font(18))
        left += 60 + draw.textlength(name, report_font(18))
    return result


def _write_answer_page(path: Path, scene: Scene, answers: Sequence[Answer]) -> None:
    """A page with a layer for each sentence, and one in colour."""
    shown = scene.finite
    layers: list[Layer] = []
    for number, answer in enumerate(answers, 1):
        indices = np.full(len(scene), -1, np.int32)
        names = [f"{answer.status}, confidence {answer.confidence:.2f}"]
        for place, other in enumerate(answer.candidates[1:], 1):
            indices[other.place.rows] = place
            names.append(f"or this {other.text}, {other.confidence:.2f}")
        indices[answer.mask] = 0
        colors = np.stack([FOUND if answer.found else _UNSURE, _RUNNERS_UP, _THIRD])[: len(names)].astype(np.uint8)
        rest = ("everything else", (205, 205, 205))
        layers.append(ClassLayer(f"{number}. {answer.text}", indices[shown], names, colors, rest))
    if scene.colors is not None:
        layers.append(ColorLayer("colour", scene.colors[shown]))
    normals = None if scene.normals is None else scene.normals[shown]
    write_page(path, scene.points[shown], layers, title=scene.name, first=layers[0].name, normals=normals)


def _of_first_version(summary: dict[str, Any]) -> list[str]:
    """Names of the files beside an answers.json that does not name them."""
    numbers = range(1, len(summary.get("answers", [])) + 1)
    return [f"answer-{number}{end}" for number in numbers for end in (".ply", ".png", "-crop.png")]
