"""The sets of classes that data sets are measured by, by name: a scene's labels brought to one of them.

sources = with_labels(scene_paths(root, "val"), "scannet200")
sources[0].read().classes                                        # the 200 names, in the benchmark's order
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from scanwise.data.classes import Renumbered
from scanwise.data.datasets import Source, StoredFrame, read_source
from scanwise.errors import InputError
from scanwise.formats import kitti, nuscenes, waymo
from scanwise.formats.scannet_labels import NYU40_OF_20, SCANNET_20
from scanwise.scene import Scene

_BACKGROUND = ("wall", "floor", "ceiling")


@dataclass(frozen=True)
class LabelSet:
    """A set of classes.

    Attributes:
        classes: their names, in the benchmark's order.
        column: attribute of a scene that holds their numbers; "" = its labels have these names.
        numbers: number in that column -> class.
        groups: classes that are also measured by themselves.
    """

    classes: tuple[str, ...]
    column: str = ""
    numbers: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def labels(self, scene: Scene) -> np.ndarray:
        """(N,) int32 class of each point of a scene, -1 = none; for sets that have a column.

        Raises:
            InputError: the scene does not have the column.
        """
        values = scene.attributes.get(self.column)
        if values is None:
            text = f"has no {self.column} for the points, so its labels cannot be those of this set; see docs/data.md"
            raise InputError(f"{scene.name}: {text}")
        table = np.full(max(*self.numbers, int(values.max(initial=0))) + 1, -1, np.int32)
        table[list(self.numbers)] = list(self.numbers.values())
        return np.where(values >= 0, table[np.maximum(values, 0)], -1).astype(np.int32)


@dataclass(frozen=True)
class Relabelled:
    """A scene with the labels of a set in place of its own; read when it is touched.

    Attributes:
        source: the scene.
        name: of the set.
    """

    source: Source
    name: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that its labels number."""
        return LABEL_SETS[self.name].classes

    def read(self) -> Scene:
        """The scene; one without labels as it is, as those of hidden test sets are.

        Raises:
            InputError: it is damaged, or has labels of other data sets.
        """
        labels = LABEL_SETS[self.name]
        if not labels.column:
            return Renumbered(self.source, labels.classes).read()
        scene = read_source(self.source)
        if scene.labels is None and labels.column not in scene.attributes:
            return scene
        return replace(scene, labels=labels.labels(scene), classes=list(labels.classes))


def with_labels(sources: Sequence[Source], name: str) -> list[Source]:
    """Scenes with the labels of a set, without the frames that are known to have none.

    Args:
        sources: the scenes.
        name: of the set; "" = the scenes as they are.

    Raises:
        InputError: none has labels, or there is no such set.
    """
    if not check_label_set(name):
        return list(sources)
    kept = [source for source in sources if not isinstance(source, StoredFrame) or source.labelled]
    if not kept:
        raise InputError(f"none of the {len(sources)} frames has labels")
    return [Relabelled(source, name) for source in kept]


def check_label_set(name: str) -> str:
    """The name.

    Raises:
        InputError: no set is called so.
    """
    if name and name not in LABEL_SETS:
        raise InputError(f"{name}: no such set of labels; there are {', '.join(LABEL_SETS)}")
    return name


def _checked(name: str) -> str:
    try:
        return check_label_set(name)
    except InputError as error:
        raise ValueError(str(error)) from error


LabelSetName = Annotated[str, AfterValidator(_checked)]
"""The name of a set of labels, in a recipe; "" = the scenes' own."""


def _scannet200() -> LabelSet:
    text = resources.files("scanwise.formats").joinpath("scannet200.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names = tuple(row["name"] for row in rows)
    groups = {
        kind: frozenset(row["name"] for row in rows if row["frequency"] == kind) for kind in ("head", "common", "tail")
    }
    groups["foreground"] = frozenset(names) - {*_BACKGROUND}
    return LabelSet(names, "scannet200", {int(row["id"]): place for place, row in enumerate(rows)}, groups)


def _matterport21() -> LabelSet:
    names = (*SCANNET_20[:-1], "other", "ceiling")
    nyu40 = {**{number: place for place, number in enumerate(NYU40_OF_20.values())}, 22: names.index("ceiling")}
    return LabelSet(names, "nyu40", nyu40)


LABEL_SETS: dict[str, LabelSet] = {
    "scannet20": LabelSet(SCANNET_20),
    "scannet200": _scannet200(),
    "matterport21": _matterport21(),
    "semantickitti": LabelSet(kitti.CLASSES),
    "nuscenes": LabelSet(nuscenes.CLASSES),
    "waymo": LabelSet(waymo.CLASSES),
}
"""ScanNet's 20 and 200 classes; ScanNet's 20 with the ceiling, which Matterport3D is measured by in open-vocabulary
papers (they are told by NYU40 ids); and those of the three outdoor benchmarks."""
