"""Labelled scenes into training samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scanwise.data.augment import Augmentation
from scanwise.data.classes import class_counts, class_names
from scanwise.data.clouds import Cloud, Sample, sample_of, sample_with_objects
from scanwise.data.datasets import Source
from scanwise.data.few_labels import few_labels
from scanwise.errors import InputError
from scanwise.files import write_json
from scanwise.methods.segment.recipe import SegmentRecipe
from scanwise.progress import Progress, silent
from scanwise.scene import Scene

SCENE_AUGMENTATIONS = {
    "none": Augmentation(),
    "rooms": Augmentation(
        turn=True, tilt=0.05, flip=True, scale=(0.9, 1.1), jitter=0.005, color_jitter=8, color_shift=15, contrast=0.2,
        drop_color=0.1, drop_normals=0.1,
    ),
    "streets": Augmentation(
        turn=True, tilt=0.02, flip=True, scale=(0.9, 1.1), jitter=0.02, intensity_gain=0.5, drop_intensity=0.25
    ),
}  # fmt: skip
"""How labelled scenes are changed, so that they stay what they are labelled as."""


@dataclass(frozen=True)
class MakeSample:
    """Scene and random numbers -> voxels to train on.

    Attributes:
        recipe: which voxels, and how the scene is changed.
    """

    recipe: SegmentRecipe

    def __call__(self, scene: Scene, generator: np.random.Generator) -> Sample:
        """The voxels of a scene, changed at random.

        Raises:
            InputError: the scene has no labels, or no instances where the way to them is taught.
        """
        if scene.labels is None:
            raise InputError(f"{scene.name}: has no labels to train on")
        if self.recipe.offsets and scene.instances is None:
            raise InputError(
                f"{scene.name}: has no instances, and `offsets` teaches the way to their middles; set it to 0"
            )
        if self.recipe.labelled < 1:
            scene = replace(scene, labels=few_labels(scene.labels, self.recipe.labelled, scene.name))
        cloud = SCENE_AUGMENTATIONS[self.recipe.augment](Cloud.of(scene), generator)
        if self.recipe.crop:
            cloud = Augmentation(crop=self.recipe.crop)(cloud, generator)
        if self.recipe.offsets:
            return sample_with_objects(cloud, self.recipe.voxel, self.recipe.features, scene.name)[0]
        return sample_of(cloud, self.recipe.voxel, self.recipe.features, scene.name)


def counted_classes(
    sources: Sequence[Source], kept: Path, *, points: bool = True, progress: Progress = silent
) -> tuple[list[str], list[int]]:
    """The classes of scenes and how many points each has, found once.

    A run that goes on then has the classes, and their weights, that it began with, and need not read every scene.

    Args:
        sources: labelled scenes.
        kept: file that they are kept in; those of as many scenes are not looked for again.
        points: whether points are counted, which reads every scene; else there are none.
        progress: told ("classes", share done 0..1).

    Raises:
        InputError: some scenes name their classes and others have numbers alone, or there are no labels.
    """
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["scenes"] == len(sources) and len(found["points"]) == (len(found["classes"]) if points else 0):
            return found["classes"], found["points"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or damaged: looked for now
    counts: list[int] = []
    if points:
        classes, counts = class_counts(sources, progress)
    else:
        classes = class_names(sources, progress)
    if not classes:
        raise InputError(f"none of the {len(sources)} scenes has a labelled point to train on")
    write_json(kept, {"scenes": len(sources), "classes": classes, "points": counts})
    return classes, counts
