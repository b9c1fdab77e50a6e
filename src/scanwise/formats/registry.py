"""Which format is at a path: `read_scene` and `write_scene`, and what is below one: `read_scenes`, `find_scenes`."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from scanwise.errors import InputError, OutputError
from scanwise.formats.advice import advice_on, is_partly_a_recording
from scanwise.formats.columns import is_empty, note_empty
from scanwise.geometry.units import in_metres
from scanwise.plugins import Plugins
from scanwise.scene import Scene


class Format(Protocol):
    """A module, or another thing with these functions, that reads a format.

    If it has `write(scene, path)`, it is written as well. If it has `recognises(path) -> bool`, that says of a file or
    a folder whether it is of the format; without, files are whose suffix is the format's name.
    """

    def read(self, path: Path) -> Scene:
        """The scene at a path. Raises InputError when it is damaged, in one line that names the path."""
        ...


@dataclass(frozen=True)
class _Files:
    """A module of this package that reads these suffixes; `columns`: it can hold further columns per point."""

    module: str
    suffixes: tuple[str, ...]
    writes: bool = True
    columns: bool = True

    def load(self) -> ModuleType:
        return _module(self.module)


_FILES = (
    _Files("ply", ("ply",)),
    _Files("pcd", ("pcd",)),
    _Files("las", ("las", "laz")),
    _Files("text", ("xyz", "txt", "csv", "asc", "pts", "xyzrgb", "xyzn")),
    _Files("ptx", ("ptx",), writes=False, columns=False),
    _Files("arrays", ("npy", "npz")),
    _Files("kitti", ("bin",), columns=False),
    _Files("e57", ("e57",), writes=False, columns=False),
    _Files("mesh", ("obj", "glb", "gltf", "stl", "off"), writes=False, columns=False),
    _Files("recordings", ("r3d",), writes=False, columns=False),
)
_BY_SUFFIX = {suffix: form for form in _FILES for suffix in form.suffixes}
_KNOWN_BY_PLACE = (  # files known by what lies beside them
    _Files("matterport", ("ply",), writes=False),
    _Files("kitti_object", ("bin",), writes=False),
)
_WITHOUT_NAMES = ("text", "arrays")  # formats whose columns may have no names
_PICKLED = ("pth", "pt", "pkl", "pickle")
_FOLDERS = ("folder", "scannet_v2", "s3dis", "pointcept", "drives", "recordings")
_OTHERS: Plugins[Format] = Plugins("format", "scanwise.formats")


def register_format(name: str, form: Format) -> None:
    """Makes a format known; what scanwise reads itself is not asked for it.

    Another package does the same by an entry point of the group "scanwise.formats" that names the module.

    Args:
        name: the suffix of its files, without the dot and in small letters; of a format that recognises its files or
            folders itself, any name.
        form: the module that reads it.

    Raises:
        ValueError: the name is taken.
    """
    if name in _BY_SUFFIX or name in _FOLDERS:
        raise ValueError(f"there is a format {name!r} already")
    _OTHERS.add(name, form)


def read_scene(path: str | os.PathLike[str], *, unit: str | None = None, columns: Sequence[str] | None = None) -> Scene:
    """Reads whatever is at `path`: a point cloud, a mesh, a scene folder, an RGB-D recording or a scene of a data set.

    Args:
        path: `PATH#NAME` is one frame of a folder that holds many (see `drives`).
        unit: of the coordinates there, "m", "mm", "cm", "ft" or "in"; None = metres, or what the format says.
        columns: what each column of a text or of an array is, in their order: "x", "y", "z", "r", "g", "b", "nx", "ny",
            "nz", "intensity", "label", "instance", any other name for an attribute, "-" for what is not wanted; None =
            what the file says, or by the values.

    Raises:
        InputError: nothing is there, it is of no known kind, or it is damaged; there is no such unit; or its columns
            cannot be named.
    """
    scene = _known(_read(Path(path), columns), path)
    return scene if unit is None else in_metres(scene, unit)


def _known(scene: Scene, path: object) -> Scene:
    """A scene as a reader has it, without what is all 0 and so was not known."""
    empty = [field for field in ("colors", "normals", "intensity") if is_empty(field, getattr(scene, field))]
    note_empty(empty, path)
    for field in empty:
        setattr(scene, field, None)
    return scene


def _read(path: Path, columns: Sequence[str] | None) -> Scene:
    if path.name == "transforms.json":
        path = path.parent
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from error
    if not is_there and "#" in path.name and (root := path.with_name(path.name.rpartition("#")[0])).is_dir():
        return _read_frame(root, path.name.rpartition("#")[2])
    if not is_there:
        raise InputError(f"{path}: no such file or folder{_did_you_mean(path)}")
    form = _format_at(path)
    if form is not None:
        if columns is not None and form not in map(_module, _WITHOUT_NAMES):
            text = "the format names its columns itself; only those of texts and arrays can be named"
            raise InputError(f"{path}: {text}", option="columns")
        scene: Scene = form.read(path) if columns is None else form.read(path, columns)
        return scene
    if is_folder:
        raise InputError(_no_scene_in(path))
    if _suffix(path) in _PICKLED:
        text = "holds pickled objects, which can run code and are not loaded"
        raise InputError(f"{path}: {text}; save its arrays as .npz (coord, color, ...)")
    known = ", ".join([_listing(_FILES), *_OTHERS.names()])
    raise InputError(f"{path}: unknown format; known are {known}, and folders of recordings")


def check_there(path: Path) -> None:
    """Refuses a path that leads nowhere, before anything is loaded to read it.

    Args:
        path: as of `read_scene`.

    Raises:
        InputError: nothing is there; a name that is close is told.
    """
    if not path.exists() and not ("#" in path.name and path.with_name(path.name.rpartition("#")[0]).is_dir()):
        raise InputError(f"{path}: no such file or folder{_did_you_mean(path)}")


def read_scenes(path: str | os.PathLike[str]) -> Iterator[Scene]:
    """The scenes at a path one after the other, each read when its turn comes.

    They are the frames of a drive or a data set, or the scenes in the folders (and regions in the files) of a folder;
    else the one that `read_scene` reads.

    Raises:
        InputError: as `read_scene`, for the scene whose turn it is.
    """
    path = Path(path)
    form = _format_at(path)
    if form is _module("drives"):
        yield from form.frames(path)
    elif form is not None or not path.is_dir():
        yield read_scene(path)
    else:
        inside = [*_scenes_in(path), *(entry for entry in sorted(path.iterdir()) if _is_region(entry))]
        if not inside:
            yield read_scene(path)
        for entry in inside:
            yield from read_scenes(entry)


def find_scenes(path: str | os.PathLike[str]) -> tuple[list[Path], list[Path]]:
    """What there is to read at a path or, at any depth, below it, in the order of names.

    A folder that is a scene is not looked into. Hidden names are passed over, as what is being written has one.

    Returns:
        The paths that `read_scene` reads, drives and data sets of frames among them, whose frames have names; and the
        files that are of no known format.
    """
    return _found_at(Path(path), frozenset())


def _found_at(path: Path, above: frozenset[Path]) -> tuple[list[Path], list[Path]]:
    """What `find_scenes` finds; links that lead back to the folders above are passed over."""
    if _format_at(path) is not None:
        return [path], []
    if not path.is_dir():
        return [], [path]
    above |= {path.resolve()}
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    found = [_found_at(entry, above) for entry in entries if not (entry.is_symlink() and entry.resolve() in above)]
    return [each for scenes, _ in found for each in scenes], [each for _, others in found for each in others]


def write_scene(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Writes a scene in the format that the suffix names.

    A path without suffix becomes a scene folder, and `transforms.json` (or a folder's name before it) a recording.

    Raises:
        OutputError: the format is unknown or cannot be written, or the place cannot.
    """
    path = Path(path)
    if path.name == "transforms.json":
        _module("transforms_json").write(scene, path.parent)
    elif path.suffix == "":
        _module("folder").write(scene, path)
    else:
        _writer(path)(scene, path)


