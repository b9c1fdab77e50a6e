"""A folder of coord.npy, color.npy, normal.npy, segment20.npy, instance.npy, ...: a scene as Pointcept lays it out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.formats.arrays import scene_of
from scanwise.formats.npy import load
from scanwise.formats.scannet_labels import SCANNET_20
from scanwise.scene import Scene


def recognises(path: Path) -> bool:
    """Whether the folder has coord.npy."""
    return (path / "coord.npy").is_file()


def read(path: Path) -> Scene:
    """The scene: its arrays are those of an NPZ (see `arrays`); labels of segment20 have ScanNet's names.

    Raises:
        InputError: an array is damaged or of another length than coord.
    """
    arrays: dict[str, np.ndarray] = {}
    for file in sorted(path.glob("*.npy")):
        loaded = load(file)
        if isinstance(loaded, dict):
            raise InputError(f"{file}: is an archive of arrays, not one")
        arrays[file.stem] = loaded
    scene = scene_of(arrays, path, path.resolve().name)
    named = scene.raw.extras.names.get("labels") == "segment20" and scene.classes is None
    if named and scene.labels is not None and scene.labels.max(initial=-1) < len(SCANNET_20):
        scene.classes = list(SCANNET_20)
    return scene
