"""Our own scene folder: every field of a `Scene`, exactly, in files that other tools can open.

    scene.json               version, name, classes, transform, boxes, sentences, views, names of the attributes
    points.npy               float32 (N, 3), metres, z up; memory-mapped when read, like all arrays here
    colors.npy, normals.npy, intensity.npy, labels.npy, instances.npy, source_points.npy    where known
    attributes/000.npy ...   further columns, in the order of `attributes` in scene.json
    images/000000.jpg ...    the pictures, byte for byte where they came from files, else PNG
    depths/000000.png ...    the depth maps: files as they were; else 16-bit millimetres, or float32 metres in
                             .npy where millimetres would move a reading by more than half of one

Only `Scene.raw`, a record of the format that the scene came from, stays out.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scanwise.errors import InputError, OutputError
from scanwise.files import DepthFile, EncodedImage, ImageFile, cannot_write, read_bytes, replacing_folder
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
    """The scene in a folder. Raises InputError when a part of it is missing or damaged."""
    try:
        record = json.loads(read_bytes(path / "scene.json"))
    except ValueError as error:
        raise InputError(f"{path / 'scene.json'}: damaged scene description ({error})") from error
    try:
        if record[_MARK] != VERSION:
            raise InputError(f"{path}: scene folder of version {record[_MARK]}; this scanwise reads {VERSION}")
        arrays = {name: _array(path, f"{name}.npy") for name in record["arrays"]}
        names = [(name, f"attributes/{index:03d}.npy") for index, name in enumerate(record["attributes"])]
        return Scene(
            **arrays,
            boxes=[_read_box(box) for box in record.get("boxes", [])],
            classes=record["classes"],
            views=[_read_view(path, view) for view in record["views"]],
            sentences=[Referral(text, instance) for text, instance in record["sentences"]],
            name=record["name"],
            to_source=_matrix(record["to_source"], (4, 4)),
            attributes={name: _array(path, file) for name, file in names},
            source_format=record["source_format"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path / 'scene.json'}: damaged scene description ({error})") from error


def write(scene: Scene, path: Path) -> None:
    """Writes the scene into a folder; one that is a scene folder already is replaced.

    Raises OutputError when something else is at `path`, or the place cannot be written.
    """
    _refuse_other_content(path)
    with replacing_folder(path) as folder:
        arrays = [name for name in _ARRAYS if getattr(scene, name) is not None]
        for name in arrays:
            _save(folder / f"{name}.npy", getattr(scene, name), path)
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
            "sentences": [[referral.text, referral.instance] for referral in scene.sentences],
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
        raise OutputError(cannot_write(path, error)) from error
    if entries and not recognises(path):
        raise OutputError(f"{path}: holds something other than a scene; choose another name or empty it")
    if foreign := sorted(entries - _OURS):
        raise OutputError(f"{path}: {foreign[0]} is no part of the scene there; move it away or choose another name")


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
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{folder / file}: truncated or damaged array ({error})") from error


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
    if isinstance(raster, EncodedImage):
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
