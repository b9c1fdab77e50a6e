"""`scanwise convert`: a scan in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scanwise.app.options import ColumnsOption, SceneArgument, UnitOption, named


def convert(
    scene: SceneArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to; the suffix names the format.")],
    unit: UnitOption = None,
    columns: ColumnsOption = None,
) -> None:
    """Write a scan in another format; a name without suffix makes a scanwise scene folder.

    Coordinates stay as they are in all formats but a scene folder, which is in metres inside and keeps the way back.

    Examples:

        scanwise convert scan.laz scan.ply

        scanwise convert recordings/kitchen kitchen.pcd

        scanwise convert recordings/kitchen scenes/kitchen

        scanwise convert hall.ply scenes/hall --unit mm

        scanwise convert Area_1_office_7.npy office.ply --columns x,y,z,r,g,b,label
    """
    from scanwise.formats.registry import read_scene, write_scene

    converted = read_scene(scene, unit=unit, columns=named(columns))
    write_scene(converted, out)
    print(f"{out}: {len(converted):,} points")
