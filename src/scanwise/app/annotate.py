"""`scanwise annotate`: a mask and the sentence that asks for it, as a line of a file to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanwise.app.options import ColumnsOption, SceneArgument, UnitOption, UpOption, named, read_scan
from scanwise.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from scanwise.scene import Scene


def annotate(
    scene: SceneArgument,
    text: Annotated[str, typer.Argument(metavar="SENTENCE", help="What asks for it.")],
    out: Annotated[Path, typer.Option("--to", help="File that gets the line (JSONL).")] = Path("annotations.jsonl"),
    box: Annotated[str | None, typer.Option("--box", metavar="X,Y,Z,X,Y,Z", help="Two opposite corners.")] = None,
    lasso: Annotated[
        str | None, typer.Option("--lasso", metavar="X,Y,X,Y,...", help="Corners of a polygon seen from above.")
    ] = None,
    heights: Annotated[
        str, typer.Option("--heights", metavar="LOW,HIGH", help="Metres above the floor that a lasso takes.")
    ] = "0.05,2.2",
    point: Annotated[
        list[str] | None, typer.Option("--point", metavar="X,Y,Z", help="A click on it, grown along the surface.")
    ] = None,
    reach: Annotated[float, typer.Option("--reach", help="Metres from a click that it may grow.")] = 1.5,
    color: Annotated[float, typer.Option("--color", help="Largest difference from the clicked colour.")] = 15.0,
    absent: Annotated[bool, typer.Option("--absent", help="Nothing in the scene is meant.")] = False,
    picture: Annotated[Path | None, typer.Option("--picture", help="PNG of what was taken.")] = None,
    up: UpOption = "auto",
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Mark one thing in a scan and say what asks for it; the line can be trained on.

    Coordinates are those of the scan's own file, in its unit; heights and reach are metres. Several ways at once take
    all that any of them takes.

    Examples:

        scanwise annotate kitchen.ply "the kettle" --point 1.20,0.35,0.98 --point 1.22,0.31,1.10

        scanwise annotate kitchen.ply "the table by the window" --lasso 0,0,1.4,0,1.4,0.9,0,0.9 --to ours.jsonl

        scanwise annotate kitchen.ply "the piano" --absent --to ours.jsonl

        scanwise train less --from ours.jsonl --init less-rooms
    """
    import numpy as np

    from scanwise.data.annotations import Annotation, append
    from scanwise.geometry.selection import select_box, select_clicks, select_lasso
    from scanwise.geometry.units import unit_of

    if absent is bool(box or lasso or point):
        raise InputError("say where it is with --box, --lasso or --point, or that it is not there with --absent")
    scan = read_scan(scene, up, unit, columns)
    mask = np.zeros(len(scan), bool)
    if box:
        corners = _numbers(box, "--box", 6)
        mask |= select_box(scan, corners[:3].tolist(), corners[3:].tolist())
    if lasso:
        corners = _numbers(lasso, "--lasso")
        if len(corners) % 2:
            raise InputError(f"--lasso {lasso}: write x,y of each corner, one after the other")
        mask |= select_lasso(scan, corners.reshape(-1, 2), _numbers(heights, "--heights", 2).tolist())
    if point:
        clicks = np.stack([_numbers(click, "--point", 3) for click in point])
        mask |= select_clicks(scan, clicks, color=color, reach=reach)
    append(Annotation(scene, text, mask, up, unit, named(columns)), out)
    if picture is not None:
        _draw(scan, mask, picture)
    if absent:
        print(f'{out}: "{text}" means nothing in {scene}')
        return
    size = " x ".join(f"{extent:.2f}" for extent in np.ptp(scan.points_in_source()[mask], axis=0))
    print(f'{out}: "{text}", {int(mask.sum()):,} points, {size} {unit_of(scan)}')


def _numbers(text: str, option: str, count: int | None = None) -> np.ndarray:
    import numpy as np

    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all() or (count is not None and len(values) != count):
        wanted = f"{count} numbers" if count is not None else "numbers"
        raise InputError(f"{option} {text}: write {wanted} with commas between, such as 1.2,0.4,0.9")
    return values


def _draw(scan: Scene, mask: np.ndarray, path: Path) -> None:
    from PIL import Image

    from scanwise.app.crop import FOUND, muted
    from scanwise.files import replacing
    from scanwise.show.raster import draw_cloud

    colors = muted(scan)
    colors[mask] = FOUND
    shown = scan.finite
    normals = None if scan.normals is None else scan.normals[shown]
    with replacing(path) as temporary:
        drawn = draw_cloud(scan.points[shown], colors[shown].astype("uint8"), normals=normals)
        Image.fromarray(drawn).save(temporary)
