"""`scanwise annotate`: a mask and the sentence that asks for it, as a line of a file to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from scanwise.errors import InputError
from scanwise.files import replacing

if TYPE_CHECKING:
    from scanwise.scene import Scene

_FLOOR_SHARE = 1  # per cent of the points that lie below the floor's height


def annotate(
    scene: Annotated[Path, typer.Argument(metavar="SCENE", help="A point cloud, a mesh, or a recording's folder.")],
    text: Annotated[str, typer.Argument(metavar="SENTENCE", help="What asks for it.")],
    to: Annotated[Path, typer.Option("--to", help="File that gets the line (JSONL).")] = Path("annotations.jsonl"),
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
) -> None:
    """Mark one thing in a scan and say what asks for it; the line can be trained on.

    Coordinates are those of the scan's own file. Several ways at once take all that any of them takes.

    Examples:

        scanwise annotate kitchen.ply "the kettle" --point 1.20,0.35,0.98 --point 1.22,0.31,1.10

        scanwise annotate kitchen.ply "the table by the window" --lasso 0,0,1.4,0,1.4,0.9,0,0.9 --to ours.jsonl

        scanwise annotate kitchen.ply "the piano" --absent --to ours.jsonl

        scanwise train less --from ours.jsonl --init less-rooms
    """
    from scanwise.data.annotations import Annotation, append
    from scanwise.formats.registry import read_scene

    if absent is bool(box or lasso or point):
        raise InputError("say where it is with --box, --lasso or --point, or that it is not there with --absent")
    cloud = read_scene(scene)
    mask = np.zeros(len(cloud), bool)
    if box:
        mask |= _boxed(cloud, box)
    if lasso:
        mask |= _lassoed(cloud, lasso, heights)
    if point:
        mask |= _clicked(cloud, point, reach, color)
    append(Annotation(scene, text, mask), to)
    if picture is not None:
        _draw(cloud, mask, picture)
    if absent:
        print(f'{to}: "{text}" means nothing in {scene}')
        return
    size = " x ".join(f"{extent:.2f}" for extent in np.ptp(cloud.points[mask], axis=0))
    print(f'{to}: "{text}", {int(mask.sum()):,} points, {size} m')


def _boxed(cloud: Scene, box: str) -> np.ndarray:
    from scanwise.geometry.selection import in_box

    corners = _numbers(box, "--box", 6)
    return in_box(cloud.points_in_source(), corners[:3].tolist(), corners[3:].tolist())


def _lassoed(cloud: Scene, lasso: str, heights: str) -> np.ndarray:
    """The plan's axes are the file's two that are not its vertical one, in their order."""
    from scanwise.geometry.selection import in_lasso

    up = np.abs(cloud.to_source[:3, 2])
    if up.max() < 0.9 * np.linalg.norm(up):
        raise InputError("--lasso: no axis of this scan is vertical; use --box or --point")
    corners = _numbers(lasso, "--lasso").reshape(-1, 2) if lasso.count(",") % 2 else None
    if corners is None:
        raise InputError(f"--lasso {lasso}: write x,y of each corner, one after the other")
    low, high = np.sort(_numbers(heights, "--heights", 2))
    height = cloud.points[:, 2] - np.percentile(cloud.points[cloud.finite, 2], _FLOOR_SHARE)
    plan = np.delete(cloud.points_in_source(), int(up.argmax()), 1)
    level = np.flatnonzero((height >= low) & (height <= high))
    mask = np.zeros(len(cloud), bool)
    mask[level] = in_lasso(plan[level], corners)
    return mask


def _clicked(cloud: Scene, clicks: list[str], reach: float, color: float) -> np.ndarray:
    from scanwise.geometry.selection import grown

    own = np.stack([_numbers(click, "--point", 3) for click in clicks])
    to_scene = np.linalg.inv(cloud.to_source)
    places = own @ to_scene[:3, :3].T + to_scene[:3, 3]
    rows = np.flatnonzero(cloud.finite)
    colors = None if cloud.colors is None else cloud.colors[rows]
    normals = None if cloud.normals is None else cloud.normals[rows]
    mask = np.zeros(len(cloud), bool)
    mask[rows] = grown(cloud.points[rows], colors, normals, places, color=color, reach=reach)
    return mask


def _numbers(text: str, option: str, count: int | None = None) -> np.ndarray:
    try:
        values = np.array([float(part) for part in text.split(",")])
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all() or (count is not None and len(values) != count):
        wanted = f"{count} numbers" if count is not None else "numbers"
        raise InputError(f"{option} {text}: write {wanted} with commas between, such as 1.2,0.4,0.9")
    return values


def _draw(cloud: Scene, mask: np.ndarray, path: Path) -> None:
    from PIL import Image

    from scanwise.app.crop import FOUND, muted
    from scanwise.app.raster import draw_cloud

    colors = muted(cloud)
    colors[mask] = FOUND
    shown = cloud.finite
    normals = None if cloud.normals is None else cloud.normals[shown]
    with replacing(path) as temporary:
        drawn = draw_cloud(cloud.points[shown], colors[shown].astype(np.uint8), normals=normals)
        Image.fromarray(drawn).save(temporary)
