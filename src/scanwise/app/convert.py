"""`scanwise convert`: a scan in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scanwise.app.options import SceneArgument
from scanwise.formats.registry import read_scene, write_scene


def convert(
    scene: SceneArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to; the suffix names the format.")],
) -> None:
    """Write a scan in another format; a name without suffix makes a scanwise scene folder.

    Examples:

        scanwise convert scan.laz scan.ply

        scanwise convert recordings/kitchen kitchen.pcd

        scanwise convert recordings/kitchen scenes/kitchen
    """
    converted = read_scene(scene)
    write_scene(converted, out)
    print(f"{out}: {len(converted):,} points")
