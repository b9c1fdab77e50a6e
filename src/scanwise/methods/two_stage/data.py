"""What the two-stage baseline is trained on: voxels with class and object, sentences, and the object of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from scanwise.data.clouds import Batch, Cloud, Sample, collate, sample_with_objects
from scanwise.data.datasets import Source, read_source
from scanwise.data.referring import augmented, by_sentence, draw_sentences
from scanwise.errors import InputError
from scanwise.methods.two_stage.recipe import TwoStageRecipe
from scanwise.scene import Scene

_LOOKED_AT = 40  # scenes that say which classes are objects


@dataclass(frozen=True, eq=False)
class TwoStageSample:
    """One voxelised scene and k sentences.

    Attributes:
        sample: the voxels, with classes for labels.
        instances: (m,) int32 object of each, -1 = none.
        offsets: (m, 3) metres from each voxel to the mean of its object.
        texts: k sentences.
        targets: k, the object of each, -1 = nothing.
    """

    sample: Sample
    instances: np.ndarray
    offsets: np.ndarray
    texts: list[str]
    targets: list[int]


@dataclass(frozen=True, eq=False)
class TwoStageBatch:
    """B scenes with k sentences each.

    Attributes:
        clouds: the B scenes, flat.
        instances: (N,) int64 object of each voxel, -1 = none.
        offsets: (N, 3) metres.
        texts: k * B, sentence j of scene b in place j * B + b.
        targets: k * B, the object of each, -1 = nothing.
    """

    clouds: Batch
    instances: torch.Tensor
    offsets: torch.Tensor
    texts: list[str]
    targets: list[int]

    def to(self, device: torch.device | str) -> TwoStageBatch:
        """The tensors on a device."""
        clouds, offsets = self.clouds.to(device), self.offsets.to(device)
        return replace(self, clouds=clouds, instances=self.instances.to(device), offsets=offsets)


@dataclass(frozen=True)
class MakeTwoStageSample:
    """Scene and random numbers -> voxels, classes, objects and sentences, changed as LESS's are.

    Attributes:
        recipe: how many sentences, and how the scene is changed.
        classes: how many there are.
    """

    recipe: TwoStageRecipe
    classes: int

    def __call__(self, scene: Scene, generator: np.random.Generator) -> TwoStageSample:
        """The sample.

        Raises:
            InputError: the scene has no sentences, classes or objects.
        """
        recipe = self.recipe
        check_labelled(scene)
        referrals, free = draw_sentences(scene, recipe.sentences, generator)
        cloud = augmented(Cloud.of(scene), generator, points=recipe.points, augment=recipe.augment, free=free)
        sample, instances = sample_with_objects(cloud, recipe.voxel, recipe.features, scene.name)
        assert sample.offsets is not None
        offsets = np.nan_to_num(sample.offsets)
        texts, targets = [each.text for each in referrals], [each.instance for each in referrals]
        return TwoStageSample(sample, instances, offsets, texts, targets)


def collate_two_stage(samples: Sequence[TwoStageSample]) -> TwoStageBatch:
    """One flat batch of scenes with the same number of sentences each."""
    return TwoStageBatch(
        collate([each.sample for each in samples]),
        torch.from_numpy(np.concatenate([each.instances for each in samples])).long(),
        torch.from_numpy(np.concatenate([each.offsets for each in samples])),
        by_sentence([each.texts for each in samples]),
        by_sentence([each.targets for each in samples]),
    )


def thing_classes(paths: Sequence[Source], classes: int) -> list[bool]:
    """Which classes have objects: those most of whose points, in some of the scenes, belong to one.

    Raises:
        InputError: a scene has no classes or objects.
    """
    points, inside = np.zeros(classes), np.zeros(classes)
    for path in paths[:: max(1, len(paths) // _LOOKED_AT)]:
        scene = read_source(path)
        labels, instances = check_labelled(scene)
        known = labels >= 0
        points += np.bincount(labels[known], minlength=classes)
        inside += np.bincount(labels[known & (instances >= 0)], minlength=classes)
    return (inside * 2 >= points).tolist()


def check_labelled(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """A scene's labels and instances, both (N,).

    Raises:
        InputError: it lacks one.
    """
    if scene.labels is None or scene.instances is None:
        raise InputError(f"{scene.name}: the two-stage baseline needs the class and the object of every point")
    return scene.labels, scene.instances
