"""Camera poses and intrinsics as text, checked."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from scanwise.errors import InputError

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
    if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(f"{where}: these are no camera intrinsics: focal lengths must be positive")
    return matrix[:3, :3]


def read_pose(path: Path) -> np.ndarray | None:
    """The pose (4, 4) in a text file; None where there is no file or the pose is not finite.

    Raises:
        InputError: it holds no 4x4 matrix, or no rigid one.
    """
    return rigid(read_matrix(path, ((4, 4),)), path) if path.exists() else None


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
    u, _, vt = np.linalg.svd(matrix[:3, :3])
    rotation = u @ vt
    if np.abs(rotation - matrix[:3, :3]).max() > _DRIFT or np.linalg.det(rotation) < 0:
        raise InputError(f"{where}: this pose is not rigid (rotation and translation, no scale or mirror)")
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, matrix[:3, 3]
    return pose
