"""Folders of many LiDAR frames, each of them a scene: SemanticKITTI, KITTI object, nuScenes, Waymo.

A frame is named after `#`: `sequences/00#000012`, `training#000008`, `nuscenes#scene-0103-7` (its eighth key frame)
or `nuscenes#TOKEN`, `waymo#SEGMENT-7`. `sequences/00#000000-000009` is several sweeps in the first one's frame. A
folder of one frame alone needs no name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scanwise.errors import InputError
from scanwise.scene import Scene


@dataclass(frozen=True)
class Frames:
    """The frames of a folder: what each is called, and how it is read.

    Attributes:
        names: in the order of time.
        aliases: other names of the same frames -> index.
        frame: index -> Scene.
        span: (first, last index) -> Scene of them all; None = frames have no common one.
        labelled: index -> whether its points have labels; None = as the frames themselves say.
    """

    names: list[str]
    frame: Callable[[int], Scene]
    aliases: dict[str, int] = field(default_factory=dict)
    span: Callable[[int, int], Scene] | None = None
    labelled: Callable[[int], bool] | None = None

    def __iter__(self) -> Iterator[Scene]:
        return (self.frame(index) for index in range(len(self.names)))


def recognises(path: Path) -> bool:
    """Whether the folder has one of the layouts."""
    return any(here(path) for here, _ in _LAYOUTS)


def frames(path: Path) -> Frames:
    """The frames of a folder that `recognises` accepts.

    Raises:
        InputError: what lists them is damaged.
    """
    return next(opened(path) for here, opened in _LAYOUTS if here(path))


def read(path: Path, name: str = "") -> Scene:
    """One frame of a folder, or a span of them.

    Args:
        path: the folder.
        name: of a frame, or FIRST-LAST; "" = the only one there.

    Raises:
        InputError: there are several and none is named, or the name is none of them.
    """
    found = frames(path)
    if not found.names:
        raise InputError(f"{path}: no frames in it; see docs/data-outdoor.md for the layout")
    places = {each: index for index, each in enumerate(found.names)} | found.aliases
    if not name and len(found.names) == 1:
        return found.frame(0)
    if name in places:
        return found.frame(places[name])
    first, _, last = name.partition("-")
    if found.span and first in places and last in places and places[first] <= places[last]:
        return found.span(places[first], places[last])
    said = f"no frame {name!r} among its {len(found.names)}" if name else f"holds {len(found.names)} frames"
    span = f", or several by {path}#{found.names[0]}-{found.names[-1]}" if found.span and len(found.names) > 1 else ""
    raise InputError(f"{path}: {said}; name one as {path}#{found.names[0]} to #{found.names[-1]}{span}")


def _sequence(path: Path) -> Frames:
    from scanwise.formats.semantic_kitti import accumulate, read_sequence

    drive = read_sequence(path)
    return Frames(
        [sweep.stem for sweep in drive.paths],
        lambda index: drive[index][0],
        span=lambda first, last: accumulate(drive[first : last + 1]),
    )


def _objects(path: Path) -> Frames:
    from scanwise.formats.kitti_object import read as read_object

    sweeps = sorted((path / "velodyne").glob("*.bin"))
    return Frames([sweep.stem for sweep in sweeps], lambda index: read_object(sweeps[index]))


def _nuscenes(path: Path) -> Frames:
    from scanwise.formats.nuscenes import read_samples

    # The tables may be named themselves, where there are several: ROOT/v1.0-mini
    samples = read_samples(path.parent, path.name) if (path / "sample.json").is_file() else read_samples(path)
    return Frames(samples.names, samples.__getitem__, {token: index for index, token in enumerate(samples.tokens)})


def _waymo(path: Path) -> Frames:
    from scanwise.formats.waymo import Segment, read_segment

    segments: dict[str, Segment] = {}
    for name in sorted(file.stem for file in (path / "lidar").glob("*.parquet")):
        segments[name] = read_segment(path, name)
    places = [(name, index) for name, segment in segments.items() for index in range(len(segment))]
    return Frames(
        [f"{name}-{index}" for name, index in places],
        lambda at: segments[places[at][0]][places[at][1]][0],
        labelled=lambda at: segments[places[at][0]].is_labelled(places[at][1]),
    )


def is_nuscenes(path: Path) -> bool:
    """Whether a folder holds nuScenes' tables, or is them."""
    return (path / "sample.json").is_file() or any(path.glob("v1.0-*/sample.json"))


_LAYOUTS: tuple[tuple[Callable[[Path], bool], Callable[[Path], Frames]], ...] = (
    (lambda path: (path / "velodyne").is_dir() and (path / "calib.txt").is_file(), _sequence),
    (lambda path: (path / "velodyne").is_dir() and (path / "calib").is_dir(), _objects),
    (is_nuscenes, _nuscenes),
    (lambda path: any((path / "lidar").glob("*.parquet")), _waymo),
)
