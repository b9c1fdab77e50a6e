"""A scan as everything inside expects it: in metres, upright, without strays; the way back stays in the scene."""

from __future__ import annotations

from scanwise.geometry.extents import without_strays
from scanwise.geometry.units import check_metres, in_metres
from scanwise.geometry.upright import stand_up
from scanwise.scene import Scene


def brought_inside(scene: Scene, *, up: str = "auto", unit: str | None = None) -> Scene:
    """The same scene in metres and upright; points that lie far from all others keep their row and are left out.

    Rows, and what writers write, stay those of the scene as it was read. Each change is said in a warning.

    Args:
        scene: as it was read.
        up: axis of its file that points up (x, y, z, -x, -y, -z); "auto" = found from floor, walls and cameras, and z
            where they say nothing else.
        unit: that its file's numbers are in ("m", "mm", "cm", "ft", "in"); None = metres, or what the reader knows.

    Raises:
        InputError: no such axis or unit, or without a unit numbers that cannot be metres.
    """
    if unit is None:
        check_metres(scene)
    else:
        scene = in_metres(scene, unit)
    return stand_up(without_strays(scene), up)
