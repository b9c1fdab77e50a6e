"""The unit that a scan's numbers are in: metres inside, the file's own outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scanwise.errors import InputError
from scanwise.geometry.extents import main_box
from scanwise.scene import Box, Scene

METRES = {"m": 1.0, "mm": 0.001, "cm": 0.01, "ft": 0.3048, "in": 0.0254}
_WORDS = {"mm": "millimetres", "cm": "centimetres", "in": "inches"}
_STOREY = (1.8, 8.0)  # metres that a room or a hall is high
_NO_SCAN = 1500.0  # metres: nothing that is scanned at once is so large along all three axes
_LARGE, _SPARSE = 60.0, 0.25  # metres along all three axes, and from point to point: buildings are scanned finer


def in_metres(scene: Scene, unit: str) -> Scene:
    """The scene in metres, where its file's numbers are in another unit.

    Args:
        scene: as it was read; what its reader already knows of the unit (LAS may name it) is not applied twice.
        unit: "m", "mm", "cm", "ft" or "in".

    Raises:
        InputError: no such unit, or depth maps, which have a unit of their own.
    """
    if unit not in METRES:
        raise InputError(f"unit {unit!r}: choose one of {', '.join(METRES)}", option="unit")
    factor = METRES[unit] * _per_metre(scene)
    if np.isclose(factor, 1, rtol=1e-4):
        return scene
    if any(view.depth_raster is not None for view in scene.views):
        text = f"{scene.name}: a recording's depth has a unit of its own; put depth_scale into its calibration.json"
        raise InputError(text, option="unit")
    scale = np.diag([factor, factor, factor, 1.0])
    views = [replace(view, camera_to_world=_moved(view.camera_to_world, factor)) for view in scene.views]
    return replace(
        scene,
        points=scene.points * np.float32(factor),
        views=views,
        boxes=[_scaled(box, factor) for box in scene.boxes],
        to_source=scene.to_source @ np.linalg.inv(scale),
        source_points=scene.points_in_source(),
    )


def unit_of(scene: Scene) -> str:
    """The unit of the scene's file, "m" or another of `METRES`; "units" where it is none of them."""
    per_metre = _per_metre(scene)
    return next((unit for unit, metres in METRES.items() if np.isclose(metres * per_metre, 1, rtol=1e-3)), "units")


def check_metres(scene: Scene) -> None:
    """Refuses a scan whose numbers cannot be metres.

    That is one of more than 1500 m along all three axes; or of more than 60 m, with a quarter of a metre and more from
    point to point, as no building is scanned, and the walls of one.

    Raises:
        InputError: the extent, and the unit that it looks like.
    """
    low, high = main_box(scene.points)
    sides = np.sort(high - low)
    if not sides[0] > _LARGE:
        return
    apart = np.sqrt(2 * (sides[0] * sides[1] + sides[0] * sides[2] + sides[1] * sides[2]) / len(scene))
    if not (sides[0] > _NO_SCAN or (apart > _SPARSE and _has_walls(scene))):
        return
    unit = next((unit for unit in _WORDS if _STOREY[0] <= sides[0] * METRES[unit] <= _STOREY[1]), "")
    length, width, height = high - low
    guess = f"{_WORDS[unit]}? Say so with unit {unit}" if unit else f"not metres? Say its unit, {', '.join(METRES)}"
    raise InputError(f"{scene.name}: {length:,.0f} x {width:,.0f} m and {height:,.0f} m high: {guess}", option="unit")


def _has_walls(scene: Scene) -> bool:
    from scanwise.geometry.vertical import sampled_normals, squareness

    return squareness(sampled_normals(scene)[1]) > 0.5


def _per_metre(scene: Scene) -> float:
    """Units of the file that a metre is long."""
    return float(abs(np.linalg.det(scene.to_source[:3, :3])) ** (1 / 3))


def _moved(pose: np.ndarray, factor: float) -> np.ndarray:
    moved = np.array(pose, np.float64)
    moved[:3, 3] *= factor
    return moved


def _scaled(box: Box, factor: float) -> Box:
    x, y, z = (factor * value for value in box.center)
    length, width, height = (factor * value for value in box.size)
    velocity = None if box.velocity is None else (factor * box.velocity[0], factor * box.velocity[1])
    return replace(box, center=(x, y, z), size=(length, width, height), velocity=velocity)
