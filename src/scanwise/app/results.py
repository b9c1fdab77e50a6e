"""The folder that `scanwise label` leaves: labelled cloud, summary, picture and page."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scanwise.app.report import write_html, write_picture
from scanwise.errors import OutputError
from scanwise.files import cannot_write
from scanwise.formats.registry import column_suffixes, write_scene
from scanwise.scene import Scene
from scanwise.understand.labels import Labels
from scanwise.understand.prepared import Prepared


def write_label_results(folder: Path, prepared: Prepared, labels: Labels, summary: dict[str, Any]) -> list[Path]:
    """Writes labels.<format>, labels.json, picture.png and view.html; all of them, or none.

    Returns:
        The files' paths.
    """
    scene = prepared.scene
    with staging(folder) as place:
        started = time.perf_counter()
        cloud = place / f"labels.{output_suffix(scene)}"
        write_scene(scene.with_columns(label=labels.indices, confidence=labels.confidence), cloud)
        shown = scene.finite
        points, indices = scene.points[shown], labels.indices[shown]
        colors = None if scene.colors is None else scene.colors[shown]
        normals = None if scene.normals is None else scene.normals[shown]
        confidence = labels.confidence[shown]
        write_picture(place / "picture.png", points, colors, indices, labels.texts, title=scene.name, normals=normals)
        page = place / "view.html"
        write_html(page, points, colors, indices, labels.texts, confidence, title=scene.name, normals=normals)
        prepared.seconds["writing"] = time.perf_counter() - started
        report = summary | label_summary(prepared, labels)
        (place / "labels.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        names = sorted(path.name for path in place.iterdir())
    return [folder / name for name in names]


def label_summary(prepared: Prepared, labels: Labels) -> dict[str, Any]:
    """What labels.json holds: texts, counts, seconds by stage, peak memory, models with hashes."""
    models = {} if prepared.vision is None else {prepared.vision.name: prepared.vision.model_hashes}
    if prepared.shapes is not None:
        models["shapes"] = prepared.shapes.model_hashes
    return {
        "texts": labels.texts,
        "counts": dict(zip(labels.texts, labels.counts, strict=True)),
        "unlabelled": int((labels.indices < 0).sum()),
        "points": len(prepared.scene),
        "voxels": len(prepared.voxels),
        "voxel_metres": prepared.voxels.size,
        "share_seen_in_pictures": round(float(prepared.lifted.seen.mean()), 4),
        "pictures": len(prepared.scene.views),
        "device": prepared.device,
        "models": models,
        "seconds": {stage: round(seconds, 3) for stage, seconds in prepared.seconds.items()},
        "peak_memory_bytes": peak_memory(),
    }


def output_suffix(scene: Scene) -> str:
    """The input's own format where it can hold further columns, else ply."""
    return scene.source_format if scene.source_format in column_suffixes() else "ply"


def peak_memory() -> int | None:
    """Bytes this process held at most; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, whose files move there when all are written.

    Other files in `folder` stay. Raises OutputError when the place cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".scanwise-"))
        yield temporary
        for file in sorted(temporary.iterdir()):
            os.replace(file, folder / file.name)
    except OSError as error:
        raise OutputError(cannot_write(folder, error)) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def check_out(folder: Path, source: Path) -> None:
    """Finds out before the long work whether results can be written.

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
    with staging(folder):
        pass
    if made:
        folder.rmdir()
