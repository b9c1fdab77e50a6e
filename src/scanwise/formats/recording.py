"""What every layout of a posed recording gives, before it becomes a `Scene`."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from scanwise.errors import InputError, ScanwiseWarning
from scanwise.scene import Scene, View

PICTURES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
EMPTY = "its picture is an empty file"
_TOLD = 3  # reasons named for frames that are left out


@dataclass
class Recording:
    """Views of a posed recording, in the recording's own world.

    Attributes:
        views: the posed pictures.
        cloud: a point cloud of the same world, where the recording has one.
        points: that the layout has itself, few and rough; any cloud beside them goes before.
        gravity: (3,) vertical axis of the world, up or down, where it is known.
        z_up: the layout's worlds are upright.
        opengl: the layout's files have cameras in OpenGL's axes (x right, y up, z backward).
    """

    views: list[View]
    cloud: Path | None = None
    points: Scene | None = None
    gravity: np.ndarray | None = None
    z_up: bool = False
    opengl: bool = False


def posed(frames: Iterable[tuple[str, np.ndarray | str]], folder: Path) -> list[tuple[str, np.ndarray]]:
    """The frames that have a pose; the others are counted in one warning, with the reasons.

    Args:
        frames: name of each and its pose (4, 4), or in a few words why it cannot be used; a reason that begins with
            "no " says that a part is missing, others that it is damaged.
        folder: of the recording, for the warning.

    Raises:
        InputError: no frame is left, or more are damaged than can be used.
    """
    frames = list(frames)
    kept = [(name, pose) for name, pose in frames if not isinstance(pose, str)]
    lost = {name: pose for name, pose in frames if isinstance(pose, str)}
    damaged = sum(not reason.startswith("no ") for reason in lost.values())
    if not kept and not damaged:
        raise InputError(
            f"{folder}: none of the {len(frames)} frames has a pose, so nothing can be put into 3D ({_reasons(lost)})"
        )
    if damaged > len(kept):
        raise InputError(
            f"{folder}: {damaged} of {len(frames)} frames cannot be used ({_reasons(lost)}), so most of the recording "
            "is missing; export it again, or take those frames away"
        )
    if lost:
        warnings.warn(
            f"{folder}: {len(lost)} of {len(frames)} frames left out ({_reasons(lost)})", ScanwiseWarning, stacklevel=3
        )
    return kept


def _reasons(lost: dict[str, str]) -> str:
    """Each reason with how many frames have it and the first of them."""
    first: dict[str, str] = {}
    for name, reason in lost.items():
        first.setdefault(reason, name)
    counts = Counter(lost.values())
    told = [f"{first[reason]}: {reason}" if n == 1 else f"{n}, such as {first[reason]}: {reason}"
            for reason, n in counts.most_common(_TOLD)]  # fmt: skip
    return "; ".join(told) + (f"; {len(counts) - _TOLD} more reasons" if len(counts) > _TOLD else "")


def is_there(path: Path) -> bool:
    """Whether a file is there and has something in it: what a copy that broke off leaves is nothing."""
    return path.is_file() and path.stat().st_size > 0


def find_file(folder: Path, name: str, suffixes: Sequence[str] = ()) -> Path | None:
    """The file of a recording that a listing names, None where it is not there.

    Backslashes separate too, and of paths of the machine that recorded, the end that lies below the folder counts.

    Args:
        folder: of the recording.
        name: as the listing has it.
        suffixes: that it may lack.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    for tail in [name, *tails]:
        for suffix in ("",) if Path(tail).suffix else ("", *suffixes):
            if tail and is_there(path := folder / (tail + suffix)):
                return path
    return None


def warn_of_missing(what: str, names: Sequence[str], total: int, where: object) -> None:
    """Says in one line of how many frames something that is named is not there."""
    if names:
        text = f"{where}: the {what} of {len(names)} of {total} frames is not there, such as {names[0]}"
        warnings.warn(text, ScanwiseWarning, stacklevel=4)
