"""`transforms.json` of Nerfstudio, Instant-NGP, Polycam and Record3D: posed pictures with OpenGL cameras."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.files import ImageFile, read_bytes, read_json, replacing_folder
from scanwise.formats.calibration import Calibration, read_calibration
from scanwise.formats.poses import rigid
from scanwise.formats.recording import Recording, posed
from scanwise.scene import Scene, View, scale_intrinsics

NAME = "transforms.json"
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL's camera looks along -z with y up
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_NOTICEABLE = 0.02
_WRITER = "scanwise"


def recognises(folder: Path) -> bool:
    """Whether there is a transforms.json."""
    return (folder / NAME).is_file()


def load(folder: Path) -> Recording:
    """The recording, pictures unread; `ply_file_path` is its cloud. Its worlds are z-up.

    Raises:
        InputError: not JSON, or a frame without a picture or pose or intrinsics.
    """
    path = folder / NAME
    content = _content(path)
    calibration = read_calibration(folder) or Calibration()
    entries = {str(entry.get("file_path")): entry for entry in content["frames"] if isinstance(entry, dict)}
    if not entries:
        raise InputError(f"{path}: no frames in it")
    poses = posed(((name, _pose(path, name, entry)) for name, entry in entries.items()), folder)
    views = [_view(folder, name, {**content, **entries[name]}, pose, calibration) for name, pose in poses]
    _warn_of_distortion(path, content)
    return Recording(views, cloud=_cloud(folder, content), z_up=True)


def write(scene: Scene, folder: Path) -> None:
    """Writes views and points as a recording, in the scene's own upright frame, metres.

    That is images/, depth/ (16-bit millimetres), points.ply and transforms.json.

    Raises:
        OutputError: the scene has no views, or something is there that this function did not write.
    """
    from PIL import Image

    from scanwise.formats import ply

    if not scene.views:
        raise OutputError(f"{folder / NAME}: the scan has no pictures, so there is nothing to list in it")
    if folder.exists() and not _is_ours(folder):
        raise OutputError(f"{folder}: is there and holds what scanwise did not write; choose a new folder")
    apart = sum(_has_own_depth_camera(view) for view in scene.views)
    if apart:
        warnings.warn(
            f"{folder}: the depth of {apart} frames is left out, as transforms.json has one camera for colour and "
            "depth; the points carry the shape",
            ScanwiseWarning,
            stacklevel=2,
        )
    with replacing_folder(folder) as place:
        for name in ("images", "depth"):
            (place / name).mkdir()
        frames = []
        for number, view in enumerate(scene.views):
            image = _write_image(view, place / "images", f"{number:06d}")
            frame = _frame(view, f"images/{image}")
            if view.depth_raster is not None and not _has_own_depth_camera(view):
                frame["depth_file_path"] = f"depth/{number:06d}.png"
                stored = np.clip(np.rint(view.depth_raster.read() * 1000), 0, 65534).astype(np.uint16)
                Image.fromarray(stored).save(place / frame["depth_file_path"])
            frames.append(frame)
        content: dict[str, Any] = {"camera_model": "OPENCV", "written_by": _WRITER, "frames": frames}
        if len(scene):
            content["ply_file_path"] = "points.ply"
            ply.write(Scene(scene.points, scene.colors, scene.normals), place / "points.ply")
        (place / NAME).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _is_ours(folder: Path) -> bool:
    """Whether the folder is empty or holds what `write` made and nothing else, so that nothing is lost."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    if NAME not in names:
        return not names
    try:
        content = _content(folder / NAME)
    except InputError:
        return False
    return content.get("written_by") == _WRITER and names <= {NAME, "images", "depth", "points.ply"}


def _cloud(folder: Path, content: Mapping[str, Any]) -> Path | None:
    if not content.get("ply_file_path"):
        return None
    cloud = folder / str(content["ply_file_path"])
    if cloud.is_file():
        return cloud
    warnings.warn(f"{cloud}: not there; the depth maps are fused instead", ScanwiseWarning, stacklevel=3)
    return None


def _has_own_depth_camera(view: View) -> bool:
    if view.depth_raster is None:
        return False
    size = view.depth_raster.size()
    intrinsics, pose = view.depth_camera(size)
    same_lens = np.allclose(intrinsics, scale_intrinsics(view.intrinsics, view.image_size, size), atol=0.01)
    return not (same_lens and np.allclose(pose, view.camera_to_world, atol=1e-6))


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list):
        raise InputError(f'{path}: has no list "frames"')
    return content


