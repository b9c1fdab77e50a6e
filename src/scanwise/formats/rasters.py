"""Rasters made of others when they are read: pictures turned as EXIF says, straightened, depth in another unit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scanwise.errors import InputError
from scanwise.files import ImageFile, opened_picture
from scanwise.geometry.lenses import Lens, bends, straightened
from scanwise.scene import Raster, View, scale_intrinsics

_ORIENTATION = 274  # the EXIF tag
_UPRIGHT = 1
ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that swap height and width


def orientation(path: Path) -> int:
    """EXIF's orientation of a picture, 1..8; 1 = upright, or nothing said."""
    try:
        with opened_picture(path, path) as picture:
            said = picture.getexif().get(_ORIENTATION, _UPRIGHT)
    except InputError:
        return _UPRIGHT
    return said if said in range(1, 9) else _UPRIGHT


@dataclass(frozen=True, eq=False)
class Turned:
    """A picture turned as EXIF says.

    Attributes:
        raster: as it is stored.
        orientation: of EXIF, 1..8.
    """

    raster: Raster
    orientation: int

    def read(self) -> np.ndarray:
        """The pixels, upright."""
        pixels = self.raster.read()
        if self.orientation in (5, 6, 7, 8):
            pixels = pixels.swapaxes(0, 1)
        if self.orientation in (2, 3, 6, 7):
            pixels = pixels[:, ::-1]
        if self.orientation in (3, 4, 7, 8):
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)

    def size(self) -> tuple[int, int]:
        """Height and width, upright."""
        height, width = self.raster.size()
        return (width, height) if self.orientation in ON_ITS_SIDE else (height, width)

    def digest(self) -> str:
        """Hex digest of the picture and its turn."""
        return _digest(self.raster, f"turned {self.orientation}")


def upright(image: ImageFile, said: tuple[float, float]) -> Raster:
    """The picture, turned as EXIF says where the recording means it so: (H, W) that it says are the turned one's."""
    height, width = image.size()
    on_its_side = (said[0] > said[1]) != (height > width) and height != width and said[0] != said[1]
    if on_its_side and (turn := orientation(image.path)) in ON_ITS_SIDE:
        return Turned(image, turn)
    return image


@dataclass(frozen=True, eq=False)
class Straightened:
    """A picture or depth map as a pinhole with the same camera matrix would have taken it.

    Attributes:
        raster: as the lens took it.
        lens: that bent it.
        intrinsics: (3, 3) in pixels of `raster`.
        smooth: colours, which may be mixed, and not depth.
    """

    raster: Raster
    lens: Lens
    intrinsics: np.ndarray
    smooth: bool

    def read(self) -> np.ndarray:
        """The pixels."""
        return straightened(self.raster.read(), self.lens, self.intrinsics, smooth=self.smooth)

    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.raster.size()

    def digest(self) -> str:
        """Hex digest of the picture, its lens and its camera."""
        return _digest(self.raster, f"{self.lens} {np.ravel(self.intrinsics).tolist()} {self.smooth}")


@dataclass(frozen=True, eq=False)
class Scaled:
    """A depth map whose readings are so many times what its layout says.

    Attributes:
        raster: gives metres as the layout has them.
        factor: by which they are multiplied.
    """

    raster: Raster
    factor: float

    def read(self) -> np.ndarray:
        """The depth map, float32 (H, W) metres, 0 = no reading."""
        return self.raster.read() * np.float32(self.factor)

    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.raster.size()

    def digest(self) -> str:
        """Hex digest of the depth map and the factor."""
        return _digest(self.raster, f"scaled {self.factor}")


def without_distortion(view: View, lens: Lens | None) -> View:
    """The view as a pinhole would have taken it; depth too, unless it has a camera of its own."""
    if lens is None or not bends(lens, view.intrinsics, view.image_size):
        return view
    depth = view.depth_raster
    if depth is not None and view.depth_intrinsics is None:
        camera = scale_intrinsics(view.intrinsics, view.image_size, depth.size())
        depth = Straightened(depth, lens, camera, smooth=False)
    image = Straightened(view.image_raster, lens, view.intrinsics, smooth=True)
    return replace(view, image_raster=image, depth_raster=depth)


def _digest(raster: Raster, *made: str) -> str:
    return hashlib.sha256(" ".join([raster.digest(), *made]).encode()).hexdigest()