def column_suffixes() -> set[str]:
    """Suffixes of the formats that can hold a label and a confidence beside each point."""
    return {suffix for form in _FILES if form.columns for suffix in form.suffixes}


def _module(name: str) -> Any:
    return importlib.import_module(f"scanwise.formats.{name}")


def _format_at(path: Path) -> Any:
    """The module that reads what is at this path; None = it is of no known format, or not there."""
    if path.is_dir():
        form = next((module for module in map(_module, _FOLDERS) if module.recognises(path)), None)
    else:
        at_place = next((form for form in _KNOWN_BY_PLACE if form.load().recognises(path)), None)
        files = at_place or _BY_SUFFIX.get(_suffix(path))
        form = files and files.load()
    return form or next((other for name, other in _others() if _is_of(path, name, other)), None)


def _others() -> Iterator[tuple[str, Format]]:
    return ((name, _OTHERS[name]) for name in _OTHERS.names())


def _is_of(path: Path, name: str, other: Any) -> bool:
    if hasattr(other, "recognises"):
        return bool(other.recognises(path))
    return _suffix(path) == name and not path.is_dir()


def _writer(path: Path) -> Callable[[Scene, Path], None]:
    suffix = _suffix(path)
    form: Any = _BY_SUFFIX[suffix].load() if suffix in _BY_SUFFIX else dict(_others()).get(suffix)
    if not hasattr(form, "write"):
        able = [_listing(form for form in _FILES if form.writes), *(n for n, f in _others() if hasattr(f, "write"))]
        raise OutputError(
            f"{path}: cannot write this format; choose one of {', '.join(able)}, or a name without suffix"
        )
    write: Callable[[Scene, Path], None] = form.write
    return write


def _read_frame(path: Path, name: str) -> Scene:
    drives = _module("drives")
    if not drives.recognises(path):
        raise InputError(f"{path}: #{name} names a frame of a drive or data set, and this folder is none")
    return drives.read(path, name)


def _scenes_in(path: Path) -> list[Path]:
    """The folders in this one, or in its `sequences`, that are read as scenes or drives."""
    places = [path / "sequences", path] if (path / "sequences").is_dir() else [path]
    return [entry for place in places for entry in sorted(place.iterdir()) if entry.is_dir() and _format_at(entry)]


def _is_region(path: Path) -> bool:
    recognised: bool = _module("matterport").recognises(path)
    return recognised


def _no_scene_in(path: Path) -> str:
    """Why a folder cannot be read, and what could be."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        return f"{path}: cannot read ({error.strerror})"
    if not entries:
        return f"{path}: the folder is empty"
    clouds = [entry for entry in entries if _suffix(entry) in _BY_SUFFIX and entry.is_file()]
    if clouds and not is_partly_a_recording(path):
        return f"{path}: holds {len(clouds)} clouds and no recording; name one, such as {clouds[0]}"
    if inside := _scenes_in(path):
        return f"{path}: holds {len(inside)} scenes; name one, such as {inside[0]}"
    return f"{path}: no recording in it; {advice_on(path)}"


def _suffix(path: Path) -> str:
    return path.suffix.lower().lstrip(".")


def _listing(forms: Iterable[_Files]) -> str:
    return ", ".join(suffix for form in forms for suffix in form.suffixes)


def _did_you_mean(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.parent / close[0]}?" if close else ""
