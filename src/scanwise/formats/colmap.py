"""COLMAP: a sparse model in sparse/0, sparse or the folder itself, and its pictures in images/.

There is no depth: the cloud is one that lies beside (fused.ply), or else the model's own points. Its unit is anything.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.files import ImageFile
from scanwise.formats import colmap_model
from scanwise.formats.calibration import read_calibration
from scanwise.formats.colmap_model import Camera, Image
from scanwise.formats.poses import pinhole, pose_of, rotations
from scanwise.formats.rasters import upright, without_distortion
from scanwise.formats.recording import Recording, find_file, posed
from scanwise.geometry.lenses import lens_of
from scanwise.scene import Scene, View, scale_intrinsics

_PICTURES = ("images", "input", "color", "rgb", ".")
_LOOKED_FOR = 20  # pictures that a folder of them must have most of


def recognises(folder: Path) -> bool:
    """Whether there is a model."""
    return folder.is_dir() and colmap_model.find(folder) is not None


def load(folder: Path) -> Recording:
    """The recording, pictures unread and without depth.

    Raises:
        InputError: the model is damaged, of cameras that cannot be undone, or its pictures are not there.
    """
    place = colmap_model.find(folder)
    assert place is not None, "callers ask `recognises` first"
    cameras, images, (points, colors) = colmap_model.read(place)
    if not images:
        raise InputError(f"{place}: no picture was placed in this model; reconstruct it again")
    images = sorted(images, key=lambda image: image.name)
    pictures = _folder_of_pictures(folder, place, images)
    files = {image.name: find_file(pictures, image.name) for image in images}
    kept = posed(((image.name, _pose(image, files[image.name])) for image in images), folder)
    numbers = {image.name: image.camera for image in images}
    views = []
    for name, pose in kept:
        file, camera = files[name], cameras.get(numbers[name])
        assert file is not None
        if camera is None:
            raise InputError(f"{place}: {name} has camera {numbers[name]}, which the model lacks")
        views.append(_view(ImageFile(file), camera, pose, name, place))
    _say_what_is_not_known(folder, place)
    own = Scene(points, colors) if len(points) else None
    return Recording(views, points=own)


def _folder_of_pictures(folder: Path, place: Path, images: list[Image]) -> Path:
    """The folder that has most of the pictures."""
    some = images[:: max(1, len(images) // _LOOKED_FOR)]
    roots = dict.fromkeys([folder, place, *place.resolve().parents[:3]])
    best, most = folder, 0
    for root in roots:
        for name in _PICTURES:
            found = sum((root / name / image.name).is_file() for image in some)
            if found > most:
                best, most = root / name, found
    if not most:
        raise InputError(f"{folder}: the model's pictures are not there, such as {images[0].name}; put them in images/")
    return best


def _pose(image: Image, file: Path | None) -> np.ndarray | str:
    """Camera to world."""
    if file is None:
        return "no picture of that name"
    w, x, y, z = image.rotation
    length = np.linalg.norm(image.rotation)
    if not abs(length - 1) <= 0.01:
        return "its rotation is no unit quaternion"
    rotation = rotations(np.array([x, y, z, w]) / length)
    return pose_of(np.hstack([rotation.T, -rotation.T @ np.array(image.translation)[:, None]]))


def _view(image: ImageFile, camera: Camera, pose: np.ndarray, name: str, place: Path) -> View:
    given = camera.parameters
    matrix = np.array([[given["fx"], 0, given["cx"] - 0.5], [0, given["fy"], given["cy"] - 0.5], [0, 0, 1]])
    turned = upright(image, camera.size)
    intrinsics = scale_intrinsics(pinhole(matrix, place), camera.size, turned.size())
    return without_distortion(View(turned, intrinsics, pose, name=name), lens_of(camera.model, given, place))


def _say_what_is_not_known(folder: Path, place: Path) -> None:
    others = sorted(other for other in place.parent.glob("[0-9]*") if other.is_dir() and other != place)
    more = f"; {len(others)} more models of it are not used" if others and place.name.isdigit() else ""
    unused = "; its calibration.json is not used" if read_calibration(folder) else ""
    warnings.warn(
        f"{folder}: COLMAP's unit of length is not known and is taken as the metre{more}{unused}",
        ScanwiseWarning,
        stacklevel=3,
    )
