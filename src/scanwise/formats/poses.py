"""Camera poses and intrinsics as text, checked."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scanwise.errors import InputError
from scanwise.files import read_bytes
from scanwise.formats.numerals import parse_numbers

MISSING = "no pose"
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""From OpenCV's axes to OpenGL's, whose camera looks along -z with y up, and back."""
_SEPARATORS = re.compile(rb"[,;\[\]]|^\s*#.*$", re.MULTILINE)
_DECIMAL_COMMAS = re.compile(rb"\s*([+-]?\d+(,\d+)?([eE][+-]?\d+)?(\s+|$)){12,16}")
_WIDEST = 1e7  # pixels that no camera has
_FARTHEST = 1e12  # of any number in a pose, in whatever unit
_DRIFT = 1e-2  # how far from a rotation a pose may be and still be mended: accumulated float32 rounding


def read_matrix(path: Path, shapes: tuple[tuple[int, int], ...]) -> np.ndarray:
    """A float64 matrix from a text file.

    Args:
        path: of the file.
        shapes: that it may have.

    Raises:
        InputError: missing, not numbers, or of another shape.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, which the shape tells as well
            matrix = np.loadtxt(path, ndmin=2)
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"{path}: not a matrix of numbers ({str(error).splitlines()[0]})") from error
    if matrix.shape not in shapes:
        wanted = " or ".join(f"{rows}x{columns}" for rows, columns in shapes)
        raise InputError(f"{path}: should hold a {wanted} matrix, holds {matrix.shape[0]}x{matrix.shape[1]}")
    return matrix


def read_intrinsics(path: Path) -> np.ndarray:
    """Intrinsics (3, 3) from a 3x3 or 4x4 text file.

    Raises:
        InputError: malformed, or focal lengths that are not positive.
    """
    return pinhole(read_matrix(path, ((3, 3), (4, 4)))[:3, :3], path)


def pinhole(matrix: np.ndarray, where: object) -> np.ndarray:
    """The intrinsics (3, 3) in a camera matrix, checked.

    Args:
        matrix: (3, 3) or (4, 4), in pixels.
        where: what an error begins with.

    Raises:
        InputError: a number is not finite, or a focal length not positive.
    """
    if not (np.abs(matrix) < _WIDEST).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(f"{where}: these are no camera intrinsics: focal lengths must be positive")
    return matrix[:3, :3]


def read_pose(path: Path) -> np.ndarray | str:
    """The pose (4, 4) in a text file, or why there is none, in words that complete "left out: ...".

    Sixteen numbers or twelve, on as many lines as one likes, between blanks, commas or semicolons.
    """
    if not path.is_file():
        return MISSING
    text = read_bytes(path)
    if _DECIMAL_COMMAS.fullmatch(text):
        text = text.replace(b",", b".")
    words = _SEPARATORS.sub(b" ", text).split()
    if not words:
        return "an empty file"
    try:
        numbers = parse_numbers([b" ".join(words)], path.name)
    except InputError:
        word = next(word for word in words if not _is_number(word))
        return f"{word[:20].decode('latin-1')!r} is not a number"
    return pose_of(numbers)


def pose_of(matrix: Any) -> np.ndarray | str:
    """A pose (4, 4) with its rotation made exact, or why these numbers are none, in a few words.

    Args:
        matrix: 4x4, or 3x4 without its last row, or their numbers row by row.
    """
    try:
        numbers = np.asarray(matrix, np.float64).reshape(-1)
    except (TypeError, ValueError):
        return "its pose is not a matrix of numbers"
    if numbers.size not in (12, 16):
        return f"its pose has {numbers.size} numbers, not 16 or 12"
    if not np.isfinite(numbers).all():
        return "its pose is not finite"
    if np.abs(numbers).max() > _FARTHEST:
        return f"its pose has the number {np.abs(numbers).max():.3g}"
    if not numbers[:12].any():
        return "its pose is all zeros"
    pose = np.eye(4)
    pose[:3] = numbers[:12].reshape(3, 4)
    if numbers.size == 16 and numbers[12:15].any() and not pose[:3, 3].any():
        return "its pose is transposed, with the translation in the last row"
    rotation = _rotation(pose[:3, :3])
    if rotation is None:
        return "its pose is not rigid"
    pose[:3, :3] = rotation
    return pose


def _rotation(matrix: np.ndarray) -> np.ndarray | None:
    """The rotation (3, 3) next to a matrix, None where that is none."""
    u, _, vt = np.linalg.svd(matrix)
    rotation = u @ vt
    far = np.abs(rotation - matrix).max() > _DRIFT
    return None if far or np.linalg.det(rotation) < 0 else rotation


def _is_number(word: bytes) -> bool:
    try:
        parse_numbers([word], "")
    except InputError:
        return False
    return True


def rotations(quaternions: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4), as x, y, z, w, to rotations (..., 3, 3)."""
    x, y, z, w = np.moveaxis(quaternions, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rigid(matrix: np.ndarray, where: object) -> np.ndarray | None:
    """A pose (4, 4) with its rotation made exact.

    Args:
        matrix: (4, 4), nearly rigid.
        where: what an error begins with.

    Returns:
        The pose; None when it is not finite (a frame whose tracking was lost).

    Raises:
        InputError: the upper 3x3 is no rotation.
    """
    if not np.isfinite(matrix).all():
        return None
    rotation = _rotation(matrix[:3, :3])
    if rotation is None:
        raise InputError(f"{where}: this pose is not rigid (rotation and translation, no scale or mirror)")
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, matrix[:3, 3]
    return pose
