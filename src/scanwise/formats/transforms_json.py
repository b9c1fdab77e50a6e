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
from scanwise.formats.poses import MISSING, OPENGL, pinhole, pose_of
from scanwise.formats.rasters import upright, without_distortion
from scanwise.formats.recording import PICTURES, Recording, find_file, posed, warn_of_missing
from scanwise.geometry.lenses import Lens, lens_of
from scanwise.scene import Scene, View, scale_intrinsics

NAME = "transforms.json"
_COEFFICIENTS = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
_DEPTHS = ("depth_file_path", "depth_path", "depth")  # of Nerfstudio, of Instant-NGP
_DEPTH_UNITS = ("depth_unit_scale_factor", "integer_depth_scale")
_DEPTH_SUFFIXES = (".png", ".npy", ".tiff", ".tif")
_LENS = ("camera_model", "is_fisheye", "w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y")
_UNDERSTOOD = {*_LENS, *_COEFFICIENTS, *_DEPTHS, *_DEPTH_UNITS, "frames", "file_path", "transform_matrix"}
_UNDERSTOOD |= {"ply_file_path", "written_by"}
_OF_TRAINING = {  # of radiance fields; nothing about the scan
    "aabb", "aabb_scale", "applied_transform", "black_transparent", "colmap_im_id", "colmap_image_id",
    "enable_depth_loading", "fps", "from_na", "n_extra_learnable_dims", "offset", "orientation_override", "render_aabb",
    "scale", "sharpen", "sharpness", "test_filenames", "time", "timestamp", "train_filenames", "up", "val_filenames",
    "white_transparent",
}  # fmt: skip
_NAMED = 6  # keys named in a note
_SQUEEZED = 0.02  # by how much a picture may differ in shape from what is said of it
_WRITER = "scanwise"


def recognises(folder: Path) -> bool:
    """Whether there is a transforms.json."""
    return (folder / NAME).is_file()


def load(folder: Path) -> Recording:
    """The recording, pictures unread; `ply_file_path` is its cloud. Its worlds are z-up.

    Raises:
        InputError: not JSON, without intrinsics, of a camera model that cannot be undone, or most frames are damaged.
    """
    path = folder / NAME
    content = _content(path)
    calibration = read_calibration(folder) or Calibration()
    entries = {_name(number, entry): entry for number, entry in enumerate(content["frames"])}
    if not entries:
        raise InputError(f"{path}: no frames in it")
    pictures = {name: find_file(folder, name, PICTURES) for name in entries}
    poses = posed(((name, _pose(pictures[name], entry)) for name, entry in entries.items()), folder)
    shared = {key: value for key, value in content.items() if key != "frames"}
    beside = _depth_beside(folder, content)
    views, missing = [], list[str]()
    for name, pose in poses:
        entry, picture = {**shared, **entries[name]}, pictures[name]
        assert picture is not None
        named = next((str(entry[key]) for key in _DEPTHS if entry.get(key)), None)
        depth = find_file(folder, named) if named else None
        if beside:
            depth = find_file(folder / beside, picture.stem, _DEPTH_SUFFIXES)
        if named and not depth:
            missing.append(named)
        views.append(_view(path, name, entry, (picture, depth), pose, calibration))
    warn_of_missing("depth", missing, len(poses), path)
    _warn_of_shapes(path, views[0], {**shared, **entries[views[0].name]})
    _warn_of_unused(path, content)
    return Recording(views, cloud=_cloud(folder, content), z_up=True, opengl=True)


def _depth_beside(folder: Path, content: Mapping[str, Any]) -> str:
    """The folder of depth maps that no frame names, which are called like the pictures; "" without."""
    named = any(entry.get(key) for entry in content["frames"] if isinstance(entry, dict) for key in _DEPTHS)
    beside = next((name for name in ("depth", "depths") if not named and (folder / name).is_dir()), "")
    if beside:
        text = f"{folder / NAME}: names no depth; the maps in {beside}/ that are called like the pictures are taken"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)
    return beside


def _name(number: int, entry: Any) -> str:
    return str(entry.get("file_path")) if isinstance(entry, dict) else f"entry {number}"


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
    named = content.get("ply_file_path")
    if not named:
        return None
    cloud = find_file(folder, str(named))
    if cloud is None:
        warnings.warn(
            f"{folder / str(named)}: not there; the depth maps are fused instead", ScanwiseWarning, stacklevel=3
        )
    return cloud


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


def _pose(picture: Path | None, entry: Any) -> np.ndarray | str:
    """Of the picture, OpenCV axes; or why there is none."""
    if not isinstance(entry, dict) or entry.get("transform_matrix") is None:
        return MISSING
    if picture is None:
        return "no picture of that name"
    pose = pose_of(entry["transform_matrix"])
    return pose if isinstance(pose, str) else pose @ OPENGL


