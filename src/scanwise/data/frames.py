"""Pictures of labelled scenes with what each pixel shows: the nearest labelled point of the cloud to what depth says.

    frames = FrameDataset(scene_paths(Path("data/rooms-1"), "train"), make)  # make(image, pixels, generator) -> sample
    frames.names  # every word that a pixel may be called by
    sample = frames[Draw(index=0, seed=(1, 0, 0))]

Labels are made when a scene is first drawn from and then kept in the cache, at half the pictures' resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scanwise import cache
from scanwise.data.datasets import Draw, SceneDataset, Source, read_source
from scanwise.errors import InputError
from scanwise.geometry.pixels import points_shown
from scanwise.scene import Raster, Scene, array_digest

NONE = 65535
CEILING = "ceiling"  # none of ScanNet's classes, but a third of many a picture
UNNAMED = "otherfurniture"  # no word that anybody would use
_VERSION = "1"


@dataclass(frozen=True)
class Frame:
    """A picture of a labelled scene.

    Attributes:
        image: gives uint8 (H, W, 3).
        source: its scene.
        number: of the view.
        key: of the scene's labels in the cache.
        words: (O + C + 1,) int32: index into `FrameDataset.names` of the open name of each object, then of each class,
            then of the ceiling; -1 = none.
        classes: likewise, index into `FrameDataset.classes`.
    """

    image: Raster
    source: Source
    number: int
    key: str
    words: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class Pixels:
    """What a picture's pixels show, at half its resolution, each (h, w) int32 and -1 = not known.

    Attributes:
        words: index into `FrameDataset.names`.
        classes: index into `FrameDataset.classes`.
        objects: one number for each object and each surface, whatever it is called.
    """

    words: np.ndarray
    classes: np.ndarray
    objects: np.ndarray


class FrameDataset(SceneDataset):
    """All views of some scenes; `frames[draw]` takes a Draw, as `Loader` deals them out.

    Args:
        sources: the scenes.
        make: (image uint8 (H, W, 3), Pixels, random numbers) -> sample.
        names: words known before; others are added.
        every: takes each view whose number is a multiple of this.

    Attributes:
        frames: all of them.
        names: the words.
        classes: names of classes, the ceiling last.

    Raises:
        InputError: a scene has no labels, classes other than the first one's, or no pictures with depth.
    """

    def __init__(
        self, sources: Sequence[Source], make: Callable[[np.ndarray, Pixels, np.random.Generator], Any],
        names: Sequence[str] = (), every: int = 1,
    ) -> None:  # fmt: skip
        self.make = make
        self.frames: list[Frame] = []
        self.names, self.classes = list(names), list[str]()
        indices = {name: index for index, name in enumerate(names)}
        for source in sources:
            scene = read_source(source)
            self.frames += self._frames(scene, source, indices)[::every]
        self.names = list(indices)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, draw: Draw) -> Any:
        frame = self.frames[draw.index]
        return self.make(frame.image.read(), pixels_of(frame), draw.generator())

    def _frames(self, scene: Scene, source: Source, indices: dict[str, int]) -> list[Frame]:
        labels, instances, names = _annotations(scene)
        classes = [*names, CEILING]
        self.classes = self.classes or classes
        if classes != self.classes:
            raise InputError(f"{scene.name}: its classes are not those of the other scenes")
        key = cache.key_of(_VERSION, scene.views[0].digest() if scene.views else "", str(len(scene)),
                           array_digest(labels), array_digest(instances))  # fmt: skip
        words, numbers = _tables(scene, classes, indices)
        return [
            Frame(view.image_raster, source, number, key, words, numbers)
            for number, view in enumerate(scene.views)
            if view.depth_raster is not None
        ]


def _annotations(scene: Scene) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labels (N,), instances (N,) and names of classes."""
    if scene.labels is None or scene.instances is None or scene.classes is None:
        raise InputError(f"{scene.name}: has no labels, classes and instances to learn from")
    return scene.labels, scene.instances, scene.classes


def _objects(scene: Scene) -> int:
    """One more than the highest number of an object."""
    instances = _annotations(scene)[1]
    return 1 + max([int(instances.max(initial=-1)), *(box.instance for box in scene.boxes)])


def _tables(scene: Scene, classes: list[str], indices: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """`words` and `classes` of a Frame; words not met before get an index."""
    labels, instances, _ = _annotations(scene)
    count = _objects(scene)
    numbers = np.concatenate([np.full(count, -1), np.arange(len(classes))]).astype(np.int32)
    inside = instances >= 0
    numbers[instances[inside]] = labels[inside]
    called = [classes[number] if number >= 0 else UNNAMED for number in numbers]
    for box in scene.boxes:
        called[box.instance] = box.name
    words = np.array([-1 if word == UNNAMED else indices.setdefault(word, len(indices)) for word in called], np.int32)
    return words, numbers


def pixels_of(frame: Frame) -> Pixels:
    """What a picture's pixels show, made when it is not in the cache."""
    stored = cache.arrays("pixels", frame.key, lambda: {"objects": label_views(read_source(frame.source))})
    objects = stored["objects"][frame.number].astype(np.int32)
    objects[objects == NONE] = -1
    known = np.where(objects >= 0, objects, 0)
    words, classes = (np.where(objects >= 0, table[known], -1) for table in (frame.words, frame.classes))
    return Pixels(words, classes, objects)


def label_views(scene: Scene) -> np.ndarray:
    """What the views of a scene show, at half their resolution.

    Args:
        scene: with labels, instances and classes.

    Returns:
        (V, h, w) uint16: for every second pixel of each view the instance that it shows, or the number of instances
        plus the class of what belongs to none (after the last class: the ceiling); 65535 = neither, or no depth.

    Raises:
        InputError: it has no labels, depth is not registered to colour, or views differ in size.
    """
    value = _values(scene)
    known = scene.finite & (value != NONE)
    value = np.append(value, np.uint16(NONE))  # the last for what shows no point
    result = [value[rows] for rows in points_shown(scene, known)]
    if len({picture.shape for picture in result}) > 1:
        raise InputError(f"{scene.name}: its pictures differ in size; give recordings of one camera")
    return np.stack(result)


def _values(scene: Scene) -> np.ndarray:
    """(N,) uint16 as `label_views` gives it, of each point."""
    labels, instances, classes = _annotations(scene)
    objects = _objects(scene)
    value = np.where(labels >= 0, objects + labels, NONE)
    if scene.normals is not None:
        high = scene.points[:, 2] > np.nanmax(scene.points[:, 2]) - 0.5
        value[(labels < 0) & high & (scene.normals[:, 2] < -0.8)] = objects + len(classes)
    return np.where(instances >= 0, instances, value).astype(np.uint16)
