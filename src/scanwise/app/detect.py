"""`scanwise detect`: 3D boxes of cars, people and other things of streets in a sweep of a LiDAR."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scanwise.app.options import (
    ColumnsOption,
    DeviceOption,
    ResultsOption,
    SceneArgument,
    UnitOption,
    UpOption,
    read_scan,
)
from scanwise.errors import InputError, ScanwiseWarning

if TYPE_CHECKING:
    from scanwise.formats.box_files import Named
    from scanwise.scene import Scene

SHIPPED = "detect-streets"
LEAST_SCORE = 0.3


def detect(
    scene: SceneArgument,
    out: ResultsOption = None,
    model: Annotated[
        Path, typer.Option("--model", "-m", help="A run of `train detect`, its best.ckpt, or shipped weights by name.")
    ] = Path(SHIPPED),
    least_score: Annotated[
        float, typer.Option("--least-score", metavar="P", min=0, max=1, help="Leave out boxes that are less sure.")
    ] = LEAST_SCORE,
    device: DeviceOption = "auto",
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Find cars, people, bicycles and other things of streets in one sweep, as 3D boxes around the sensor.

    Writes boxes.json (boxes in the frame and unit of the file), kitti.txt and nuscenes.json (the forms of those data
    sets), birds-eye.png and view.html.

    Examples:

        scanwise detect sweep.bin --model out/detect-streets --out out/sweep

        scanwise detect nuscenes#scene-0103-7 --model out/detect-streets --least-score 0.5

        scanwise detect data/streets-boxes/test/test-0000/0000 --model out/detect-streets
    """
    import numpy as np

    from scanwise import devices
    from scanwise.app.results import check_out, new_folder
    from scanwise.formats.box_files import Named
    from scanwise.methods.detect.evaluate import MARGIN, predict
    from scanwise.methods.detect.model import load_detector
    from scanwise.training.checkpoints import is_shipped

    if model == Path(SHIPPED) and not model.exists() and not is_shipped(SHIPPED):
        text = "no weights of a detector come with this scanwise; `scanwise train detect recipes/detect-streets.yaml`"
        raise InputError(f"{text} makes some, name that run's folder", option="model")
    where = devices.find(device)
    out = out or new_folder(scene, verb="boxes")
    check_out(out, scene)
    detector = load_detector(model).to(where)
    reach = detector.recipe.reach
    scan = read_scan(scene, up, unit, columns)
    _say_what_is_missing(scan, reach)
    boxes = predict(detector, scan, least_score)
    points = np.array([len(rows) for rows in boxes.rows_inside(scan.points, MARGIN)], np.int64)
    found = Named(boxes, detector.classes, points)
    summary = {"scan": str(scene), "command": sys.argv[1:], "model": str(model), "least_score": least_score}
    written = _write(out, scan, found, reach, summary)
    for name, count in Counter(map(found.name, range(len(boxes)))).most_common():
        print(f"  {name:<20} {count:>4}")
    print(f"{len(boxes)} boxes within {reach:g} m of the sensor")
    for file in written:
        print(file)


def _say_what_is_missing(scan: Scene, reach: float) -> None:
    """Notes about what was assumed of the scan, and what is not looked at."""
    import numpy as np

    away = np.abs(scan.points[scan.finite, :2]).max(1)
    beyond = float((away > reach).mean()) if len(away) else 0.0
    if beyond > 0.01:
        share = f"{100 * beyond:.0f} % of the points"
        text = f"{share} lie beyond the {reach:g} m around the origin that boxes are found in"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
    text = "one sweep shows no motion: velocities are what is usual for such a thing at such a place, a guess"
    warnings.warn(text, ScanwiseWarning, stacklevel=2)


def _write(out: Path, scan: Scene, found: Named, reach: float, summary: dict[str, Any]) -> list[Path]:
    """All files of the results, or none; gives their paths."""
    from scanwise.files import adding_files, write_json, write_text
    from scanwise.formats.box_files import facts, kitti_lines, nuscenes_submission
    from scanwise.geometry.units import unit_of
    from scanwise.show.boxes import draw_birds_eye, write_boxes_page

    boxes, title = found.boxes, f"{scan.name}: {len(found.boxes)} boxes"
    listed = facts(scan, found)
    texts = [
        f"{fact['class']} {100 * fact['score']:.0f} %, {' x '.join(f'{side:.1f}' for side in size)} m"
        for fact, size in zip(listed, boxes.sizes.tolist(), strict=True)
    ]
    with adding_files(out) as place:
        write_json(place / "boxes.json", summary | {"unit": unit_of(scan), "boxes": listed})
        write_text(place / "kitti.txt", "".join(f"{line}\n" for line in kitti_lines(scan, found)))
        write_json(place / "nuscenes.json", nuscenes_submission(scan, found))
        draw_birds_eye(place / "birds-eye.png", scan.points, boxes, found.names, title=title, reach=reach)
        write_boxes_page(place / "view.html", scan.points, boxes, found.names, texts, title=title)
    return [out / name for name in ("boxes.json", "kitti.txt", "nuscenes.json", "birds-eye.png", "view.html")]