def _pose(path: Path, name: str, entry: Mapping[str, Any]) -> np.ndarray | None:
    try:
        matrix = np.array(entry.get("transform_matrix"), np.float64)
    except (TypeError, ValueError):
        return None
    if matrix.shape != (4, 4):
        return None
    return rigid(matrix @ _OPENGL, f"{path}: frame {name}")


def _view(folder: Path, name: str, entry: Mapping[str, Any], pose: np.ndarray, calibration: Calibration) -> View:
    image = ImageFile(_picture(folder, name))
    intrinsics = calibration.color.matrix() if calibration.color else _intrinsics(folder / NAME, image, entry)
    depth = None
    if entry.get("depth_file_path"):
        units = calibration.depth_scale or 1 / _metres_per_unit(folder / NAME, entry)
        depth = calibration.depth_file(folder / str(entry["depth_file_path"]), units)
    depth_intrinsics = calibration.depth.matrix() if calibration.depth else None
    depth_to_world = None
    if calibration.depth_to_color is not None or calibration.color_to_depth is not None:
        depth_to_world = pose @ calibration.depth_to_color_matrix()  # transform_matrix is the picture's pose
    return View(image, intrinsics, pose, depth, depth_intrinsics, depth_to_world, name)


def _metres_per_unit(path: Path, entry: Mapping[str, Any]) -> float:
    given = entry.get("depth_unit_scale_factor", 0.001)
    if not isinstance(given, int | float) or not 0 < given < math.inf:
        raise InputError(f"{path}: depth_unit_scale_factor must be metres per stored unit, such as 0.001; is {given!r}")
    return float(given)


def _picture(folder: Path, name: str) -> Path:
    """The picture of that name; Instant-NGP leaves the suffix out."""
    path = folder / name
    return path if path.exists() or path.suffix else path.with_name(path.name + ".png")


def _intrinsics(path: Path, image: ImageFile, entry: Mapping[str, Any]) -> np.ndarray:
    """(3, 3), in pixels of the picture as stored; the file counts pixel corners, we count centres."""
    height, width = image.size()
    try:
        named_width, named_height = float(entry.get("w", width)), float(entry.get("h", height))
        if "fl_x" in entry:
            fx = float(entry["fl_x"])
        else:
            fx = 0.5 * named_width / math.tan(0.5 * float(entry["camera_angle_x"]))
        fy = float(entry.get("fl_y", fx))
        cx, cy = float(entry.get("cx", named_width / 2)), float(entry.get("cy", named_height / 2))
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: no focal length; give fl_x or camera_angle_x, in numbers") from error
    numbers = (fx, fy, named_width, named_height)
    if not (all(0 < number < math.inf for number in numbers) and math.isfinite(cx + cy)):
        raise InputError(f"{path}: focal lengths and w, h must be positive; they are {numbers}")
    sx, sy = width / named_width, height / named_height
    return np.array([[fx * sx, 0, cx * sx - 0.5], [0, fy * sy, cy * sy - 0.5], [0, 0, 1]])


def _warn_of_distortion(path: Path, content: Mapping[str, Any]) -> None:
    places = [content, *(frame for frame in content["frames"] if isinstance(frame, dict))]
    values = {key: [place.get(key) for place in places] for key in _DISTORTION}
    found = [
        key
        for key, given in values.items()
        if any(isinstance(value, int | float) and abs(value) > _NOTICEABLE for value in given)
    ]
    if found:
        warnings.warn(
            f"{path}: lens distortion ({', '.join(found)}) is not undone; labels shift by some pixels towards the "
            "pictures' corners. Undistort the pictures first where that matters",
            ScanwiseWarning,
            stacklevel=3,
        )


def _write_image(view: View, place: Path, stem: str) -> str:
    from PIL import Image

    if isinstance(view.image_raster, ImageFile):
        name = stem + view.image_raster.path.suffix
        (place / name).write_bytes(read_bytes(view.image_raster.path))
    else:
        name = stem + ".png"
        Image.fromarray(view.image).save(place / name)
    return name


def _frame(view: View, name: str) -> dict[str, Any]:
    height, width = view.image_size
    k = view.intrinsics
    return {
        "file_path": name,
        "w": width,
        "h": height,
        "fl_x": float(k[0, 0]),
        "fl_y": float(k[1, 1]),
        "cx": float(k[0, 2] + 0.5),
        "cy": float(k[1, 2] + 0.5),
        "transform_matrix": (view.camera_to_world @ _OPENGL).tolist(),
    }
