"""`scanwise info`: what is in a scan, in a few lines."""

from __future__ import annotations

from scanwise.app.console import note
from scanwise.app.options import ColumnsOption, SceneArgument, UnitOption, named
from scanwise.errors import InputError


def info(scene: SceneArgument, unit: UnitOption = None, columns: ColumnsOption = None) -> None:
    """Say what is in a scan: points, extent, columns, pictures.

    Examples:

        scanwise info scan.ply

        scanwise info recordings/kitchen

        scanwise info room.txt --columns x,y,z,r,g,b,label
    """
    from scanwise.app.describe import describe
    from scanwise.formats.registry import read_scene
    from scanwise.geometry.units import check_metres

    found = read_scene(scene, unit=unit, columns=named(columns))
    print(describe(found))
    if unit is None:
        try:
            check_metres(found)
        except InputError as odd:
            note(f"note: {odd} (--unit)")
