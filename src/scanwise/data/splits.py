"""Splits that a data set lists in text files, a scene's name a line, as ScanNet, ScanNet200 and Matterport3D do.

    ROOT/scannetv2_train.txt        ROOT/splits/train.txt        ROOT/scenes_val.txt        ROOT/train.txt

The scenes lie in ROOT or one or two folders below it, under those names.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from scanwise.errors import ScanwiseWarning
from scanwise.files import read_bytes

_PLACES = ("", "splits", "split", "metadata", "meta_data", "Tasks/Benchmark", "tasks/scenes")
_BEFORE = ("", "scannetv2_", "scannet_", "scenes_", "matterport_", "mp3d_")
_NAME = re.compile(r"[\w.-]+")
_WORDS = {"val": ("val", "validation")}


def split_file(root: Path, split: str) -> Path | None:
    """The text file that lists a split of a data set; None where there is none."""
    for place in _PLACES:
        for before in _BEFORE:
            for word in _WORDS.get(split, (split,)):
                path = root / place / f"{before}{word}.txt"
                if path.is_file():
                    return path
    return None


def listed_scenes(root: Path, split: str) -> list[Path]:
    """The scenes that a data set lists for a split, in its order; none where it lists nothing.

    Args:
        root: of the data set.
        split: "train", "val" or "test".

    Scenes that are not there are warned of, and left out.
    """
    path = split_file(root, split)
    if path is None:
        return []
    lines = [line.strip() for line in read_bytes(path).decode("utf-8", "replace").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names or not all(_NAME.fullmatch(name) for name in names):
        return []  # a text about something else
    places = [root, *_folders(root), *(inner for folder in _folders(root) for inner in _folders(folder))]
    at = {name: next((place / name for place in places if (place / name).exists()), None) for name in names}
    found = [where for where in at.values() if where is not None]
    if len(found) < len(at):
        missing = next(name for name, where in at.items() if where is None)
        text = f"{path}: {len(at) - len(found)} of {len(at)} scenes are not there and are left out, such as {missing}"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    return found


def _folders(place: Path) -> list[Path]:
    return sorted(each for each in place.iterdir() if each.is_dir() and not each.name.startswith("."))
