"""Our own scene folder: every field of a `Scene`, exactly, in files that other tools can open.

    scene.json               version, name, classes, transform, boxes, sentences, views, names of the attributes
    points.npy               float32 (N, 3), metres, z up; memory-mapped when read, like all arrays here
    colors.npy, normals.npy, intensity.npy, labels.npy, instances.npy, source_points.npy    where known; labels and
                             instances as the smallest integers that hold them, normals of made sets as float16
    attributes/000.npy ...   further columns, in the order of `attributes` in scene.json
    images/000000.jpg ...    the pictures, byte for byte where they came from files or a .sens stream, else PNG
    depths/000000.png ...    the depth maps: files as they were; else 16-bit millimetres, or float32 metres in
                             .npy where millimetres would move a reading by more than half of one

Only `Scene.raw`, a record of the format that the scene came from, stays out.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scanwise.errors import InputError, OutputError, ScanwiseWarning
from scanwise.files import DepthFile, EncodedImage, ImageFile, cannot_write, read_json, replacing_folder
from scanwise.formats.columns import colors_of_16_bits
from scanwise.formats.record3d import PackedImage
from scanwise.formats.scannet_sens import SensImage
from scanwise.scene import Box, Raster, Referral, Scene, View

VERSION = 1

_MARK = "scanwise_scene"
_ARRAYS = ("points", "colors", "normals", "intensity", "labels", "instances", "source_points")
_OURS = {"scene.json", "attributes", "images", "depths", *(f"{name}.npy" for name in _ARRAYS)}
_MATRICES = {
    "intrinsics": (3, 3),
    "camera_to_world": (4, 4),
    "depth_intrinsics": (3, 3),
    "depth_to_world": (4, 4),
}


def recognises(path: Path) -> bool:
    """Whether this is a folder that `write` made."""
    try:
        with (path / "scene.json").open("rb") as file:
            return _MARK.encode() in file.read(100)
    except OSError:
        return False


def read(path: Path) -> Scene:
    """The scene in a folder.

    Raises:
        InputError: a part of it is missing or damaged.
    """
    record = read_json(path / "scene.json", "scene description")
    try:
        if record[_MARK] != VERSION:
            raise InputError(f"{path}: scene folder of version {record[_MARK]}; this scanwise reads {VERSION}")
        _check_types(record)
        arrays = {name: _array(path, f"{name}.npy") for name in record["arrays"]}
        if "source_points" in arrays and arrays["source_points"].shape != arrays["points"].shape:
            raise ValueError(f"source_points is {arrays['source_points'].shape} for points {arrays['points'].shape}")
        names = [(name, f"attributes/{index:03d}.npy") for index, name in enumerate(record["attributes"])]
        return Scene(
            **arrays,
            boxes=[_read_box(box) for box in record.get("boxes", [])],
            classes=record["classes"],
            views=[_read_view(path, view) for view in record["views"]],
            sentences=[_referral(*row) for row in record["sentences"]],
            name=record["name"],
            to_source=_matrix(record["to_source"], (4, 4)),
            attributes={name: _array(path, file) for name, file in names},
            source_format=record["source_format"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path / 'scene.json'}: damaged scene description ({error})") from error


def _check_types(record: dict[str, Any]) -> None:
    """Checks what a scene is made of.

    Raises:
        ValueError: a value is none that a scene has; its key is named.
    """

    def texts(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    right = {
        "name": isinstance(record["name"], str),
        "classes": record["classes"] is None or texts(record["classes"]),
        "source_format": isinstance(record["source_format"], str),
        "arrays": texts(record["arrays"]) and set(record["arrays"]) <= set(_ARRAYS) and "points" in record["arrays"],
        "attributes": texts(record["attributes"]),
    }
    for view in record["views"]:
        depth = view["depth"] or {"per_metre": 1, "far": None}
        right |= {
            "name of a view": isinstance(view["name"], str),
            "intrinsics": view["intrinsics"] is not None,
            "camera_to_world": view["camera_to_world"] is not None,
            "per_metre": _is_positive(depth["per_metre"]),
            "far": depth["far"] is None or _is_positive(depth["far"]),
        }
        if not all(right.values()):
            break
    if wrong := [key for key, is_right in right.items() if not is_right]:
        raise ValueError(f"the value of {wrong[0]} is none that a scene has")


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def write(scene: Scene, path: Path, *, compact: bool = False) -> None:
    """Writes the scene into a folder; one that is a scene folder already is replaced.

    Args:
        scene: what to write.
        path: of the folder.
        compact: normals are rounded to half precision, 0.03 degrees, which no sensor's normals are worth.

    Raises:
        OutputError: something else is at `path`, the scene's own pictures are there under other numbers, or the
            place cannot be written.
    """
    _refuse_other_content(path)
    _refuse_own_pictures(scene, path)
    if colors_of_16_bits(scene):
        text = f"{path}: colours of 16 bits are rounded to 8, as a scene folder has them; .ply and .las keep them"
        warnings.warn(text, ScanwiseWarning, stacklevel=2)
    with replacing_folder(path) as folder:
        arrays = [name for name in _ARRAYS if getattr(scene, name) is not None]
        for name in arrays:
            _save(folder / f"{name}.npy", _stored(name, getattr(scene, name), compact), path)
        for index, column in enumerate(scene.attributes.values()):
            _save(folder / "attributes" / f"{index:03d}.npy", column, path)
        record = {
            _MARK: VERSION,
            "name": scene.name,
            "classes": scene.classes,
            "to_source": scene.to_source.tolist(),
            "source_format": scene.source_format,
            "arrays": arrays,
            "attributes": list(scene.attributes),
            "boxes": [asdict(box) for box in scene.boxes],
            "sentences": [_row(referral) for referral in scene.sentences],
            "views": [_write_view(folder, index, view) for index, view in enumerate(scene.views)],
        }
        (folder / "scene.json").write_text(json.dumps(record, indent=1) + "\n")


def _refuse_other_content(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path}: is a file; a scene folder cannot take its place, choose another name")
    try:
        entries = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise cannot_write(path, error) from error
    if entries and not recognises(path):
        raise OutputError(f"{path}: holds something other than a scene; choose another name or empty it")
    if foreign := sorted(entries - _OURS):
        raise OutputError(f"{path}: {foreign[0]} is no part of the scene there; move it away or choose another name")


def _refuse_own_pictures(scene: Scene, path: Path) -> None:
    """The views of `scene` would show what another one's file holds from then on."""
    for index, view in enumerate(scene.views):
        for raster in (view.image_raster, view.depth_raster):
            file = raster.path if isinstance(raster, ImageFile | DepthFile) else None
            if file and file.stem != f"{index:06d}" and file.resolve().is_relative_to(path.resolve()):
                raise OutputError(
                    f"{path}: view {index} of the scene is {file.name} there; write changed views to another folder"
                )


