"""The splits that data sets themselves are measured on: listed in text files, or known by the names of scenes.

    ROOT/scannetv2_train.txt        ROOT/splits/train.txt        ROOT/scenes_val.txt        ROOT/train.txt

Such lists have a scene's name a line, as those of ScanNet and Matterport3D do; the scenes lie in ROOT or one or two
folders below it, under those names, and a house of Matterport3D stands for its regions. SemanticKITTI is split by the
numbers of its sequences, nuScenes by the names of its scenes, Waymo by the folders training and validation.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from scanwise.errors import ScanwiseWarning
from scanwise.files import read_bytes

_PLACES = ("", "splits", "split", "metadata", "meta_data", "Tasks/Benchmark", "tasks/benchmark", "tasks/scenes")
_BEFORE = ("", "scannetv2_", "scannet_", "scenes_", "matterport_", "mp3d_")
_NAME = re.compile(r"[\w.-]+")
WORDS = {"train": ("train", "training"), "val": ("val", "validation"), "test": ("test", "testing")}
"""How data sets call a split."""

SEMANTIC_KITTI = {
    "train": ("00", "01", "02", "03", "04", "05", "06", "07", "09", "10"),
    "val": ("08",),
    "test": tuple(str(number) for number in range(11, 22)),
}
"""Sequences of each split of the benchmark."""

# Runs (first, last) of the 150 scenes of trainval that are validated on; the rest are trained on.
_NUSCENES_VAL = (
    *((3, 3), (12, 18), (35, 36), (38, 39), (92, 110), (221, 221), (268, 278), (329, 332), (344, 346), (519, 524)),
    *((552, 565), (625, 627), (629, 630), (632, 638), (770, 771), (775, 775), (777, 778), (780, 784), (794, 800)),
    *((802, 802), (904, 917), (919, 931), (962, 963), (966, 969), (971, 972), (1059, 1073)),
)
NUSCENES_VAL = frozenset(f"scene-{number:04d}" for first, last in _NUSCENES_VAL for number in range(first, last + 1))
"""Scenes of v1.0-trainval that are validated on."""
NUSCENES_MINI_VAL = frozenset({"scene-0103", "scene-0916"})
"""The same of v1.0-mini."""


def split_file(root: Path, split: str) -> Path | None:
    """The text file that lists a split of a data set; None where there is none."""
    for place in _PLACES:
        for before in _BEFORE:
            for word in WORDS.get(split, (split,)):
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
    at = places_of(root, names)
    found = [where for where in at.values() if where is not None]
    if len(found) < len(at):
        missing = next(name for name, where in at.items() if where is None)
        text = f"{path}: {len(at) - len(found)} of {len(at)} scenes are not there and are left out, such as {missing}"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
    return [scene for where in found for scene in _regions(where) or [where]]


def places_of(root: Path, names: Sequence[str]) -> dict[str, Path | None]:
    """Where scenes lie: in a data set's root, or one or two folders below it; None of those that do not."""
    places = [root, *_folders(root), *(inner for folder in _folders(root) for inner in _folders(folder))]
    return {name: next((place / name for place in places if (place / name).exists()), None) for name in names}


def sequences_of(root: Path, split: str) -> list[Path]:
    """The sequences of a split of SemanticKITTI; none where a root is not of it, or does not have it split.

    Args:
        root: the folder of `sequences`, one that holds `dataset/sequences`, or `sequences` itself.
        split: "train", "val" or "test".
    """
    for place in (root / "sequences", root / "dataset" / "sequences", root):
        there = {name: place / name for names in SEMANTIC_KITTI.values() for name in names}
        there = {name: path for name, path in there.items() if (path / "velodyne").is_dir()}
        if all(any(name in there for name in SEMANTIC_KITTI[part]) for part in ("train", "val")):
            return [there[name] for name in SEMANTIC_KITTI.get(split, ()) if name in there]
    return []


def of_nuscenes(names: Sequence[str], split: str) -> list[int]:
    """The key frames of a split of nuScenes.

    Args:
        names: of frames, as `formats.nuscenes` gives them: "scene-0103-7" is the eighth of scene-0103.
        split: "train" or "val"; v1.0-test is a set of its own.

    Returns:
        Rows among the names; none where these scenes are all of one split.
    """
    scenes = [name.rpartition("-")[0] for name in names]
    shown = NUSCENES_MINI_VAL if len(set(scenes)) <= 10 and NUSCENES_MINI_VAL & set(scenes) else NUSCENES_VAL
    rows: dict[str, list[int]] = {"train": [], "val": []}
    for row, scene in enumerate(scenes):
        rows["val" if scene in shown else "train"].append(row)
    return rows.get(split, []) if all(rows.values()) else []


def _regions(house: Path) -> list[Path]:
    """The regions of a house of Matterport3D, by their numbers; none of another folder."""
    regions = (house / "region_segmentations").glob("region*.ply")
    return sorted(regions, key=lambda path: (len(path.stem), path.stem))


def _folders(place: Path) -> list[Path]:
    return sorted(each for each in place.iterdir() if each.is_dir() and not each.name.startswith("."))
