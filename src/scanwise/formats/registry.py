"""Which format is at a path: `read_scene` and `write_scene`."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from scanwise.errors import InputError, OutputError
from scanwise.scene import Scene


@dataclass(frozen=True)
class _Format:
    """A module of this package that reads these suffixes; `columns`: it can hold further columns per point."""

    module: str
    suffixes: tuple[str, ...]
    writes: bool = True
    columns: bool = True

    def load(self) -> ModuleType:
        return importlib.import_module(f"scanwise.formats.{self.module}")


_FILES = (
    _Format("ply", ("ply",)),
    _Format("pcd", ("pcd",)),
    _Format("las", ("las", "laz")),
    _Format("text", ("xyz", "txt", "csv", "asc", "pts")),
    _Format("arrays", ("npy", "npz")),
    _Format("kitti", ("bin",), columns=False),
    _Format("mesh", ("obj", "glb", "gltf", "stl", "off"), writes=False, columns=False),
)
_BY_SUFFIX = {suffix: form for form in _FILES for suffix in form.suffixes}
_KNOWN_BY_PLACE = (  # files known by what lies beside them
    _Format("matterport", ("ply",), writes=False),
    _Format("kitti_object", ("bin",), writes=False),
)
_FOLDERS = ("folder", "scannet_v2", "s3dis", "drives", "recordings")


def read_scene(path: str | os.PathLike[str]) -> Scene:
    """Reads whatever is at `path`: a point cloud, a mesh, a scene folder, an RGB-D recording or a scene of a data set.

    `PATH#NAME` is one frame of a folder that holds many (see `drives`).

    Raises:
        InputError: nothing is there, it is of no known kind, or it is damaged.
    """
    path = Path(path)
    if path.name == "transforms.json":
        path = path.parent
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    if is_folder:
        return _read_folder(path)
    if not is_there and "#" in path.name and (root := path.with_name(path.name.rpartition("#")[0])).is_dir():
        return _read_frame(root, path.name.rpartition("#")[2])
    if not is_there:
        raise InputError(f"{path}: no such file or folder{_did_you_mean(path)}")
    form = next((form for form in _KNOWN_BY_PLACE if form.load().recognises(path)), _BY_SUFFIX.get(_suffix(path)))
    if form is None:
        raise InputError(f"{path}: unknown format; known are {_listing(_FILES)}, and folders of recordings")
    return form.load().read(path)


def read_scenes(path: str | os.PathLike[str]) -> Iterator[Scene]:
    """The scenes at `path` one after the other, each read when its turn comes: the frames of a drive or a data set,
    or the scenes in the folders (and regions in the files) of a folder; else the one that `read_scene` reads.

    Raises:
        InputError: as `read_scene`, for the scene whose turn it is.
    """
    path = Path(path)
    if not path.is_dir() or _reader(path) not in (None, "drives"):
        yield read_scene(path)
    elif _reader(path) == "drives":
        yield from importlib.import_module("scanwise.formats.drives").frames(path)
    else:
        inside = [*_scenes_in(path), *(entry for entry in sorted(path.iterdir()) if _is_region(entry))]
        if not inside:
            yield read_scene(path)
        for entry in inside:
            yield from read_scenes(entry)


def write_scene(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Writes a scene in the format that the suffix names; a path without suffix becomes a scene folder, and
    `transforms.json` (or a folder's name before it) a recording.

    Raises:
        OutputError: the format is unknown or cannot be written, or the place cannot.
    """
    path = Path(path)
    if path.name == "transforms.json":
        importlib.import_module("scanwise.formats.transforms_json").write(scene, path.parent)
    elif path.suffix == "":
        importlib.import_module("scanwise.formats.folder").write(scene, path)
    else:
        form = _BY_SUFFIX.get(_suffix(path))
        if form is None or not form.writes:
            able = _listing(form for form in _FILES if form.writes)
            raise OutputError(f"{path}: cannot write this format; choose one of {able}, or a name without suffix")
        form.load().write(scene, path)


def column_suffixes() -> set[str]:
    """Suffixes of the formats that can hold a label and a confidence beside each point."""
    return {suffix for form in _FILES if form.columns for suffix in form.suffixes}


def _reader(path: Path) -> str | None:
    """The module that reads this folder."""
    modules = {name: importlib.import_module(f"scanwise.formats.{name}") for name in _FOLDERS}
    return next((name for name, module in modules.items() if module.recognises(path)), None)


def _read_frame(path: Path, name: str) -> Scene:
    drives = importlib.import_module("scanwise.formats.drives")
    if not drives.recognises(path):
        raise InputError(f"{path}: #{name} names a frame of a drive or data set, and this folder is none")
    return drives.read(path, name)


def _scenes_in(path: Path) -> list[Path]:
    """The folders in this one, or in its `sequences`, that are read as scenes or drives."""
    places = [path / "sequences", path] if (path / "sequences").is_dir() else [path]
    return [entry for place in places for entry in sorted(place.iterdir()) if entry.is_dir() and _reader(entry)]


def _is_region(path: Path) -> bool:
    return importlib.import_module("scanwise.formats.matterport").recognises(path)


def _read_folder(path: Path) -> Scene:
    name = _reader(path)
    if name is not None:
        return importlib.import_module(f"scanwise.formats.{name}").read(path)
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    if not entries:
        raise InputError(f"{path}: the folder is empty")
    clouds = [entry for entry in entries if _suffix(entry) in _BY_SUFFIX and entry.is_file()]
    if clouds:
        raise InputError(f"{path}: holds {len(clouds)} clouds and no recording; name one, such as {clouds[0]}")
    if inside := _scenes_in(path):
        raise InputError(f"{path}: holds {len(inside)} scenes; name one, such as {inside[0]}")
    raise InputError(
        f"{path}: no recording in it; looked for scene.json, transforms.json, frame-*.color.*, color/ depth/ pose/, "
        "rgb.txt with groundtruth.txt, *_vh_clean_2.ply, Annotations/, velodyne/ with calib.txt or calib/, "
        "v1.0-*/sample.json and lidar/*.parquet"
    )


def _suffix(path: Path) -> str:
    return path.suffix.lower().lstrip(".")


def _listing(forms: Iterable[_Format]) -> str:
    return ", ".join(suffix for form in forms for suffix in form.suffixes)


def _did_you_mean(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
