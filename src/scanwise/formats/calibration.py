"""`calibration.json` beside a recording's frames: what its layout does not say, or says wrong."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scanwise.errors import InputError
from scanwise.files import DepthFile, ImageFile, read_bytes
from scanwise.formats.poses import rigid
from scanwise.scene import View

NAME = "calibration.json"


class Pinhole(BaseModel):
    """A camera in pixels, pixel centres at whole numbers.

    Attributes:
        fx: focal length across.
        fy: focal length down.
        cx: principal point across.
        cy: principal point down.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    fx: Annotated[float, Field(gt=0)]
    fy: Annotated[float, Field(gt=0)]
    cx: float
    cy: float

    def matrix(self) -> np.ndarray:
        """Intrinsics (3, 3), float64."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])


class Shift(BaseModel):
    """A move without a turn.

    Attributes:
        translation: (x, y, z) metres.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    translation: tuple[float, float, float]


class Calibration(BaseModel):
    """What a calibration file may say; everything else stays as the layout has it.

    Attributes:
        color: the colour camera.
        depth: the depth camera.
        depth_to_color: a point p of the depth camera is at depth_to_color p in the colour camera, as a 4x4 matrix or
            {"translation": [x, y, z]}.
        color_to_depth: the other way round, instead.
        depth_scale: stored units per metre.
        depth_max: metres beyond which readings are dropped.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    color: Pinhole | None = None
    depth: Pinhole | None = None
    depth_to_color: Shift | list[list[float]] | None = None
    color_to_depth: Shift | list[list[float]] | None = None
    depth_scale: Annotated[float, Field(gt=0)] | None = None
    depth_max: Annotated[float, Field(gt=0)] | None = None

    def depth_to_color_matrix(self) -> np.ndarray:
        """The move as (4, 4) float64; the identity when nothing is said."""
        if self.color_to_depth is not None:
            return np.linalg.inv(_matrix(self.color_to_depth))
        return _matrix(self.depth_to_color)

    def depth_file(self, path: Path, units_per_metre: float) -> DepthFile:
        """A depth map of the recording, stored in these units where the calibration names no others."""
        return DepthFile(path, self.depth_scale or units_per_metre, self.depth_max or float("inf"))

    def view(
        self,
        name: str,
        image: Path,
        depth: Path | None,
        cameras: tuple[np.ndarray, np.ndarray],
        pose: np.ndarray,
        units_per_metre: float = 1000.0,
    ) -> View:
        """A frame of a recording whose poses are those of its depth camera.

        Args:
            name: what the recording calls the frame.
            image: file of the picture.
            depth: file of the depth map; None without.
            cameras: intrinsics (3, 3) of the colour and of the depth camera, in pixels.
            pose: (4, 4) depth camera to world, metres.
            units_per_metre: of the layout's depth maps.
        """
        raster = None if depth is None else self.depth_file(depth, units_per_metre)
        color_to_world = pose @ np.linalg.inv(self.depth_to_color_matrix())
        return View(ImageFile(image), cameras[0], color_to_world, raster, cameras[1], pose, name)


def _matrix(move: Shift | list[list[float]] | None) -> np.ndarray:
    matrix = np.eye(4)
    if isinstance(move, Shift):
        matrix[:3, 3] = move.translation
    elif move is not None:
        matrix = np.array(move, np.float64)
    return matrix


def read_calibration(folder: Path) -> Calibration | None:
    """The folder's calibration, or None where there is no file.

    Raises:
        InputError: the file is not JSON, or has a wrong key or value; the nearest right key is named.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        calibration = Calibration.model_validate(json.loads(read_bytes(path)))
    except ValueError as error:
        raise InputError(f"{path}: {_reason(error)}") from error
    if calibration.depth_to_color is not None and calibration.color_to_depth is not None:
        raise InputError(f"{path}: give depth_to_color or color_to_depth, not both")
    for key in ("depth_to_color", "color_to_depth"):
        move = getattr(calibration, key)
        if not _is_square(move) or rigid(_matrix(move), f"{path}: {key}") is None:
            raise InputError(f"{path}: {key} must be a 4x4 matrix or have a translation of three numbers")
    return calibration


def _is_square(move: Shift | list[list[float]] | None) -> bool:
    return not isinstance(move, list) or (len(move) == 4 and all(len(row) == 4 for row in move))


def _reason(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return f"not JSON ({error})"
    first = next((one for one in error.errors() if one["type"] == "extra_forbidden"), error.errors()[0])
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg']}" if key else first["msg"]
    known = [*Calibration.model_fields, *Pinhole.model_fields, *Shift.model_fields]
    close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    return f"unknown key {key}" + (f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}")
