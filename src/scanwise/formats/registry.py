"""Which format is at a path: `read_scene` and `write_scene`."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Iterable
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
_REGION = _Format("matterport", ("ply",), writes=False)  # a PLY file known by what lies beside it
_FOLDERS = ("folder", "scannet_v2", "s3dis", "recordings")


def read_scene(path: str | os.PathLike[str]) -> Scene:
    """Reads whatever is at `path`: a point cloud, a mesh, a scene folder or an RGB-D recording.

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
    if not is_there:
        raise InputError(f"{path}: no such file or folder{_did_you_mean(path)}")
    form = _REGION if _REGION.load().recognises(path) else _BY_SUFFIX.get(_suffix(path))
    if form is None:
        raise InputError(f"{path}: unknown format; known are {_listing(_FILES)}, and folders of recordings")
    return form.load().read(path)


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


def _read_folder(path: Path) -> Scene:
    for name in _FOLDERS:
        module = importlib.import_module(f"scanwise.formats.{name}")
        if module.recognises(path):
            return module.read(path)
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    if not entries:
        raise InputError(f"{path}: the folder is empty")
    clouds = [entry for entry in entries if _suffix(entry) in _BY_SUFFIX and entry.is_file()]
    if clouds:
        raise InputError(f"{path}: holds {len(clouds)} clouds and no recording; name one, such as {clouds[0]}")
    raise InputError(
        f"{path}: no recording in it; looked for scene.json, transforms.json, frame-*.color.*, color/ depth/ pose/, "
        "and rgb.txt with groundtruth.txt"
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
