"""Posed RGB-D recordings: which layout a folder has, and a recording into an upright, fused `Scene`."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np

from scanwise import cache
from scanwise.errors import InputError, ScanwiseWarning
from scanwise.formats.agreement import Agreement, chosen, fit, is_plausible, look, median_depth, overlap
from scanwise.formats.calibration import read_calibration
from scanwise.formats.misreadings import reread
from scanwise.formats.recording import Recording, posed
from scanwise.formats.unused import warn_of_unused
from scanwise.scene import Scene, View

_LAYOUTS = ("transforms_json", "seven_scenes", "scannet", "tum", "record3d", "polycam", "colmap")
_VERSION = "1"
_TRIED = 3  # depth maps looked at for their unit
_CLOUDS = (".ply", ".pcd", ".las", ".laz", ".xyz", ".pts", ".ptx", ".e57", ".obj", ".glb", ".gltf", ".stl", ".off")
_FITS = 0.5  # share of a cloud's points in sight that the frames must show


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
    recording: Recording = layout.load(path)
    try:
        scene = _scene(path, recording)
    except InputError:
        readable = _readable(path, recording.views)
        if len(readable) == len(recording.views):
            raise
        recording = replace(recording, views=[view for view in recording.views if view.name in readable])
        scene = _scene(path, recording)
    warn_of_unused(path, recording.views)
    scene.name = path.resolve().name if path.is_dir() else path.stem
    return scene


def pictures(path: Path) -> list[View]:
    """The views of a recording that `recognises` knows, in its own frame, without reading or fusing any depth."""
    layout = _layout(path)
    assert layout is not None, "callers ask `recognises` first"
    recording: Recording = layout.load(path)
    return recording.views


def _scene(path: Path, recording: Recording) -> Scene:
    said = read_calibration(path)
    recording = reread(path, recording, any_unit=said is None or said.depth_scale is None)
    scene = _cloud(path, recording)
    return scene if recording.z_up else _turned_up(scene, recording)


def _readable(path: Path, views: list[View]) -> set[str]:
    """Names of the views whose pictures can be decoded; the others are counted in a warning."""

    def damage(view: View) -> np.ndarray | str:
        for what, raster in (("picture", view.image_raster), ("depth", view.depth_raster)):
            try:
                if raster is not None:
                    raster.read()
            except InputError:
                return f"its {what} is truncated or corrupt"
        return view.camera_to_world

    return {name for name, _ in posed(((view.name, damage(view)) for view in views), path)}


def _layout(path: Path) -> ModuleType | None:
    modules = (importlib.import_module(f"scanwise.formats.{name}") for name in _LAYOUTS)
    return next((module for module in modules if module.recognises(path)), None)


def _cloud(path: Path, recording: Recording) -> Scene:
    given = recording.cloud or _lying_beside(path)
    if given is not None:
        scene = _with_views(given, recording)
        if _takes(path, given, scene, recording):
            return scene
    if not any(view.depth_raster for view in recording.views):
        if recording.points is not None:
            return replace(recording.points, views=recording.views)
        raise InputError(f"{path}: neither depth maps nor a point cloud; export one of them with the recording")

    def make() -> dict[str, np.ndarray]:
        from scanwise.formats.fusion import fuse

        check_depth_unit(path, recording.views)
        points, colors, normals = fuse(recording.views)
        return {"points": points, "colors": colors, "normals": normals}

    key = cache.key_of(_VERSION, *(view.digest() for view in recording.views))
    fused = cache.arrays("fused", key, make)
    return Scene(fused["points"], fused["colors"], fused["normals"], views=recording.views)


def _with_views(cloud: Path, recording: Recording) -> Scene:
    """The cloud of a recording, as it is read, with the views in its frame."""
    from scanwise.formats.registry import read_scene

    scene = read_scene(cloud)
    moved = np.linalg.inv(scene.to_source)
    return replace(scene, views=[view.moved(moved) for view in recording.views])


def _takes(path: Path, cloud: Path, scene: Scene, recording: Recording) -> bool:
    """Whether a cloud is taken: one that the recording names always, one that lies beside it where it fits."""
    check_depth_unit(path, recording.views)
    shown: Agreement | None = None
    if any(view.depth_raster for view in scene.views):
        shown = fit(scene.points, [look(view) for view in chosen(scene.views)])
    elif recording.points is not None:
        shown = overlap(recording.points.points, scene.points_in_source())
    named = recording.cloud is not None
    fits = shown is None or (shown.share >= _FITS if shown.known else named)
    if fits and named:
        return True
    if fits:
        text = f"{cloud.name} beside the frames is the cloud" + (", unchecked" if shown is None else "")
    else:
        seen = f"{shown.share:.0%}" if shown is not None and shown.known else "hardly any"
        text = f"{cloud.name} does not lie where the frames are: {seen} of it is where they say. It is " + (
            "used all the same" if named else "not used"
        )
    warnings.warn(f"{path}: {text}", ScanwiseWarning, stacklevel=4)
    return fits or named


def _lying_beside(path: Path) -> Path | None:
    """The one cloud in a recording's folder; of several, none is taken, and a warning names them."""
    if not path.is_dir():
        return None
    clouds = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in _CLOUDS and entry.is_file())
    if len(clouds) > 1:
        names = ", ".join(cloud.name for cloud in clouds[:4]) + (", ..." if len(clouds) > 4 else "")
        text = f"{path}: {len(clouds)} clouds lie beside the frames and none is used ({names}); leave the one to label"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    return clouds[0] if len(clouds) == 1 else None


def check_depth_unit(path: Path, views: list[View]) -> None:
    """Checks the unit of the first depth maps by their median.

    Raises:
        InputError: it is not that which the layout says.
    """
    rasters = [view.depth_raster for view in views if view.depth_raster is not None][:_TRIED]
    median = median_depth(raster.read() for raster in rasters)
    if not is_plausible(median):
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
