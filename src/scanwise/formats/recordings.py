"""Posed RGB-D recordings: which layout a folder has, and a recording into an upright, fused `Scene`."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from scanwise import cache
from scanwise.errors import InputError
from scanwise.formats.recording import Recording
from scanwise.scene import Scene, View

_LAYOUTS = ("transforms_json", "seven_scenes", "scannet", "tum")
_VERSION = "1"
_TRIED = 3  # depth maps looked at for their unit


def recognises(path: Path) -> bool:
    """Whether the folder has one of the layouts."""
    return _layout(path) is not None


def read(path: Path) -> Scene:
    """Reads a recording: its cloud, or one fused from its depth maps and kept in the cache; turned z-up.

    Raises:
        InputError: damaged, without poses, or without both depth and cloud; depth in a wrong unit.
    """
    layout = _layout(path)
    assert layout is not None, "callers ask `recognises` first"
    recording = layout.load(path)
    scene = _cloud(path, recording)
    scene.name = path.resolve().name
    return scene if recording.z_up else _turned_up(scene, recording)


def pictures(path: Path) -> list[View]:
    """The views of a recording that `recognises` knows, in its own frame, without reading or fusing any depth."""
    layout = _layout(path)
    assert layout is not None, "callers ask `recognises` first"
    recording: Recording = layout.load(path)
    return recording.views


def _layout(path: Path) -> ModuleType | None:
    modules = (importlib.import_module(f"scanwise.formats.{name}") for name in _LAYOUTS)
    return next((module for module in modules if module.recognises(path)), None)


def _cloud(path: Path, recording: Recording) -> Scene:
    if recording.cloud is not None:
        from scanwise.formats.registry import read_scene

        check_depth_unit(path, recording.views)
        scene = read_scene(recording.cloud)
        moved = np.linalg.inv(scene.to_source)
        return replace(scene, views=[view.moved(moved) for view in recording.views])
    if not any(view.depth_raster for view in recording.views):
        raise InputError(f"{path}: neither depth maps nor a point cloud; export one of them with the recording")

    def make() -> dict[str, np.ndarray]:
        from scanwise.formats.fusion import fuse

        check_depth_unit(path, recording.views)
        points, colors, normals = fuse(recording.views)
        return {"points": points, "colors": colors, "normals": normals}

    key = cache.key_of(_VERSION, *(view.digest() for view in recording.views))
    fused = cache.arrays("fused", key, make)
    return Scene(fused["points"], fused["colors"], fused["normals"], views=recording.views)


def check_depth_unit(path: Path, views: list[View]) -> None:
    """Checks the unit of the first depth maps by their median.

    Raises:
        InputError: it is not that which the layout says.
    """
    rasters = [view.depth_raster for view in views if view.depth_raster is not None][:_TRIED]
    readings = [raster.read() for raster in rasters]
    positive = np.concatenate([depth[depth > 0] for depth in readings] or [np.zeros(0)])
    median = float(np.median(positive)) if len(positive) else 1.0
    if not 0.05 <= median <= 100:
        raise InputError(
            f"{path}: the median depth is {median:.3g} m, so the unit must be another; put "
            '{"depth_scale": UNITS_PER_METRE} into calibration.json beside the frames'
        )


def _turned_up(scene: Scene, recording: Recording) -> Scene:
    from scanwise.geometry.upright import upright_rotation

    normals = np.zeros((len(scene), 3), np.float32) if scene.normals is None else scene.normals
    rotation = upright_rotation(scene.points, normals, recording.views, recording.gravity)
    if rotation is None:
        return scene
    return scene.turned(rotation)
