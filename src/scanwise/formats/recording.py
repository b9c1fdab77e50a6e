"""What every layout of a posed recording gives, before it becomes a `Scene`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import View


@dataclass
class Recording:
    """Views of a posed recording, in the recording's own world.

    Attributes:
        views: the posed pictures.
        cloud: a point cloud of the same world, where the recording has one.
        gravity: (3,) vertical axis of the world, up or down, where it is known.
        z_up: the layout's worlds are upright.
    """

    views: list[View]
    cloud: Path | None = None
    gravity: np.ndarray | None = None
    z_up: bool = False


def posed(frames: Iterable[tuple[str, np.ndarray | None]], folder: Path) -> list[tuple[str, np.ndarray]]:
    """The frames that have a pose; the others are counted in one warning.

    Args:
        frames: name and pose (4, 4) of each, None = without.
        folder: of the recording, for the warning.

    Raises:
        InputError: there is none.
    """
    frames = list(frames)
    kept = [(name, pose) for name, pose in frames if pose is not None]
    if not kept:
        raise InputError(f"{folder}: none of the {len(frames)} frames has a pose, so nothing can be put into 3D")
    if len(kept) < len(frames):
        warnings.warn(
            f"{folder}: {len(frames) - len(kept)} of {len(frames)} frames have no usable pose and are left out",
            ScanwiseWarning,
            stacklevel=3,
        )
    return kept