def _view(
    path: Path, name: str, entry: Mapping[str, Any], files: tuple[Path, Path | None], pose: np.ndarray,
    calibration: Calibration,
) -> View:  # fmt: skip
    stored = ImageFile(files[0])
    image = upright(stored, _said_size(entry, stored.size()))
    intrinsics = calibration.color.matrix() if calibration.color else _intrinsics(path, image.size(), entry)
    depth = None
    if files[1] is not None:
        depth = calibration.depth_file(files[1], calibration.depth_scale or 1 / _metres_per_unit(path, entry))
    depth_intrinsics = calibration.depth.matrix() if calibration.depth else None
    depth_to_world = None
    if calibration.depth_to_color is not None or calibration.color_to_depth is not None:
        depth_to_world = pose @ calibration.depth_to_color_matrix()  # transform_matrix is the picture's pose
    view = View(image, intrinsics, pose, depth, depth_intrinsics, depth_to_world, name)
    return without_distortion(view, _lens(path, entry))


def _said_size(entry: Mapping[str, Any], size: tuple[int, int]) -> tuple[float, float]:
    """(H, W) that w and h say, or those of the picture."""
    said = entry.get("h"), entry.get("w")
    return said if all(isinstance(side, int | float) for side in said) else size  # type: ignore[return-value]


def _lens(path: Path, entry: Mapping[str, Any]) -> Lens | None:
    model = "OPENCV_FISHEYE" if entry.get("is_fisheye") else str(entry.get("camera_model") or "")
    try:
        given = {key: float(entry[key]) for key in _COEFFICIENTS if entry.get(key) is not None}
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: k1, k2, p1, ... of the lens must be numbers ({error})") from error
    return lens_of(model, given, path)


def _metres_per_unit(path: Path, entry: Mapping[str, Any]) -> float:
    key = next((key for key in _DEPTH_UNITS if key in entry), _DEPTH_UNITS[0])
    given = entry.get(key, 0.001)
    if not isinstance(given, int | float) or not 0 < given < math.inf:
        raise InputError(f"{path}: {key} must be metres per stored unit, such as 0.001; is {given!r}")
    return float(given)


def _intrinsics(path: Path, size: tuple[int, int], entry: Mapping[str, Any]) -> np.ndarray:
    """(3, 3), in pixels of a picture (H, W); the file counts pixel corners, we count centres."""
    height, width = size
    try:
        named_width, named_height = float(entry.get("w", width)), float(entry.get("h", height))
        fx, fy = (_focal(entry, axis, side) for axis, side in (("x", named_width), ("y", named_height)))
        fx, fy = fy if fx is None else fx, fx if fy is None else fy
        cx, cy = float(entry.get("cx", named_width / 2)), float(entry.get("cy", named_height / 2))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: no focal length; give fl_x or camera_angle_x, in numbers") from error
    if fx is None or fy is None:
        raise InputError(f"{path}: no focal length; give fl_x or camera_angle_x, in numbers")
    numbers = (fx, fy, named_width, named_height)
    if not (all(0 < number < math.inf for number in numbers) and abs(cx) + abs(cy) < math.inf):
        raise InputError(f"{path}: focal lengths and w, h must be positive; they are {numbers}")
    sx, sy = width / named_width, height / named_height
    return pinhole(np.array([[fx * sx, 0, cx * sx - 0.5], [0, fy * sy, cy * sy - 0.5], [0, 0, 1]]), path)


def _focal(entry: Mapping[str, Any], axis: str, side: float) -> float | None:
    """Focal length along an axis of a picture whose side it is, None where nothing is said."""
    if f"fl_{axis}" in entry:
        return float(entry[f"fl_{axis}"])
    angle = entry.get(f"camera_angle_{axis}")
    return None if angle is None else 0.5 * side / math.tan(0.5 * float(angle))


def _warn_of_shapes(path: Path, view: View, entry: Mapping[str, Any]) -> None:
    """Says of a picture that is not of the shape that w and h say."""
    height, width = view.image_size
    said_height, said_width = _said_size(entry, (height, width))
    if abs(width * said_height - height * said_width) > _SQUEEZED * width * said_height:
        warnings.warn(
            f"{path}: w and h say {said_width}x{said_height}, the pictures are {width}x{height}: taken as squeezed. If "
            "they were cropped or turned, shapes are wrong: give w, h, fl_x, fl_y, cx, cy of the pictures as they are",
            ScanwiseWarning,
            stacklevel=3,
        )


def _warn_of_unused(path: Path, content: Mapping[str, Any]) -> None:
    known = _UNDERSTOOD | _OF_TRAINING
    frames = {key for entry in content["frames"] if isinstance(entry, dict) for key in entry}
    unused = sorted(map(str, content.keys() - known)) + sorted(f"{key} of frames" for key in frames - known)
    if unused:
        more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
        text = f"{path}: not understood and not used: {', '.join(unused[:_NAMED])}{more}"
        warnings.warn(text, ScanwiseWarning, stacklevel=3)


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
        "transform_matrix": (view.camera_to_world @ OPENGL).tolist(),
    }