def _stored(name: str, array: np.ndarray, compact: bool) -> np.ndarray:
    if name in ("labels", "instances") and len(array):
        low, high = array.min(), array.max()
        return array.astype(np.promote_types(np.min_scalar_type(min(int(low), -1)), _signed(int(high))))
    return array.astype(np.float16) if name == "normals" and compact else array


def _signed(value: int) -> np.dtype:
    """The smallest signed integers that hold a value."""
    return np.min_scalar_type(-max(value, 0) - 1)


def _save(path: Path, array: np.ndarray, scene_path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    try:
        np.save(path, array, allow_pickle=False)
    except ValueError as error:
        raise OutputError(f"{scene_path}: a column of type {array.dtype} cannot be stored; leave it out") from error


def _array(folder: Path, file: str) -> np.ndarray:
    try:
        return np.load(folder / file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{folder / file}: is missing from the scene folder") from error
    except Exception as error:  # NumPy's header parser lets through whatever Python's own raises
        said = " ".join(str(error).split())
        raise InputError(f"{folder / file}: truncated or damaged array ({said})") from error


def _matrix(rows: Any, shape: tuple[int, int]) -> np.ndarray:
    matrix = np.array(rows, np.float64)
    if matrix.shape != shape:
        raise ValueError(f"a matrix of {matrix.shape} in place of {shape}")
    return matrix


def _read_box(record: dict[str, Any]) -> Box:
    center, size = (tuple(float(value) for value in record[key]) for key in ("center", "size"))
    velocity = record["velocity"] and tuple(float(value) for value in record["velocity"])
    if len(center) != 3 or len(size) != 3 or (velocity and len(velocity) != 2):
        raise ValueError(f"box of instance {record['instance']}")
    return Box(**record | {"center": center, "size": size, "velocity": velocity})


def _write_view(folder: Path, index: int, view: View) -> dict[str, Any]:
    record: dict[str, Any] = {"name": view.name, "image": _write_image(folder, index, view.image_raster)}
    for name in _MATRICES:
        matrix = getattr(view, name)
        record[name] = None if matrix is None else np.asarray(matrix).tolist()
    record["depth"] = None if view.depth_raster is None else _write_depth(folder, index, view.depth_raster)
    return record


def _read_view(folder: Path, record: dict[str, Any]) -> View:
    matrices = {
        name: None if record[name] is None else _matrix(record[name], shape) for name, shape in _MATRICES.items()
    }
    depth = record["depth"]
    far = float("inf") if depth is None or depth["far"] is None else depth["far"]
    return View(
        image_raster=ImageFile(_inside(folder, record["image"])),
        depth_raster=None if depth is None else DepthFile(_inside(folder, depth["file"]), depth["per_metre"], far),
        name=record["name"],
        **matrices,  # type: ignore[arg-type]
    )


def _inside(folder: Path, file: str) -> Path:
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder / 'scene.json'}: names {file}, which lies outside the scene folder")
    if not path.is_file():
        raise InputError(f"{path}: is missing from the scene folder")
    return path


def _write_image(folder: Path, index: int, raster: Raster) -> str:
    if isinstance(raster, ImageFile):
        return _copied(folder, f"images/{index:06d}", raster.path)
    if isinstance(raster, EncodedImage | SensImage | PackedImage) and raster.suffix:
        file = f"images/{index:06d}{raster.suffix}"
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(raster.data)
        return file
    file = f"images/{index:06d}.png"
    _save_png(folder / file, raster.read())
    return file


def _write_depth(folder: Path, index: int, raster: Raster) -> dict[str, Any]:
    stem = f"depths/{index:06d}"
    if isinstance(raster, DepthFile):
        far = raster.far if np.isfinite(raster.far) else None
        return {"file": _copied(folder, stem, raster.path), "per_metre": raster.units_per_metre, "far": far}
    depth = raster.read()
    in_range = (depth >= 0) & (depth < 65.535)
    millimetres = np.round(np.where(in_range, depth, 0).astype(np.float64) * 1000)
    exact_enough = in_range.all() and np.abs(millimetres / 1000 - depth).max(initial=0) <= 0.0005 + 1e-6
    # A reading below half a millimetre would turn into "no reading".
    if exact_enough and np.array_equal(millimetres > 0, depth > 0):
        _save_png(folder / f"{stem}.png", millimetres.astype(np.uint16))
        return {"file": f"{stem}.png", "per_metre": 1000.0, "far": None}
    (folder / stem).parent.mkdir(exist_ok=True)
    np.save(folder / f"{stem}.npy", depth.astype(np.float32))
    return {"file": f"{stem}.npy", "per_metre": 1.0, "far": None}


def _save_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)


def _copied(folder: Path, stem: str, source: Path) -> str:
    file = stem + source.suffix
    (folder / file).parent.mkdir(exist_ok=True)
    try:
        with source.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{source}: cannot read ({error.strerror})") from error
    shutil.copyfile(source, folder / file)
    return file


def _referral(text: str, instance: int, also: Sequence[int] = (), group: str = "") -> Referral:
    return Referral(text, instance, tuple(also), group)


def _row(referral: Referral) -> list[Any]:
    """Text and object; further objects and the group where there are any."""
    more = [list(referral.also), referral.group] if referral.also or referral.group else []
    return [referral.text, referral.instance, *more]
