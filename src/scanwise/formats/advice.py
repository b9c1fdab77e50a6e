"""Advice on a folder of no known layout: what was found there, which layout is nearest, and what that one lacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_NEAR, _PARTLY = 0.25, 0.3  # share of a layout's parts that are there
_LOOK_AT = 2000  # entries; a folder may hold millions


@dataclass(frozen=True)
class _Part:
    """One part of a layout: any of its patterns fulfils it; under another name it has only to be renamed."""

    patterns: tuple[str, ...]
    otherwise: tuple[str, ...] = ()

    def there(self, folder: Path) -> bool:
        return any(next(folder.glob(pattern), None) is not None for pattern in self.patterns)

    def under(self, folder: Path) -> str | None:
        """What it is called in the folder, where it is there by another name."""
        return next((name for name in self.otherwise if next(folder.glob(name), None) is not None), None)


def _part(pattern: str, *otherwise: str) -> _Part:
    return _Part(tuple(pattern.split("|")), otherwise)


_COLOUR = ("rgb", "colour", "images", "image", "RGB", "Color")
_POSES = ("poses", "extrinsics", "trajectory", "Pose")
_LAYOUTS = {
    "7-Scenes and 3DMatch": (_part("frame-*.color.*"), _part("frame-*.depth.*"), _part("frame-*.pose.txt")),
    "ScanNet's frames": (
        _part("color", *_COLOUR), _part("depth", "depths", "Depth"), _part("pose", *_POSES),
        _part("intrinsic|intrinsic*.txt", "intrinsics", "K.txt", "calib.txt"),
    ),
    "TUM RGB-D": (_part("rgb.txt"), _part("depth.txt"), _part("groundtruth.txt", "poses.txt", "trajectory.txt")),
    "transforms.json (Nerfstudio)": (
        _part("transforms.json", "transforms_train.json", "*/transforms.json"), _part("images"),
    ),
    "Polycam's raw data": (
        _part("keyframes/cameras|keyframes/corrected_cameras"), _part("keyframes/images"), _part("keyframes/depth"),
    ),
    "Record3D": (_part("metadata", "metadata.json"), _part("rgbd", "rgb")),
    "COLMAP": (
        _part("sparse/0/cameras.bin|sparse/0/cameras.txt|sparse/cameras.*", "*/sparse/0/cameras.bin", "cameras.bin"),
        _part("images"),
    ),
    "SemanticKITTI": (_part("velodyne/*.bin", "*.bin"), _part("poses.txt"), _part("calib.txt")),
    "KITTI object": (_part("velodyne/*.bin", "*.bin"), _part("image_2/*.png"), _part("calib/*.txt")),
    "nuScenes": (_part("v1.0-*/sample.json"), _part("samples/LIDAR_TOP")),
    "Waymo": (
        _part("lidar/*.parquet", "*.parquet", "*.tfrecord"), _part("lidar_calibration/*.parquet"),
        _part("vehicle_pose/*.parquet"),
    ),
    "Pointcept's arrays": (_part("coord.npy"), _part("color.npy")),
    "S3DIS": (_part("Annotations/*.txt"),),
}  # fmt: skip


def advice_on(folder: Path) -> str:
    """One line: what is in a folder, which layout it is nearest to, and what that one lacks.

    Args:
        folder: of no layout that is read.
    """
    near = max(_LAYOUTS.items(), key=lambda layout: _likeness(layout[1], folder))
    told = f"found {_contents(folder)}"
    if _likeness(near[1], folder) >= _NEAR:
        return f"{told}; the nearest known layout is {near[0]}: {_lacks(near[1], folder)}"
    if pictures := _pictures(folder):
        return f"{told}; {pictures} pictures without poses: find the cameras with COLMAP first, then give its folder"
    return f"{told}; the known layouts are {', '.join(_LAYOUTS)} (docs/recordings.md, docs/data.md)"


def is_partly_a_recording(folder: Path) -> bool:
    """Whether a good part of a layout of recordings is there, so that its lists of text are no clouds."""
    return any(_likeness(parts, folder) >= _PARTLY for parts in _LAYOUTS.values())


def _likeness(parts: tuple[_Part, ...], folder: Path) -> float:
    """0..1: parts that are there, and half of those that are there by another name; images/ alone is none."""
    there = [part.there(folder) for part in parts]
    if not any(is_there and part.patterns != ("images",) for is_there, part in zip(there, parts, strict=True)):
        there = [False] * len(parts)
    values = [
        1.0 if is_there else 0.5 * (part.under(folder) is not None) for is_there, part in zip(there, parts, strict=True)
    ]
    return sum(values) / len(parts)


def _lacks(parts: tuple[_Part, ...], folder: Path) -> str:
    said = []
    for part in parts:
        if not part.there(folder):
            name, other = " or ".join(part.patterns), part.under(folder)
            said.append(f"{name} is called {other} here" if other else f"{name} is missing")
    return ", ".join(said) or "all of it is there, but something in it cannot be read"


def _contents(folder: Path) -> str:
    """The kinds of files and the folders in it, as "12 .jpg, 1 .json, folders rgb, depth"."""
    kinds, folders = Counter[str](), list[str]()
    for count, entry in enumerate(folder.iterdir()):
        if count >= _LOOK_AT:
            break
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            folders.append(f"{entry.name}/")
        else:
            kinds[entry.suffix or "files without suffix"] += 1
    said = [f"{number} {kind}" for kind, number in kinds.most_common(5)]
    if folders:
        named = ", ".join(sorted(folders)[:6])
        said.append(f"folders {named}" + (f" and {len(folders) - 6} more" if len(folders) > 6 else ""))
    return ", ".join(said) or "nothing"


def _pictures(folder: Path) -> int:
    suffixes = {".jpg", ".jpeg", ".png", ".heic"}
    places = [folder, *(folder / name for name in _COLOUR)]
    return sum(entry.suffix.lower() in suffixes for place in places if place.is_dir() for entry in place.iterdir())
