"""What lies in a recording's folder and is not used, and what of its pictures is odd, each said in one line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from scanwise.errors import ScanwiseWarning
from scanwise.formats.record3d import PackedDepth, PackedImage
from scanwise.formats.recording import PICTURES
from scanwise.scene import Raster, View, scale_intrinsics

_SMALLER = re.compile(r"images?_\d+")  # copies for radiance fields
_NAMED = 4
_SQUEEZED = 0.02  # by how much the shapes of a picture and of its depth may differ
_STORED = (*PICTURES, ".npy")


def warn_of_unused(path: Path, views: Sequence[View]) -> None:
    """Names folders of pictures that no view is of, and says where depth is of another shape than its picture."""
    if path.is_dir():
        used = {file.resolve() for view in views for file in _files(view)}
        above = {parent for file in used for parent in file.parents}
        unused = [place.name for place in sorted(path.iterdir()) if _holds_pictures(place, above)]
        if unused:
            more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
            _warn(f"{path}: not used: {', '.join(f'{name}/' for name in unused[:_NAMED])}{more}")
    first = next((view for view in views if view.depth_raster is not None), None)
    if first is not None and first.depth_raster is not None:
        _warn_of_shape(path, first, first.depth_raster.size())


def _files(view: View) -> Iterator[Path]:
    for raster in (view.image_raster, view.depth_raster):
        file = _file(raster)
        if file is not None:
            yield file


def _file(raster: Raster | None) -> Path | None:
    """The file of a raster, or of the one that it is made of."""
    inner = getattr(raster, "raster", getattr(raster, "depth", None))
    if inner is not None:
        return _file(inner)
    if isinstance(raster, PackedImage | PackedDepth):
        return raster.path / raster.name
    return getattr(raster, "path", None)


def _holds_pictures(place: Path, used: set[Path]) -> bool:
    if not place.is_dir() or place.name.startswith(".") or place.resolve() in used or _SMALLER.fullmatch(place.name):
        return False
    return any(entry.suffix in _STORED for entry in place.iterdir())


def _warn_of_shape(path: Path, view: View, depth: tuple[int, int]) -> None:
    """Says where one camera is taken for a picture and a depth map of different shapes."""
    image = view.image_size
    ratio = (image[0] / image[1]) / (depth[0] / depth[1])
    camera, _ = view.depth_camera(depth)
    shared = abs(scale_intrinsics(view.intrinsics, image, depth) - camera).max() < 0.01
    if abs(ratio - 1) > _SQUEEZED and shared:
        _warn(
            f"{path}: pictures are {image[1]}x{image[0]} and depth is {depth[1]}x{depth[0]}, of another shape, "
            "taken as squeezed. If it was cropped or turned, shapes are wrong: say the depth camera in calibration.json"
        )


def _warn(text: str) -> None:
    warnings.warn(text, ScanwiseWarning, stacklevel=4)
